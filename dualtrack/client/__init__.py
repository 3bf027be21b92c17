"""The clients of a service: submit a video, follow the job, fetch its results."""
