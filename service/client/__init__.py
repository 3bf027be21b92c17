"""A client of the service: submit a video, follow the job, fetch its results. Synchronous, on httpx."""
