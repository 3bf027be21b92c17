"""What comes in with a request, on its way down: `job_request` or `video_request`, `body`, `files`."""
