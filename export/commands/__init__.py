"""The commands that join the command line: export, models import."""
