"""Commands added to the command line: export, models import."""
