"""What class vectors mean, and which categories a result has."""
