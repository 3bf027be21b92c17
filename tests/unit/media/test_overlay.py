"""What the overlay shows."""

from service.pipeline.job_parameters import JobParameters
from service.pipeline.video_file import overlay_drawings
from service.structures.categories import Category
from tests.unit.builders import labelled, tube


def test_doubtful_tubelets_are_left_out_and_numbers_stay_those_of_the_result() -> None:
    found = [labelled(tube([0]), score) for score in (0.6, 0.01, 0.1)]
    drawings = overlay_drawings(found, [Category(1, "person")], JobParameters().overlay_min_score)
    assert [(drawing.id, drawing.score) for drawing in drawings] == [(1, 0.6), (3, 0.1)]
    assert len(overlay_drawings(found, [Category(1, "person")], 0)) == 3
