from dataclasses import replace

import numpy as np
import pytest

from service.pipeline.store.codec import (
    pack_detections,
    pack_shots,
    pack_tubelets,
    readable,
    unpack_detections,
    unpack_shots,
    unpack_tubelets,
)
from service.pipeline.tracks.round import Round, pack_round, unpack_round
from service.tracking.dual_tracker import Outcome, TrackState, absent
from tests.unit.builders import frame, tube


def test_detections_come_back_bit_for_bit() -> None:
    frames = [frame(0), frame(1, (3, [0.1, 0.7, 1 / 3]), (20, [0, 0, 0.2])), frame(2)]
    for one, other in zip(frames, unpack_detections(pack_detections(frames)), strict=True):
        assert one.frame == other.frame
        assert one.masks == other.masks
        np.testing.assert_array_equal(one.probs, other.probs)
        np.testing.assert_array_equal(one.raw, other.raw)
        np.testing.assert_array_equal(one.boxes, other.boxes)


def test_candidates_without_a_class_vector_stay_without() -> None:
    found = frame(0, (3, [0.1, 0.7, 1 / 3]), (20, [0, 0, 0.2]))
    (other,) = unpack_detections(pack_detections([replace(found, raw=found.raw * np.float32([[1], [0]]))]))
    assert other.raw.any(axis=1).tolist() == [True, False]
    np.testing.assert_array_equal(other.probs, found.probs)


def test_tubelets_come_back_bit_for_bit() -> None:
    looks = np.random.default_rng(0).random((2, 8, 5)).astype(np.float16)
    tubelets = [replace(one, looks=own) for one, own in zip((tube(range(2, 5)), tube([7], x=30)), looks, strict=True)]
    tubelets[1] = replace(tubelets[1], seed=replace(tubelets[1].seed, raw=np.zeros(0, np.float32)))
    # found in no frame but its seed's
    tubelets.insert(1, tube([4]))
    for one, other in zip(tubelets, unpack_tubelets(pack_tubelets(tubelets)), strict=True):
        assert one.masks == other.masks
        assert one.seed.mask == other.seed.mask
        np.testing.assert_array_equal(one.seed.raw, other.seed.raw)
        np.testing.assert_array_equal(one.boxes, other.boxes)
        np.testing.assert_array_equal(one.looks, other.looks)
        assert one.looks.shape == other.looks.shape
    assert unpack_tubelets(pack_tubelets([])) == []


def test_a_round_comes_back_bit_for_bit() -> None:
    tubelet, made = tube([3]), np.random.default_rng(0).random((4, 8, 8), np.float32)
    lost = TrackState(2, made[0, 0, :4], made[0, 1, :4], made[1], made, 0.1 + 0.2, True, 5)
    live = {2: lost, 0: replace(lost, seed=0, box=made[0, 2, :4], lost=False, lost_frames=0)}
    look = np.float16([0.1, 1 / 3])
    outcomes = [{3: Outcome(tubelet.masks[3], tubelet.boxes[3], 1.0, look), 4: absent()}, {}, {0: absent()}]
    state = unpack_round(pack_round(Round(7, live, outcomes)))
    assert (state.done, list(state.live)) == (7, [2, 0])
    for number, track in state.live.items():
        for name in ("box", "window", "probability", "embedding"):
            there, here = getattr(live[number], name), getattr(track, name)
            np.testing.assert_array_equal(there, here)
            assert there.dtype == here.dtype
        numbers = [(t.seed, t.score, t.lost, t.lost_frames) for t in (live[number], track)]
        assert numbers[0] == numbers[1]
    assert [list(found) for found in state.outcomes] == [[3, 4], [], [0]]
    assert (state.outcomes[0][3].mask, state.outcomes[0][3].score) == (tubelet.masks[3], 1.0)
    np.testing.assert_array_equal(state.outcomes[0][3].box, tubelet.boxes[3])
    np.testing.assert_array_equal(state.outcomes[0][3].look, look)
    assert not state.outcomes[0][4].look.size
    assert unpack_round(pack_round(Round(1, {}, [{}]))).live == {}


@pytest.mark.parametrize("length", [0, 1, 100, -1])
def test_what_is_cut_off_is_refused(length: int) -> None:
    for unpack, data in (
        (unpack_detections, pack_detections([frame(0, (3, [0.1, 0.7, 0.2]))])),
        (unpack_tubelets, pack_tubelets([tube([1])])),
        (unpack_round, pack_round(Round(1, {}, [{0: absent()}]))),
    ):
        with pytest.raises(ValueError, match=r"read|pickle"):
            unpack(data[:length])


@pytest.mark.parametrize(
    ("unpack", "data"),
    [
        pytest.param(unpack_detections, pack_detections([frame(0, (3, [0.1, 0.7, 0.2]))]), id="detections"),
        pytest.param(unpack_tubelets, pack_tubelets([tube([1])]), id="tubelets"),
    ],
)
def test_nothing_but_value_errors_comes_of_flipped_bits(unpack, data: bytes) -> None:
    """Every bit of the entries of the archive, where zipfile's own errors come from."""
    refused = 0
    for place in range(data.index(b"PK\x01\x02"), len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[place] ^= 1 << bit
            try:
                unpack(bytes(damaged))
            except ValueError:
                refused += 1
    assert refused > 1000


@pytest.mark.parametrize("data", [b"", b"{", b"{}", b"[1, 2.0]", b"[true]", b'["1"]', b"[" * 100_000])
def test_other_bytes_are_no_shots(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"read|Expecting|expected a list of frames"):
        unpack_shots(data)
    assert unpack_shots(pack_shots((3, 7))) == [3, 7]


@pytest.mark.parametrize("error", [TypeError, AttributeError, NotImplementedError, OverflowError, MemoryError])
def test_whatever_damaged_bytes_raise_is_a_value_error(error: type[Exception]) -> None:
    with pytest.raises(ValueError, match="can't be read"), readable():
        raise error


def test_the_one_is_not_taken_for_the_other() -> None:
    with pytest.raises(ValueError, match="can't be read"):
        unpack_detections(pack_tubelets([tube([1])]))
