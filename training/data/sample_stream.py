"""Samples forever, on demand or made ahead by processes of their own, so that a GPU does not wait for them."""

from collections.abc import Callable, Iterator
from multiprocessing import get_context
from multiprocessing.context import BaseContext
from typing import TypeVar

import cv2
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

Sample = TypeVar("Sample")
WORKER_SEEDS = 1_000_003
"""Seeds of two workers are so far apart that a resumed training, whose seed is its step, meets no other's."""
AHEAD = 3
"""Samples that every worker has ready."""
SLOW_TO_IMPORT = ("torch", "torchvision", "cv2", "av", "pycocotools.mask", "safetensors.torch")
"""What workers need and would each import for seconds."""


class _Endless(IterableDataset[Sample]):
    def __init__(self, samples: Callable[[int], Iterator[Sample]], seed: int) -> None:
        self._samples, self._seed = samples, seed

    def __iter__(self) -> Iterator[Sample]:
        worker = get_worker_info()
        yield from self._samples(self._seed + WORKER_SEEDS * (worker.id + 1 if worker else 0))


def sample_stream(samples: Callable[[int], Iterator[Sample]], seed: int, workers: int) -> Iterator[Sample]:
    """Samples of a seed; `workers` processes share the work (0: made here, when asked for).

    With workers `samples` must be something that pickle can send to them: a function of a module, or a `partial` of
    one. The samples and their order then depend on the number of workers, too.
    """
    if not workers:
        return samples(seed)
    loader = DataLoader(
        _Endless(samples, seed),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=AHEAD,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_one_thread,
        multiprocessing_context=_context(),
    )
    return iter(loader)


def _context() -> BaseContext:
    """Workers are forked from a server: a process that runs threads of torch or CUDA may hold a lock while it forks."""
    context = get_context("forkserver")
    context.set_forkserver_preload(list(SLOW_TO_IMPORT))
    return context


def _one_thread(_: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
