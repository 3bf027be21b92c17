"""What the bench measures with: calls, processes, the machine, a profile."""
