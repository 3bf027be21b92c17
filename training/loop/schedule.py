"""Training with a time budget: minutes, a cosine learning rate over them, checkpoints for resuming."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

CHECKPOINT_EVERY_S = 150.0
WARM_UP = 100
"""Steps until the full learning rate is reached."""


@dataclass
class Clock:
    """Progress within a time budget; `spent` persists across interruptions."""

    budget_s: float
    spent: float = 0.0
    last: float = 0.0

    def tick(self) -> float:
        """Fraction of the budget spent, in [0, 1]; call once per step."""
        now = time.monotonic()
        self.spent += now - self.last if self.last else 0.0
        self.last = now
        return min(self.spent / self.budget_s, 1.0)


def cosine(share: float, step: int, warm_up: int = WARM_UP) -> float:
    """Factor on the learning rate: linear warm-up over steps, then a half cosine down to 2 %."""
    return min(1.0, (step + 1) / warm_up) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))


def rms_groups(module: nn.Module, factor: float, fresh: tuple[str, ...], fresh_lr: float) -> list[dict[str, Any]]:
    """Parameter groups: tensors of the initial weights get a rate proportional to their RMS, new ones `fresh_lr`.

    The initial weights have no batch norm, and tensors of very different scales.
    """
    groups = []
    for name, parameter in module.named_parameters():
        new = name.startswith(fresh)
        rms = float(parameter.detach().pow(2).mean().sqrt()) + 1e-3
        groups.append({"params": [parameter], "base": fresh_lr if new else factor * rms})
    return groups


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Scale every group's learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["base"] * factor


def save(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, step: int, clock: Clock) -> None:
    """Write `path`/state.pt (to resume) and `path`/latest.safetensors (to use), each atomically."""
    path.mkdir(parents=True, exist_ok=True)
    state = {"model": module.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "spent": clock.spent}
    torch.save(state, path / "state.tmp")
    (path / "state.tmp").replace(path / "state.pt")
    save_weights(path / "latest.safetensors", module)


def save_weights(path: Path, module: nn.Module) -> None:
    """The module's state dict as safetensors."""
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in module.state_dict().items()}
    save_file(tensors, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)


def resume(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, clock: Clock) -> int:
    """Load `path`/state.pt if it exists; returns the step to continue from."""
    if not (path / "state.pt").is_file():
        return 0
    state = torch.load(path / "state.pt", map_location="cpu", weights_only=True)
    module.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    clock.spent = state["spent"]
    return int(state["step"])
