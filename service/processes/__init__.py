"""Processes of this program: started, kept running, tied to their parent, watched."""
