"""Commands added to the command line: evaluate, compare, table2, tune."""
