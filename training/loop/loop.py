"""The training loop of all programs: a budget in minutes, checkpoints, losses printed every 50 steps."""

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
"""Decay of the running averages that are printed."""
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
    """Train until the budget is spent; resumes if `out` has a saved state.

    Args:
        model: to train and save.
        optimizer: its groups have `base`, the learning rate that the schedule scales.
        samples: seed -> endless samples.
        losses: sample -> losses by name, whose sum is minimized. Samples without gradient are skipped.
        out: folder for `state.pt` (to resume), `latest.safetensors`, and `final.safetensors` at the end.
        minutes: time budget.
        seed: of samples and noise.
        steps: budget instead of the minutes, to compare runs step by step.
        averaged: returns the model to write at the end instead of `model`, such as a moving average.
        after_step: called after every step.
        workers: number of worker processes that prepare samples.
    """
    device = next(model.parameters()).device
    clock = Clock(minutes * 60)
    # a run with fewer steps than the warm-up would never reach its learning rate
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
        with device:  # for tensors that the losses create, such as indices and random numbers
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
        # without a step in this run, the average is that of the initial weights
        save_weights(final, averaged() if averaged and step > start else model)
