"""What an attempt can report about its artifact, and what every call returns if the attempt no longer holds it."""

from collections.abc import Awaitable, Callable

from service.state.artifacts import ArtifactStore
from service.state.job import JobProgress
from tests.contract.state.bench import BROKEN

Call = Callable[[ArtifactStore, str, int], Awaitable[object]]
PROGRESS = JobProgress(stage="render", done=1, total=4, fraction=0.25, rate=2.0, eta_s=1.5)
BAD = {"code": "decode-failed", "detail": "frame 3 is broken"}
CALLS: dict[str, Call] = {
    "commit": lambda store, name, attempt: store.commit(name, attempt, f"artifacts/{attempt}/overlay.mp4", 7),
    "fail": lambda store, name, attempt: store.fail(name, attempt, BAD),
    "release": lambda store, name, attempt: store.release(name, attempt),
    "release-failed": lambda store, name, attempt: store.release(name, attempt, BROKEN),
    "progress": lambda store, name, attempt: store.progress(name, attempt, PROGRESS),
}
REFUSED = {name: "lost" if name == "progress" else False for name in CALLS}
