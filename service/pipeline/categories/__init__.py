"""The meaning of class vectors, and the categories of results."""
