"""What lives in Redis and on disk: jobs, videos, blobs, counters."""
