import numpy as np
import pytest

from service.pipeline.codec import pack_detections, pack_tubelets, unpack_detections, unpack_tubelets
from tests.unit.builders import frame, tube


def test_detections_come_back_bit_for_bit() -> None:
    frames = [frame(0), frame(1, (3, [0.1, 0.7, 1 / 3]), (20, [0, 0, 0.2])), frame(2)]
    for one, other in zip(frames, unpack_detections(pack_detections(frames)), strict=True):
        assert one.frame == other.frame
        assert one.masks == other.masks
        np.testing.assert_array_equal(one.probs, other.probs)
        np.testing.assert_array_equal(one.boxes, other.boxes)


def test_tubelets_come_back_bit_for_bit() -> None:
    tubelets = [tube(range(2, 5)), tube([7], x=30)]
    for one, other in zip(tubelets, unpack_tubelets(pack_tubelets(tubelets)), strict=True):
        assert one.masks == other.masks
        assert one.seed.mask == other.seed.mask
        np.testing.assert_array_equal(one.boxes, other.boxes)
    assert unpack_tubelets(pack_tubelets([])) == []


@pytest.mark.parametrize("length", [0, 1, 100, -1])
def test_what_is_cut_off_is_refused(length: int) -> None:
    for unpack, data in (
        (unpack_detections, pack_detections([frame(0, (3, [0.1, 0.7, 0.2]))])),
        (unpack_tubelets, pack_tubelets([tube([1])])),
    ):
        with pytest.raises(ValueError, match=r"read|pickle"):
            unpack(data[:length])


def test_the_one_is_not_taken_for_the_other() -> None:
    with pytest.raises(ValueError, match="can't be read"):
        unpack_detections(pack_tubelets([tube([1])]))
