"""Exponential moving average of the weights, written at the end of training."""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

DECAY = 0.998


def moving_average(model: nn.Module, decay: float = DECAY) -> AveragedModel:
    """An averaged copy of the model; call `update_parameters` after every step.

    The decay starts low, (1 + n) / (10 + n) after n steps: a short run must not be averaged with its initial weights.
    """

    @torch.no_grad()
    def follow(averaged: list[Tensor], current: list[Tensor], count: Tensor | int) -> None:
        steps = int(count)
        share = 1 - min(decay, (1 + steps) / (10 + steps))
        for mean, value in zip(averaged, current, strict=True):
            if mean.is_floating_point():
                mean.lerp_(value.to(mean.dtype), share)
            else:
                mean.copy_(value)

    return AveragedModel(model, multi_avg_fn=follow)
