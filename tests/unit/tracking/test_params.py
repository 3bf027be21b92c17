"""Parameters out of range are refused when they are made, by their names in requests."""

from collections.abc import Callable

import pytest

from service.calibration.params import CalibrationParams, ProposalParams
from service.structures.parameter import ParameterError
from service.tracking.params import ChunkParams, FusionParams, LostParams, SiameseParams, TubeletParams


@pytest.mark.parametrize(
    ("made", "message"),
    [
        pytest.param(lambda: CalibrationParams(beta=2), "beta: expected 0 to 1, got 2", id="calibration"),
        pytest.param(lambda: ProposalParams(max_seeds=0), "max_seeds: expected 1 to 100, got 0", id="seeds"),
        pytest.param(lambda: LostParams(max_frames=-1), "lost_max_frames: expected at least 0, got -1", id="lost"),
        pytest.param(lambda: SiameseParams(penalty_k=3), "penalty_k: expected 0 to 2, got 3", id="siamese"),
        pytest.param(lambda: FusionParams(margin=0.9), "margin: expected 1 to 2, got 0.9", id="fusion"),
        pytest.param(lambda: TubeletParams(th_seq=-1), "th_seq: expected 0 to 1, got -1", id="tubelets"),
        pytest.param(lambda: ChunkParams(stitch_iou=2), "stitch_iou: expected 0 to 1, got 2", id="chunks"),
        pytest.param(lambda: ChunkParams(frames=4, overlap=1), "chunk_frames: expected 8 to 2000, got 4", id="short"),
    ],
)
def test_out_of_range(made: Callable[[], object], message: str) -> None:
    with pytest.raises(ParameterError) as raised:
        made()
    assert str(raised.value) == message


def test_a_target_is_not_found_below_the_score_at_which_it_is_lost() -> None:
    LostParams(enter=0.5, leave=0.5)
    with pytest.raises(ParameterError) as raised:
        LostParams(enter=0.6, leave=0.5)
    assert (raised.value.wanted, raised.value.got) == (
        {"lost_enter": "expected at most lost_leave 0.5", "lost_leave": "expected at least lost_enter 0.6"},
        0.6,
    )


def test_an_overlap_is_at_most_half_a_chunk() -> None:
    assert ChunkParams(frames=10, overlap=5).overlap == 5
    with pytest.raises(ParameterError) as raised:
        ChunkParams(frames=10, overlap=6)
    assert raised.value.wanted == {"chunk_overlap": "expected 1 to 5 frames, half of chunk_frames 10"}
    assert raised.value.got == 6
