"""`dualtrack bench`: what a video costs, row by row, each with its target."""
