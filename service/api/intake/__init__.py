"""Reads requests, from the top down: `job_request` or `video_request`, `body`, `files`."""
