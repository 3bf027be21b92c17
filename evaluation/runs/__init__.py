"""Methods and trackers run over annotated videos, row by row or parameter by parameter."""
