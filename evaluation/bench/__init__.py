"""`dualtrack bench`: the cost of processing a video, as rows that each have a target."""
