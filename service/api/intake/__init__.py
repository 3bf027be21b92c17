"""What a request brings: read as it comes, checked, stored."""
