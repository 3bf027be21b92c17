"""`Engine` and `segment`: videos through the whole method on this machine, without a server."""

import asyncio
import contextlib
import queue
import tempfile
import threading
import weakref
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from rich.console import Console

from dualtrack import protocol
from dualtrack.children import require_serving
from dualtrack.digest import sha256_of
from dualtrack.engine.handle import COMMAND, EngineHandle
from dualtrack.error_codes import error_of_code
from dualtrack.errors import ConfigurationError, InvalidDetections, InvalidVideo, JobFailed
from dualtrack.formats.table import FILES, ResultFormat
from dualtrack.parameters import Parameters
from dualtrack.progress import OnProgress, Progress
from dualtrack.progress_bar import is_interactive, progress_bar
from dualtrack.result.result import Result, load

T = TypeVar("T")
PathLike = Path | str


class Engine:
    """An engine process on this machine: the models are loaded once, then any number of videos is segmented.

    It runs apart from the caller's process, so a video that crashes a codec ends in an error, not in the end of a
    notebook; the next call starts another process. Calls from several threads wait for each other.

    Args:
        model_repository: folder with `manifest.json`; default: the bundled models.
        detector: TOML file of a detector that takes the place of the bundled one.
        providers: execution providers of onnxruntime, best first.
        threads: of one onnxruntime session.

    What is not given comes from the environment variables `DUALTRACK_…`, as for the service; `dualtrack config` lists
    them. The engine uses the cache in `DUALTRACK_DATA_DIR`: the same video with another `th_seq` is not tracked again.

    Raises:
        ConfigurationError: this is not Linux, or the extra `cpu` or `gpu` is not installed.

    Example:
        >>> with dualtrack.Engine() as engine:
        ...     for path in paths:
        ...         result = engine.segment(path, th_det=0.3, on_progress=print)
    """

    _command: Sequence[str] = COMMAND
    """The program that is started; tests start another one."""

    def __init__(
        self,
        *,
        model_repository: PathLike | None = None,
        detector: PathLike | None = None,
        providers: Sequence[str] | None = None,
        threads: int | None = None,
    ) -> None:
        require_serving("engine")
        given = {
            "model_repository": _absolute(model_repository),
            "detector": _absolute(detector),
            "providers": None if providers is None else list(providers),
            "threads": threads,
        }
        self._handle = EngineHandle({name: value for name, value in given.items() if value is not None}, self._command)
        self._loop = _LoopThread()
        self._lock = threading.Lock()
        self._close = weakref.finalize(self, _shut_down, self._loop, self._handle)

    def __enter__(self) -> Self:
        """The engine itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self.close()

    def close(self) -> None:
        """End the process; a closed engine can't be used again."""
        with self._lock:
            self._close()

    def segment(
        self,
        video: PathLike,
        *,
        out: PathLike | None = None,
        detections: PathLike | None = None,
        on_progress: OnProgress | None = None,
        **parameters: Unpack[Parameters],
    ) -> Result:
        """Segment a video.

        Args:
            video: the file.
            out: folder for `tubelets.json`, `ytvis.json` and `overlay.mp4`, created if missing; without it no file
                is kept and no overlay is drawn.
            detections: COCO results by frame that take the detector's place.
            on_progress: called in this thread after every step; what it raises ends the run. So does Ctrl-C.
            **parameters: of the job; `dualtrack.Parameters` has them all.

        Returns:
            The result; boxes in pixels of the original frame after rotation, frames count from 0.

        Raises:
            InvalidVideo: the file can't be used; `code` says why.
            InvalidDetections: the detections can't be used.
            InvalidParameter: a parameter is unknown or out of its range.
            ConfigurationError: models or settings can't be used, or the engine is closed.
            InferenceError: a graph failed, or the process died or was frozen.
            Unavailable: the disk is full, or the machine too busy to decode; the same call may succeed later.
        """
        path, given = Path(video).resolve(), None if detections is None else Path(detections).resolve()
        if not path.is_file():
            raise InvalidVideo(f"video: expected a file, got {video}", code="no-such-file")
        if given is not None and not given.is_file():
            raise InvalidDetections(f"detections: expected a file, got {detections}")
        values: dict[str, Any] = dict(parameters)
        if out is None:
            values.setdefault("overlay", False)
        with self._lock, _folder(out) as folder:
            job = {"video": str(path), "sha256": sha256_of(path), "out": str(folder), "parameters": values}
            if given is not None:
                job["detections"] = str(given)
            self._run(job, on_progress or _ignore)
            return _collect(folder, keep=out is not None)

    def _run(self, job: dict[str, Any], on_progress: OnProgress) -> None:
        """Do a job; steps reach `on_progress` in the caller's thread."""
        if not self._close.alive:
            raise ConfigurationError("engine: it is closed")
        steps: queue.SimpleQueue[protocol.Step | None] = queue.SimpleQueue()
        canceled = asyncio.Event()
        run = self._loop.start(self._handle.run(job, steps.put, _ignore, canceled))
        run.add_done_callback(lambda _: steps.put(None))
        try:
            while (step := steps.get()) is not None:
                on_progress(Progress(step.stage, step.done, step.total))
        except BaseException:
            # Ctrl-C, or an error of the callback: the engine stops before the caller goes on
            self._loop.call(canceled.set)
            run.exception()
            raise
        try:
            run.result()
        except JobFailed as error:
            # the same failure as the class that the caller knows
            raise error_of_code(error.code, error.detail) from None


def segment(
    video: PathLike,
    *,
    out: PathLike | None = None,
    detections: PathLike | None = None,
    on_progress: OnProgress | None = None,
    detector: PathLike | None = None,
    model_repository: PathLike | None = None,
    **parameters: Unpack[Parameters],
) -> Result:
    """Segment one video with an engine of its own; shows a progress bar in a terminal or notebook.

    For several videos use one `Engine`: it loads the models once.

    Args:
        video: the file.
        out: folder for `tubelets.json`, `ytvis.json` and `overlay.mp4`; without it no file is kept.
        detections: COCO results by frame that take the detector's place.
        on_progress: called after every step, in place of the bar.
        detector: TOML file of a detector that takes the place of the bundled one.
        model_repository: folder with `manifest.json`; default: the bundled models.
        **parameters: of the job; `dualtrack.Parameters` has them all.

    Raises:
        DualtrackError: as `Engine` and `Engine.segment`.

    Example:
        >>> result = dualtrack.segment("clip.mp4", categories="ytvis2019")
        >>> result.tubelets[0].mask(12)      # (H, W) bool, or None where the object is not visible
    """
    with Engine(detector=detector, model_repository=model_repository) as engine:
        if on_progress is not None:
            return engine.segment(video, out=out, detections=detections, on_progress=on_progress, **parameters)
        console = Console(stderr=True)
        if not is_interactive(console):
            return engine.segment(video, out=out, detections=detections, **parameters)
        with progress_bar(console) as bar:
            return engine.segment(video, out=out, detections=detections, on_progress=bar.show, **parameters)


class _LoopThread:
    """An event loop in a thread of its own: a notebook has one of its own already."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="dualtrack-engine", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_forever()

    def start(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def call(self, act: Any) -> None:
        self._loop.call_soon_threadsafe(act)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


def _shut_down(loop: _LoopThread, handle: EngineHandle) -> None:
    loop.start(handle.stop()).result()
    loop.stop()


@contextlib.contextmanager
def _folder(out: PathLike | None) -> Iterator[Path]:
    """The folder of the results: the caller's, or one that goes with the block."""
    if out is not None:
        yield Path(out).resolve()
        return
    with tempfile.TemporaryDirectory(prefix="dualtrack-") as name:
        yield Path(name)


def _collect(folder: Path, *, keep: bool) -> Result:
    """The result in a folder; where it is kept, the JSON document takes the place of the stored file."""
    file = FILES[ResultFormat.COCO_RLE]
    stored = folder / file.stored
    result = load(stored)
    if keep:
        result.save(folder / file.name)
        stored.unlink()
    return result


def _absolute(path: PathLike | None) -> str | None:
    return None if path is None else str(Path(path).resolve())


def _ignore(_: object) -> None:
    pass
