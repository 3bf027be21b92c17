"""When a seed is given up: before it is tracked, and while it is."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from service.calibration.params import ProposalParams
from service.calibration.seeds import group_scores, linked_groups
from service.structures.detections import Detections
from service.structures.masks import Rle
from service.tracking.forecast import Forecast, ForecastRule, Untracked, Watch, forecast_rule
from service.tracking.params import ForecastParams, TubeletParams
from service.tracking.score_scale import mean_of, rescaled
from tests.unit.builders import frame, mask, tube

RULE = ForecastRule(needed=0.1, share=0.7, frames=4, match_iou=0.7)
PROPOSALS = ProposalParams()
LENGTH = 20


def seen(scores: dict[int, float], x: int = 0) -> list[Detections]:
    """One object that is found in some frames, with these scores."""
    return [frame(t, *([(x, [scores[t], 0, 0])] if t in scores else [])) for t in range(LENGTH)]


def forecast(frames: Sequence[Detections], rule: ForecastRule = RULE) -> Forecast:
    return Forecast(rule, frames, group_scores(frames, PROPOSALS))


def stopped_at(scores: dict[int, float], masks: Sequence[Rle | None], rule: ForecastRule = RULE) -> Untracked | None:
    """What becomes of the track of the best detection, with these masks."""
    frames = seen(scores)
    seed = max((found.candidate(0) for found in frames if len(found)), key=lambda each: each.score)
    tubelet = replace(tube(range(LENGTH), length=LENGTH), seed=seed, masks=tuple(masks))
    return forecast(frames, rule).replay(tubelet, 2)


EVERYWHERE = [mask(0)] * LENGTH


@pytest.mark.parametrize(
    ("scores", "visible"),
    [
        # 0.5 / 8 is the first mean below 0.07
        pytest.param({0: 0.5}, 8, id="once"),
        pytest.param({0: 0.25}, 4, id="not before four frames"),
        # the seed is the last of five frames: the others are ahead, in the backward sweep
        pytest.param({t: 0.35 + t / 1000 for t in range(5)}, None, id="the rest of its group counts"),
        pytest.param({0: 0.9, 12: 0.9}, None, id="another group, in time"),
        pytest.param({0: 0.9, 13: 0.9}, 13, id="another group, too late"),
        pytest.param(dict.fromkeys(range(LENGTH), 0.0701), None, id="just enough"),
        pytest.param(dict.fromkeys(range(LENGTH), 0.0699), 4, id="just too little"),
    ],
)
def test_a_track_is_stopped_below_a_share_of_the_needed_mean(scores: dict[int, float], visible: int | None) -> None:
    found = stopped_at(scores, EVERYWHERE)
    assert (found and found.visible) == visible
    if found is not None:
        assert found.forecast < 0.07


def test_frames_without_a_mask_are_not_visible() -> None:
    gone = [mask(0)] * 7 + [None] * (LENGTH - 7)
    assert stopped_at({0: 0.5}, gone) is None
    # the backward sweep decides: the seed in the last frame, and nothing between
    assert stopped_at({LENGTH - 1: 0.5}, gone[::-1]) is None
    assert stopped_at({LENGTH - 1: 0.5}, EVERYWHERE) is not None


def test_only_detections_that_fit_the_mask_count() -> None:
    beside = [mask(0)] + [mask(3)] * (LENGTH - 1)
    found = stopped_at(dict.fromkeys(range(LENGTH), 0.5), beside)
    # the group's own frames are expected until they have been passed
    assert found is not None
    assert 4 <= found.visible < LENGTH
    assert stopped_at(dict.fromkeys(range(LENGTH), 0.5), EVERYWHERE) is None


def test_a_group_of_two_chunks_is_never_given_up() -> None:
    rule = replace(RULE, shared=(0, 1, 18, 19))
    assert stopped_at({1: 0.25}, EVERYWHERE, rule) is None
    assert stopped_at({18: 0.25}, EVERYWHERE, rule) is None
    assert stopped_at({2: 0.25}, EVERYWHERE, rule) is not None
    weak = {**dict.fromkeys(range(16, LENGTH), 0.02)}
    assert forecast(seen(weak), rule).hopeless(linked_groups(seen(weak), PROPOSALS)) == []
    assert len(forecast(seen(weak)).hopeless(linked_groups(seen(weak), PROPOSALS))) == 1


@pytest.mark.parametrize(
    ("scores", "given_up"), [([0.0999], True), ([0.1001], False), ([0.06, 0.06], False), ([0.04, 0.04], True)]
)
def test_a_group_is_not_tracked_if_its_scores_sum_to_less(scores: list[float], given_up: bool) -> None:
    frames = seen(dict(enumerate(scores, start=3)))
    groups = linked_groups(frames, PROPOSALS)
    found = forecast(frames).hopeless(groups)
    assert [(item.seed, item.visible) for item in found] == ([(groups[0].leader, 0)] if given_up else [])
    assert [item.forecast for item in found] == ([pytest.approx(sum(scores))] if given_up else [])


def test_of_two_in_a_frame_the_better_one_counts() -> None:
    twice = [frame(0, (0, [0.06, 0, 0])), frame(1, (0, [0.03, 0, 0]), (1, [0.02, 0, 0]))]
    (group,) = linked_groups(twice, PROPOSALS)
    assert group.scores == {0: pytest.approx(0.06), 1: pytest.approx(0.03)}
    assert len(forecast(twice).hopeless([group])) == 1


def test_a_track_that_ends_early_is_judged_as_its_whole_tubelet_is() -> None:
    """A sweep passes the frames after the end of a track, too; a cached tubelet has no other sign of its end."""
    scores = {5: 0.5, 6: 0.1, 7: 0.1, 8: 0.1, 9: 0.1}
    frames = seen(scores)
    tubelet = replace(tube(range(LENGTH), length=LENGTH), seed=frames[5].candidate(0))
    tubelet = replace(tubelet, masks=(*EVERYWHERE[:6], *[None] * 14))
    watch = Watch(forecast(frames), [tubelet.seed])
    for sweep, order in enumerate((range(LENGTH), reversed(range(LENGTH)))):
        for t in order:
            watch.step(sweep, t, [tubelet.masks[t]])
    assert watch.stopped.get(0) == forecast(frames).replay(tubelet, 2)
    assert watch.stopped == {}
    assert forecast(frames).replay(tubelet, 1) is None


def test_tracks_do_not_affect_each_other() -> None:
    frames = seen({3: 0.25, 10: 0.9, 11: 0.9})
    seeds = [frames[3].candidate(0), frames[10].candidate(0)]
    watch = Watch(forecast(frames), seeds)
    for t in range(LENGTH):
        watch.step(0, t, [mask(0), mask(0)])
    assert list(watch.stopped) == [0]
    assert (watch.stopped[0].seed, watch.stopped[0].visible) == (seeds[0], 4)


def test_without_a_forecast_nothing_is_stopped() -> None:
    watch = Watch(None, [seen({0: 0.01})[0].candidate(0)])
    watch.step(0, 1, [mask(0)])
    assert watch.stopped == {}


def test_the_rule_of_the_parameters() -> None:
    assert forecast_rule(ForecastParams(stop_share=0.7), TubeletParams(rescale=False), (1, 2)) == replace(
        RULE, shared=(1, 2)
    )
    rule = forecast_rule(ForecastParams(), TubeletParams(min_score=0.5))
    assert rule is not None
    assert rule.needed == pytest.approx(0.22)
    for least in (0.01, 0.1, 0.5, 0.99):
        assert float(rescaled(mean_of(least))) == pytest.approx(least)
    assert mean_of(1.0) == float("inf")


@pytest.mark.parametrize(
    ("params", "tubelets"),
    [
        pytest.param(ForecastParams(), TubeletParams(min_score=0), id="everything is in the result"),
        pytest.param(ForecastParams(stop_share=0), TubeletParams(), id="disabled"),
        pytest.param(ForecastParams(), TubeletParams(score="matched_skip"), id="unmatched frames do not count"),
        pytest.param(ForecastParams(), TubeletParams(score="seed"), id="the seed's score counts"),
    ],
)
def test_nothing_is_given_up(params: ForecastParams, tubelets: TubeletParams) -> None:
    assert forecast_rule(params, tubelets) is None


def test_thresholds_are_exclusive() -> None:
    exactly = ForecastRule(needed=0.5, share=0.5, frames=4, match_iou=1.0)
    frames = seen({0: 0.5})
    assert forecast(frames, exactly).hopeless(linked_groups(frames, PROPOSALS)) == []
    # a mask that is the detection's own has exactly IoU 1
    assert forecast(frames, exactly).begin(frames[0].candidate(0)).total == 0
    quarter = replace(exactly, match_iou=0.7)
    assert stopped_at({0: 1.0}, [mask(0)] * 4 + [None] * (LENGTH - 4), quarter) is None
    assert stopped_at({0: 1.0}, [mask(0)] * 5 + [None] * (LENGTH - 5), quarter) is not None


def test_of_several_detections_the_one_that_fits_best_counts() -> None:
    frames = [frame(0, (0, [0.9, 0, 0])), frame(1, (1, [0.3, 0, 0]), (0, [0.4, 0, 0]))]
    watched = forecast(frames)
    support = watched.after(watched.begin(frames[0].candidate(0)), 1, mask(0))
    assert (support.visible, support.total, support.ahead) == (2, pytest.approx(1.3), {})


def test_a_frame_that_was_passed_without_a_mask_is_no_longer_ahead() -> None:
    frames = seen({0: 0.5, 1: 0.4, 2: 0.3})
    watched = forecast(frames)
    begun = watched.begin(frames[0].candidate(0))
    assert begun.ahead == pytest.approx({1: 0.4, 2: 0.3})
    passed = watched.after(begun, 1, None)
    assert (passed.visible, passed.total, passed.ahead) == (1, begun.total, pytest.approx({2: 0.3}))


def test_a_seed_without_a_group_is_judged_by_its_own_score() -> None:
    frames = seen({0: 0.25})
    tubelet = replace(tube(range(LENGTH), length=LENGTH), seed=frames[0].candidate(0))
    found = Forecast(RULE, frames, {}).replay(tubelet, 2)
    assert found is not None
    assert found.visible == 4


def test_the_backward_sweep_goes_backward_and_counts_the_seed_once() -> None:
    # in the other order eight frames without a match would come first
    assert stopped_at({19: 0.91, 16: 0.9}, EVERYWHERE) is None
    once = stopped_at({19: 0.25}, EVERYWHERE)
    assert once is not None
    assert (once.visible, once.forecast) == (4, pytest.approx(0.0625))


def test_a_seed_that_is_not_reached_yet_keeps_no_other_from_being_stopped() -> None:
    frames = seen({0: 0.25, 10: 0.9, 11: 0.9})
    watch = Watch(forecast(frames), [frames[10].candidate(0), frames[0].candidate(0)])
    for t in range(6):
        watch.step(0, t, [None, mask(0)])
    assert list(watch.stopped) == [1]
    with pytest.raises(ValueError, match="zip"):
        watch.step(0, 6, [mask(0)])
