"""The command line `dualtrack`, one module per command."""
