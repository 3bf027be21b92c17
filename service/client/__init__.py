"""A client of the service: submit a video, follow the job, fetch its results. Synchronous, on httpx."""

from service.client.answers import error_of
from service.client.client import Client, Job, Progress

__all__ = ["Client", "Job", "Progress", "error_of"]
