"""The training loop: how long it runs, and at which rate."""

from itertools import repeat
from pathlib import Path

import pytest
import torch

from training.loop.loop import train_loop
from training.loop.moving_average import moving_average

pytestmark = pytest.mark.models


def rates(out: Path, steps: int | None, samples: int = 200) -> list[float]:
    """The rate of every step of a training of one weight for an hour, or until steps or samples are used up."""
    model, found = torch.nn.Linear(1, 1), []
    optimizer = torch.optim.AdamW([{"params": list(model.parameters()), "base": 1.0}])
    train_loop(
        model,
        optimizer,
        lambda seed: repeat(torch.ones(1, 1), samples),
        lambda sample: {"square": model(sample).square().sum()},
        out=out,
        minutes=60,
        seed=0,
        steps=steps,
        after_step=lambda: found.append(optimizer.param_groups[0]["lr"]),
    )
    return found


@pytest.mark.parametrize("steps", [1, 3, 20, 40])
def test_a_training_by_steps_takes_them_all_and_reaches_its_rate(tmp_path: Path, steps: int):
    found = rates(tmp_path, steps)
    assert len(found) == steps
    assert max(found) > 0.85
    assert steps < 20 or found[-1] < 0.1


def test_a_training_by_steps_goes_on_where_it_was_and_ends_where_it_should(tmp_path: Path):
    first = rates(tmp_path, 4)
    again = rates(tmp_path, 10)
    assert (len(first), len(again)) == (4, 6)


def test_a_training_by_minutes_warms_up_over_a_hundred_steps(tmp_path: Path):
    found = rates(tmp_path, None, samples=120)
    assert found[:3] == pytest.approx([0.01, 0.02, 0.03], rel=0.05)
    assert found[49] == pytest.approx(0.5, rel=0.05)
    assert found[110] == pytest.approx(1, rel=0.05)


def test_the_average_follows_a_short_training_and_smooths_a_long_one():
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(model.weight, 0.0)
    average = moving_average(model)
    values = []
    for step in range(4000):
        torch.nn.init.constant_(model.weight, 1.0 if step % 2 else 3.0)
        average.update_parameters(model)
        values.append(float(average.module.weight.detach()))
    assert abs(values[19] - 2) < 0.6, "nothing of the start is left after twenty steps"
    assert abs(values[-1] - 2) < 0.01


def test_a_finished_training_that_is_started_again_keeps_its_weights(tmp_path: Path):
    def run() -> None:
        model = torch.nn.Linear(1, 1, bias=False)
        average = moving_average(model)
        optimizer = torch.optim.AdamW([{"params": list(model.parameters()), "base": 1.0}])
        train_loop(
            model,
            optimizer,
            lambda _: repeat(torch.ones(1)),
            lambda sample: {"loss": model(sample).sum()},
            out=tmp_path,
            minutes=1,
            seed=0,
            steps=3,
            averaged=lambda: average.module,
            after_step=lambda: average.update_parameters(model),
        )

    run()
    first = (tmp_path / "final.safetensors").read_bytes()
    run()
    assert (tmp_path / "final.safetensors").read_bytes() == first
