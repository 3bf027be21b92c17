"""Endless samples, created on demand, or in advance by worker processes so that a GPU does not wait for them."""

from collections.abc import Callable, Iterator
from multiprocessing import get_context
from multiprocessing.context import BaseContext
from typing import TypeVar

import cv2
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

Sample = TypeVar("Sample")
WORKER_SEEDS = 1_000_003
"""Distance of the workers' seeds, so that a resumed training, whose seed is the step, reuses no other worker's."""
AHEAD = 3
"""Number of samples that every worker prepares in advance."""
SLOW_TO_IMPORT = ("torch", "torchvision", "cv2", "av", "pycocotools.mask", "safetensors.torch")
"""Modules that workers need, preloaded because each would take seconds to import them."""


class _Endless(IterableDataset[Sample]):
    def __init__(self, samples: Callable[[int], Iterator[Sample]], seed: int) -> None:
        self._samples, self._seed = samples, seed

    def __iter__(self) -> Iterator[Sample]:
        worker = get_worker_info()
        yield from self._samples(self._seed + WORKER_SEEDS * (worker.id + 1 if worker else 0))


def sample_stream(samples: Callable[[int], Iterator[Sample]], seed: int, workers: int) -> Iterator[Sample]:
    """Samples of a seed, created by `workers` processes (0: by this one, on demand).

    With workers, `samples` must be picklable: a module-level function or a `partial` of one. The samples and their
    order then also depend on the number of workers.
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
    """Workers are forked from a server: a process with threads of torch or CUDA may hold a lock while it forks."""
    context = get_context("forkserver")
    context.set_forkserver_preload(list(SLOW_TO_IMPORT))
    return context


def _one_thread(_: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
