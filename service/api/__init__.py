"""The HTTP API: what comes in, what goes out, and how errors are answered."""
