"""`Engine` and `segment`: segment videos on this machine, without a server."""

import asyncio
import contextlib
import queue
import tempfile
import threading
import weakref
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from rich.console import Console

from dualtrack import protocol
from dualtrack.children import require_serving
from dualtrack.deprecations import warn_of_deprecations
from dualtrack.digest import sha256_of
from dualtrack.engine.handle import COMMAND, EngineHandle
from dualtrack.error_codes import error_of_code
from dualtrack.errors import (
    ConfigurationError,
    DualtrackError,
    InvalidDetections,
    InvalidVideo,
    JobFailed,
    OverlayFailed,
)
from dualtrack.formats.table import FILES, ResultFormat
from dualtrack.outputs import writable_results
from dualtrack.parameters import Parameters
from dualtrack.progress import OnProgress, Progress
from dualtrack.progress_bar import is_interactive, progress_bar
from dualtrack.result.result import Result, load

T = TypeVar("T")
PathLike = Path | str


class Engine:
    """An engine process on this machine that loads the models once and segments any number of videos.

    The process starts with the first call of `segment` and ends with `close`, or at the end of a `with` block. It is
    separate from the calling process, so a video that crashes a codec raises an error instead of ending the program or
    notebook; the next call starts a new process. Calls from several threads run one at a time.

    Settings that are not arguments come from the environment variables `DUALTRACK_…`, as for the service; `dualtrack
    config` lists them. Stages are cached in `DUALTRACK_DATA_DIR`: if the same video is segmented again with another
    `th_seq`, detection and tracking are not repeated.

    Args:
        model_repository: model repository, a folder with a `manifest.json`; default: the bundled models.
        detector: TOML file that describes an ONNX detector to use instead of the bundled one.
        providers: ONNX Runtime execution providers in order of preference; default: `("CPUExecutionProvider",)`.
        threads: threads per ONNX Runtime session; default: 2.

    Raises:
        ConfigurationError: this is not Linux, or neither of the extras `cpu` and `gpu` is installed.

    Example:
        >>> import dualtrack
        >>> with dualtrack.Engine() as engine:
        ...     for path in ["clip.mp4"]:
        ...         result = engine.segment(path, th_det=0.3)
        ...         print(path, len(result.tubelets), "objects")
    """

    _command: Sequence[str] = COMMAND
    """The program to start; tests start another one."""

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
        """Return the engine."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the process."""
        self.close()

    def close(self) -> None:
        """Stop the process after a running call has ended. A closed engine can't be used again."""
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
            video: path of the video file.
            out: folder for the files `tubelets.json`, `ytvis.json` and `overlay.mp4`, created if it does not exist.
                Default: no files are kept and no overlay is rendered.
            detections: path of a JSON file of detections to use instead of the detector's: COCO results, with the
                index of the frame, from 0, as `image_id`.
            on_progress: called with a `dualtrack.Progress` after every step, in the calling thread. An exception it
                raises cancels the run and is raised here; so is a `KeyboardInterrupt` (Ctrl-C).
            **parameters: parameters of the job, such as `th_det=0.3`; `dualtrack.Parameters` describes all of them.

        Returns:
            The result. Boxes and masks are in pixels of the original frame after rotation; frames count from 0.

        Raises:
            InvalidVideo: the file does not exist or can't be used; `code` is the reason.
            InvalidDetections: the detections file does not exist or can't be used.
            InvalidParameter: a parameter is unknown or out of range.
            ConfigurationError: the models or settings can't be used, or the engine is closed.
            InferenceError: inference failed; an `EngineDied` if the process ended or was frozen.
            Unavailable: the disk is full, or a decoder was killed or got no processor time; a later call may succeed.
            OverlayFailed: the overlay can't be drawn; the result's files are complete in `out`, and `dualtrack.load`
                reads them.

        Example:
            >>> with dualtrack.Engine() as engine:
            ...     result = engine.segment("clip.mp4", out="output", th_det=0.3, on_progress=print)
        """
        warn_of_deprecations(parameters)
        return self._segment(video, out, detections, on_progress, parameters)

    def _segment(
        self,
        video: PathLike,
        out: PathLike | None,
        detections: PathLike | None,
        on_progress: OnProgress | None,
        parameters: Mapping[str, Any],
    ) -> Result:
        """See `segment`; deprecated parameters have been warned about."""
        path, given = Path(video).resolve(), None if detections is None else Path(detections).resolve()
        if not path.is_file():
            raise InvalidVideo(f"video: expected a file, got {video}", code="no-such-file")
        if given is not None and not given.is_file():
            raise InvalidDetections(f"detections: expected a file, got {detections}")
        if out is not None:
            writable_results(Path(out))
        values: dict[str, Any] = dict(parameters)
        if out is None:
            values.setdefault("overlay", False)
        with self._lock, _folder(out) as folder:
            job: dict[str, Any] = {"video": str(path), "sha256": sha256_of(path), "out": str(folder)}
            # without a folder nobody would see the overlay, and its failure would cost the result
            job |= {"parameters": values, "overlay": out is not None}
            if given is not None:
                job["detections"] = str(given)
            # of an earlier call that was killed: what is there after a failure is of this one
            _stored(folder).unlink(missing_ok=True)
            try:
                self._run(job, on_progress or _ignore)
            except BaseException as error:
                if out is None or not _stored(folder).exists():
                    raise
                # the result was complete before the overlay failed, or was interrupted
                _collect(folder, keep=True)
                if not isinstance(error, DualtrackError):
                    raise
                raise OverlayFailed(f"{_overlay_reason(error)}; the result is complete, in {out}/") from error
            return _collect(folder, keep=out is not None)

    def _run(self, job: dict[str, Any], on_progress: OnProgress) -> None:
        """Run a job; calls `on_progress` in the caller's thread."""
        if not self._close.alive:
            raise ConfigurationError("engine: expected an open engine, got one that is closed")
        steps: queue.SimpleQueue[protocol.Step | None] = queue.SimpleQueue()
        canceled = asyncio.Event()
        run = self._loop.start(self._handle.run(job, steps.put, _ignore, canceled))
        run.add_done_callback(lambda _: steps.put(None))
        try:
            while (step := steps.get()) is not None:
                on_progress(Progress(step.stage, step.done, step.total))
        except BaseException:
            # Ctrl-C, or an exception in the callback: the run is stopped before the caller continues
            self._loop.call(canceled.set)
            run.exception()
            raise
        try:
            run.result()
        except JobFailed as error:
            # the same failure as the error class that callers expect
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
    """Segment one video on this machine; shows a progress bar in a terminal or notebook.

    Starts an `Engine` for this call. To segment several videos, use one `Engine`, which loads the models only once.

    Args:
        video: path of the video file.
        out: folder for the files `tubelets.json`, `ytvis.json` and `overlay.mp4`, created if it does not exist.
            Default: no files are kept and no overlay is rendered.
        detections: path of a JSON file of detections to use instead of the detector's: COCO results, with the index
            of the frame, from 0, as `image_id`.
        on_progress: called with a `dualtrack.Progress` after every step, instead of the progress bar.
        detector: TOML file that describes an ONNX detector to use instead of the bundled one.
        model_repository: model repository, a folder with a `manifest.json`; default: the bundled models.
        **parameters: parameters of the job, such as `th_det=0.3`; `dualtrack.Parameters` describes all of them.

    Returns:
        The result. Boxes and masks are in pixels of the original frame after rotation; frames count from 0.

    Raises:
        InvalidVideo: the file does not exist or can't be used; `code` is the reason.
        InvalidDetections: the detections file does not exist or can't be used.
        InvalidParameter: a parameter is unknown or out of range.
        ConfigurationError: this is not Linux, neither of the extras `cpu` and `gpu` is installed, or the models or
            settings can't be used.
        InferenceError: inference failed; an `EngineDied` if the process ended.
        OverlayFailed: the overlay can't be drawn; the result's files are complete in `out`, and `dualtrack.load` reads
            them.

    Example:
        >>> import dualtrack
        >>> result = dualtrack.segment("clip.mp4", categories="ytvis2019")
        >>> for tubelet in result.tubelets:
        ...     print(tubelet.id, tubelet.category, f"{tubelet.score:.2f}", len(tubelet.frames), "frames")
    """
    warn_of_deprecations(parameters)
    with Engine(detector=detector, model_repository=model_repository) as engine:
        run = partial(engine._segment, video, out, detections)  # noqa: SLF001 (of the same module)
        console = Console(stderr=True)
        if on_progress is not None or not is_interactive(console):
            return run(on_progress, parameters)
        with progress_bar(console) as bar:
            return run(bar.show, parameters)


class _LoopThread:
    """An event loop in a separate thread, because a notebook already runs one in the main thread."""

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
    """The caller's folder for results, or a temporary one that is removed at the end of the block."""
    if out is not None:
        yield Path(out).resolve()
        return
    with tempfile.TemporaryDirectory(prefix="dualtrack-") as name:
        yield Path(name)


def _collect(folder: Path, *, keep: bool) -> Result:
    """Read the result in a folder; with `keep`, replace the stored file by the JSON document."""
    stored = _stored(folder)
    result = load(stored)
    if keep:
        result.save(folder / FILES[ResultFormat.COCO_RLE].name)
        stored.unlink()
    return result


def _stored(folder: Path) -> Path:
    return folder / FILES[ResultFormat.COCO_RLE].stored


def _overlay_reason(error: DualtrackError) -> str:
    return error.detail if isinstance(error, OverlayFailed) else f"overlay: {error.code}: {error.detail}"


def _absolute(path: PathLike | None) -> str | None:
    return None if path is None else str(Path(path).resolve())


def _ignore(_: object) -> None:
    pass
