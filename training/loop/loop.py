"""The training loop that all programs share: a budget in minutes, checkpoints, a line of losses every 50 steps."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from training.data.sample_stream import sample_stream
from training.loop.schedule import CHECKPOINT_EVERY_S, WARM_UP, Clock, cosine, resume, save, save_weights, set_rate

Sample = TypeVar("Sample")
LINE_EVERY = 50
FORGET = 0.98
"""Of the running averages that are printed."""
MOST_GRADIENT = 5.0


def train_loop(  # noqa: PLR0913
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    samples: Callable[[int], Iterator[Sample]],
    losses: Callable[[Sample], dict[str, Tensor]],
    *,
    out: Path,
    minutes: float,
    seed: int,
    steps: int | None = None,
    averaged: Callable[[], nn.Module] | None = None,
    after_step: Callable[[], None] | None = None,
    workers: int = 0,
) -> None:
    """Train until the budget is spent; goes on from `out` if it holds a state.

    Args:
        model: what is saved.
        optimizer: its groups have `base`, the rate that the schedule scales.
        samples: a seed -> samples forever.
        losses: a sample -> its losses by name; their sum is minimised. A sample without gradient is skipped.
        out: `state.pt` (to resume), `latest.safetensors`, at the end `final.safetensors`.
        minutes: budget.
        seed: of samples and noise.
        steps: budget in place of the minutes, so that two trainings can be compared step by step.
        averaged: the model to write at the end instead of `model`, e.g. a moving average.
        after_step: called after every step.
        workers: processes that make samples ahead.
    """
    device = next(model.parameters()).device
    clock = Clock(minutes * 60)
    # a training of fewer steps than the warm-up would never reach its rate
    warm_up = min(WARM_UP, max(1, steps // 5)) if steps else WARM_UP
    start = step = resume(out, model, optimizer, clock)
    torch.manual_seed(seed + step)
    last_save = time.monotonic()
    running: dict[str, float] = {}
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for sample in sample_stream(samples, seed + step, workers):
        share = clock.tick()
        share = step / steps if steps else share
        if share >= 1:
            break
        set_rate(optimizer, cosine(share, step, warm_up))
        with device:  # what the losses make, indices and random numbers, is made there
            parts = losses(sample)
        total = torch.stack(list(parts.values())).sum()
        if not total.requires_grad:
            continue
        optimizer.zero_grad()
        total.backward()
        if torch.isfinite(nn.utils.clip_grad_norm_(weights, MOST_GRADIENT)):
            optimizer.step()
            if after_step:
                after_step()
        step += 1
        running = {k: FORGET * running.get(k, 0.0) + (1 - FORGET) * float(v.detach()) for k, v in parts.items()}
        if step % LINE_EVERY == 0:
            known = 1 - FORGET ** (step - start)
            line = " ".join(f"{name} {value / known:.4f}" for name, value in running.items())
            print(f"step {step} share {share:.3f} {line}", flush=True)
        if time.monotonic() - last_save > CHECKPOINT_EVERY_S:
            save(out, model, optimizer, step, clock)
            last_save = time.monotonic()
    save(out, model, optimizer, step, clock)
    final = out / "final.safetensors"
    if step > start or not final.is_file():
        # an average that has seen no step of this run is that of the start
        save_weights(final, averaged() if averaged and step > start else model)
