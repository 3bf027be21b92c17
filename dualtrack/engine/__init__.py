"""The engine process, seen from outside: started, given jobs, watched, killed."""
