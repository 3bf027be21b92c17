import copy
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from service.calibration.params import ProposalParams, Strategy
from service.calibration.seeds import (
    greedy,
    group_scores,
    left_over,
    next_groups,
    next_seeds,
    unexplained,
    without,
)
from service.structures.detections import Candidate, Detections
from tests.unit.builders import frame, mask, tube

PARAMS = ProposalParams()
BELOW_A_QUARTER = float(np.nextafter(np.float32(0.25), np.float32(0)))


def group_leaders(frames: Sequence[Detections], params: ProposalParams) -> list[Candidate]:
    return next_seeds(frames, params, room=params.max_seeds)


def moving(score: float = 0.9, step: int = 2, length: int = 8) -> list:
    """One object that moves by `step` px a frame; its best score in frame 3."""
    return [frame(t, (t * step, [score + (0.05 if t == 3 else 0), 0, 0])) for t in range(length)]


def test_duplicate_across_frames_is_removed_and_neighbors_are_kept() -> None:
    frames = [frame(t, (0, [0.9 - t / 100, 0, 0]), (30, [0.5, 0, 0])) for t in range(4)]
    assert [(c.frame, float(c.box[0])) for c in greedy(frames, PARAMS)] == [(0, 0.0), (0, 30.0)]


def test_greedy_leaves_a_seed_per_place_and_groups_one_per_object() -> None:
    assert len(greedy(moving(), PARAMS)) > 1
    leaders = group_leaders(moving(), PARAMS)
    assert [c.frame for c in leaders] == [3]


def test_leaders_are_sorted_best_first() -> None:
    frames = [frame(0, (0, [0.5, 0, 0]), (20, [0.9, 0, 0]), (40, [0.7, 0, 0]))]
    assert [float(leader.box[0]) for leader in group_leaders(frames, PARAMS)] == [20, 40, 0]


def test_objects_that_some_frame_shows_together_come_first() -> None:
    # one object whose chain breaks between frames 3 and 4, and a neighbor that is there before and after
    broken = [0, 0, 0, 0, 20, 20, 20, 20]
    frames = [frame(t, (x, [0.9 - t / 100, 0, 0]), (40, [0.5, 0, 0])) for t, x in enumerate(broken)]
    places = [(c.frame, float(c.box[0])) for c in group_leaders(frames, PARAMS)]
    assert places == [(0, 0.0), (0, 40.0), (4, 20.0)], "the better half of the broken chain, the neighbor, the rest"
    few = group_leaders(frames, ProposalParams(max_seeds=3))
    assert [(c.frame, float(c.box[0])) for c in few] == places[:2], "doubtful ones leave a third of the seeds"
    left = unexplained(frames, [tube(range(4), x=0), tube(range(8), x=40)], PARAMS)
    assert [(c.frame, float(c.box[0])) for c in group_leaders(left, PARAMS)] == [(4, 20.0)]


def test_order_of_the_input_does_not_matter() -> None:
    found = [(x, [0.3 + x / 100, 0, 0]) for x in range(0, 50, 5)]
    shuffled = found[:]
    random.Random(1).shuffle(shuffled)
    one, other = greedy([frame(0, *found)], PARAMS), greedy([frame(0, *shuffled)], PARAMS)
    assert [c.box.tolist() for c in one] == [c.box.tolist() for c in other]


@pytest.mark.parametrize("choose", [greedy, group_leaders])
def test_cap_and_empty(choose) -> None:
    frames = [frame(0, *[(x, [0.5 + x / 1000, 0, 0]) for x in range(0, 50, 12)])]
    assert len(choose(frames, ProposalParams(max_seeds=2))) == 2
    assert choose([], PARAMS) == []
    assert choose([frame(0), frame(1)], PARAMS) == []


@pytest.mark.parametrize(("most", "left"), [(4, True), (5, False), (100, False)])
def test_candidates_left_over_by_the_cap(most: int, left: bool) -> None:
    frames = [frame(0, *[(x, [0.5 + x / 1000, 0, 0]) for x in range(0, 50, 12)])]
    tubelets = [tube(range(1))] * most
    assert left_over(frames, tubelets, ProposalParams(strategy="greedy", max_seeds=most)) == left


@pytest.mark.parametrize("strategy", ["greedy", "track_and_suppress"])
def test_nothing_is_left_over_below_the_cap(strategy: Strategy) -> None:
    """A candidate that is still there then was not left out by the cap."""
    params = ProposalParams(strategy=strategy, max_seeds=2)
    frames = [frame(0, (0, [0.9, 0, 0]), (20, [0.8, 0, 0]), (40, [0.7, 0, 0]))]
    assert not left_over(frames, [tube([0], length=1)], params)
    assert left_over(frames, [tube([0], length=1), tube([0], x=20, length=1)], params)


def test_explained_candidates_are_not_left_over() -> None:
    params = ProposalParams(max_seeds=2)
    frames = [frame(0, (0, [0.9, 0, 0]), (20, [0.8, 0, 0]), (21, [0.7, 0, 0]))]
    assert not left_over(frames, [tube([0], length=1), tube([0], x=20, length=1)], params)


def test_what_a_tubelet_explains_is_no_seed_any_more() -> None:
    frames = [frame(t, (0, [0.9, 0, 0]), (30, [0.5, 0, 0])) for t in range(8)]
    left = unexplained(frames, [tube(range(4), x=0)], PARAMS)
    assert [len(each) for each in left] == [1, 1, 1, 1, 2, 2, 2, 2]


def test_nothing_is_left_of_an_empty_frame() -> None:
    left = unexplained([frame(0), frame(1, (0, [0.9, 0, 0]))], [tube([0], length=2)], PARAMS)
    assert [len(each) for each in left] == [0, 1]


@pytest.mark.parametrize(
    "seed_of",
    [
        pytest.param(lambda chosen: chosen, id="the-same-object"),
        pytest.param(copy.deepcopy, id="an-equal-one"),
    ],
)
def test_a_used_seed_does_not_come_back(seed_of: Callable[[Candidate], Candidate]) -> None:
    """The tubelet's mask shrank under the box, so it covers its seed by no more than `th_iou`."""
    frames = [frame(t, (0, [0.9 - t / 10, 0, 0]), (30, [0.5, 0, 0])) for t in range(2)]
    seed = seed_of(group_leaders(frames, PARAMS)[0])
    shrunk = replace(tube(range(2), length=2), seed=seed, masks=(mask(0, size=4), mask(0, size=4)))
    left = unexplained(frames, [shrunk], PARAMS)
    assert [each.boxes[:, 0].tolist() for each in left] == [[30], [0, 30]], "only the seed itself is used"


@pytest.mark.parametrize(
    ("th_iou", "one"), [pytest.param(0.25, False, id="at"), pytest.param(BELOW_A_QUARTER, True, id="above")]
)
def test_overlap_at_the_threshold_is_none(th_iou: float, one: bool) -> None:
    """10-px squares 6 px apart, beside each other or in two frames: IoU 4 / 16."""
    params = ProposalParams(th_iou=th_iou)
    together = [frame(0, (0, [0.9, 0, 0]), (6, [0.5, 0, 0]))]
    moved = [frame(0, (0, [0.9, 0, 0])), frame(1, (6, [0.5, 0, 0]))]
    count = 1 if one else 2
    assert (len(greedy(together, params)), len(group_leaders(together, params))) == (count, count)
    assert len(group_leaders(moved, params)) == count
    assert len(unexplained(together, [tube([0], length=1)], params)[0]) == count - 1


def test_the_scores_of_a_group_by_its_candidates() -> None:
    frames = [
        frame(0, (0, [0.5, 0, 0]), (40, [0.4, 0, 0])),
        frame(1, (2, [0.6, 0, 0])),
        frame(2),
        frame(3, (2, [1, 0, 0])),
    ]
    found = group_scores(frames, PARAMS)
    assert len(found) == 4
    assert found[frames[0].candidate(0).place] == found[frames[1].candidate(0).place] == pytest.approx({0: 0.5, 1: 0.6})
    assert found[frames[0].candidate(1).place] == pytest.approx({0: 0.4})
    assert found[frames[3].candidate(0).place] == pytest.approx({3: 1})


def test_candidates_are_dropped_by_their_places() -> None:
    frames = [frame(0, (0, [0.5, 0, 0]), (40, [0.4, 0, 0])), frame(1, (0, [0.6, 0, 0]))]
    calibrated = frame(0, (0, [0.05, 0, 0])).candidate(0)
    left = without(frames, [calibrated])
    assert [each.boxes[:, 0].tolist() for each in left] == [[40], [0]]


def test_a_group_has_all_its_candidates_and_greedy_groups_have_one() -> None:
    (group,) = next_groups(moving(), PARAMS, room=5)
    assert ([c.frame for c in group.members], group.leader.frame) == (list(range(8)), 3)
    alone = next_groups(moving(), ProposalParams(strategy="greedy"), room=2)
    assert [group.members for group in alone] == [(group.leader,) for group in alone]
    assert len(alone) == 2
    assert next_groups(moving(), PARAMS, room=-1) == []


def test_seeds_that_are_given_up_count_to_the_cap() -> None:
    frames = [frame(0, (0, [0.5, 0, 0]), (20, [0.4, 0, 0]), (40, [0.4, 0, 0]))]
    params = ProposalParams(max_seeds=2)
    tubelets = [tube([0], length=1)]
    assert not left_over(without(frames, [frames[0].candidate(1)]), tubelets, params)
    assert left_over(without(frames, [frames[0].candidate(1)]), tubelets, params, given_up=1)
    assert not left_over(without(frames, [frames[0].candidate(i) for i in (1, 2)]), tubelets, params, given_up=1)


def test_doubtful_groups_fill_two_thirds_of_the_seeds() -> None:
    alone = [frame(t, (x, [0.9 - t / 100, 0, 0])) for t, x in enumerate([0, 20, 40, 0, 20, 40, 0, 20])]
    seeds = next_seeds(alone, ProposalParams(max_seeds=6), room=6)
    assert [seed.frame for seed in seeds] == [0, 1, 2, 3]
    assert [seed.frame for seed in next_seeds(alone, ProposalParams(max_seeds=6), room=2)] == [0, 1]
