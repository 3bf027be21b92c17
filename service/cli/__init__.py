"""The command line: `dualtrack …`, one file per command."""
