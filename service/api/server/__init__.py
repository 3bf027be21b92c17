"""What is between a socket and the application: connections that are slow, silent, broken or drained."""
