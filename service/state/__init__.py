"""State in Redis and on disk: jobs, videos, blobs, counters."""
