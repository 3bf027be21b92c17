"""The commands that join the command line: evaluate, compare, table2, tune."""
