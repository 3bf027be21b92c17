"""The exponential moving average of the weights that a training writes in the end."""

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

DECAY = 0.998


def moving_average(model: nn.Module, decay: float = DECAY) -> AveragedModel:
    """A copy of the model that follows it; call `update_parameters` after every step.

    In the first steps it follows more closely (decay (1 + n) / (10 + n) after n of them): a short training would be
    averaged with its start otherwise.
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
