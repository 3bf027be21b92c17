"""What a request may set: the parameters of a run by their request names, the two presets, old and unknown names."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from dualtrack.deprecations import OLD_NAMES, REPLACED, deprecations
from dualtrack.errors import InvalidParameter
from service.calibration.params import CalibrationParams, ProposalParams
from service.pipeline.parameters.job_parameters import JobParameters, effective_parameters, parse_stored
from service.pipeline.parameters.params import DetectorParams, PipelineParams, preset
from service.pipeline.parameters.request_names import TABLE
from service.tracking.params import ChunkParams, FusionParams, LostParams, SiameseParams, TubeletParams

# fmt: off
PIPELINE = [
    "th_det", "max_per_frame", "estimator", "th_cc", "beta", "relabel", "th_key", "strategy", "th_iou", "max_seeds",
    "penalty_k", "window_influence", "lr", "lost_enter", "lost_leave", "lost_max_frames", "lost_reach", "lost_agree", "fusion",
    "margin", "distractor_score", "couple", "mask_thresh", "min_area", "stray_area", "cover_mask", "second_look",
    "bidirectional", "stop_share", "th_seq", "tubelet_iou", "class_agnostic", "label", "score", "rescale", "match_iou",
    "min_score", "track_fps", "chunk_frames", "chunk_overlap", "shots", "stitch_iou",
]
# fmt: on
OF_THE_JOB = {"preset": "paper", "overlay": False, "overlay_min_score": 0.4, "categories": ["person"]}


def errors(raw: dict[str, Any]) -> list[tuple[str, str]]:
    """The fields that are refused, and why."""
    with pytest.raises(ValidationError) as refused:
        JobParameters.model_validate(raw)
    return [(".".join(map(str, item["loc"])), item["msg"]) for item in refused.value.errors()]


def other_value(name: str) -> object:
    """One that both presets' other values allow, and that is no default."""
    now, item = effective_parameters(JobParameters())[name], TABLE[name]
    if isinstance(now, str):
        return next(choice for choice in item.choices if choice != now)
    if isinstance(now, bool):
        return not now
    if isinstance(now, int):
        return now - 1 if now > item.minimum else now + 1
    assert isinstance(now, float)
    return (now + item.minimum) / 2 if now > item.minimum else now + 0.5


def test_the_request_names_in_their_order() -> None:
    assert list(JobParameters.model_fields) == ["preset", *PIPELINE, "overlay", "overlay_min_score", "categories"]


@pytest.mark.parametrize("name", ["preset", *PIPELINE, "overlay", "overlay_min_score", "categories"])
def test_a_value_that_is_set_takes_effect_and_no_other_changes(name: str) -> None:
    value = OF_THE_JOB[name] if name in OF_THE_JOB else other_value(name)
    before, after = effective_parameters(JobParameters()), effective_parameters(JobParameters(**{name: value}))
    assert after.pop(name) == value != before.pop(name, None)
    if name != "preset":
        assert after == before


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param({}, id="default"),
        pytest.param({"preset": "paper"}, id="paper"),
        pytest.param({"preset": "paper", "th_det": 0.4, "fusion": "none"}, id="paper and own values"),
        pytest.param({"chunk_frames": 16}, id="overlap clipped to half a chunk"),
        pytest.param({"categories": [{"id": 1, "name": "vehicle", "of": ["car"]}]}, id="own categories"),
    ],
)
def test_effective_values_are_a_request_for_the_same_run(raw: dict[str, Any]) -> None:
    asked = JobParameters.model_validate(raw)
    effective = effective_parameters(asked)
    again = JobParameters.model_validate(json.loads(json.dumps(effective)))
    assert again.pipeline_params() == asked.pipeline_params()
    assert again.categories == asked.categories
    assert effective_parameters(again) == effective
    assert list(effective) == [name for name in JobParameters.model_fields if name not in REPLACED]
    assert again.deprecations == ()


def test_an_overlap_that_was_not_asked_for_gives_way_to_short_chunks() -> None:
    assert effective_parameters(JobParameters(chunk_frames=16))["chunk_overlap"] == 8


@pytest.mark.parametrize("name", ["default", "paper"])
def test_a_preset_alone_is_the_preset(name: Any) -> None:
    assert JobParameters(preset=name).pipeline_params() == preset(name)


def test_descriptions_state_both_presets_values() -> None:
    schema = JobParameters.model_json_schema()["properties"]
    assert schema["th_seq"]["description"].endswith(" Default: 0.3; preset `paper`: 0.5.")
    assert schema["th_seq"]["x-defaults"] == {"default": 0.3, "paper": 0.5}
    assert schema["th_det"]["description"].endswith(" Default: 0.2.")
    assert schema["strategy"]["x-defaults"] == {"default": "track_and_suppress", "paper": "greedy"}
    assert {name for name, field in schema.items() if "x-defaults" in field} == set(PIPELINE)
    assert all(field["default"] is None for name, field in schema.items() if name in PIPELINE)


def test_what_was_not_asked_for_is_not_sent() -> None:
    asked = JobParameters.model_validate({"th_det": 0.3, "th_seq": None})
    sent = {"preset": "default", "th_det": 0.3, "overlay": True}
    assert asked.model_dump(mode="json", exclude_none=True) == sent
    assert asked.model_dump(exclude_unset=True) == {"th_det": 0.3, "th_seq": None}


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        pytest.param(LostParams, {"enter": 5}, "lost_enter: expected 0 to 1, got 5", id="above"),
        pytest.param(DetectorParams, {"th_det": -0.1}, "th_det: expected 0 to 1, got -0.1", id="below"),
        pytest.param(CalibrationParams, {"th_cc": float("nan")}, "th_cc: expected 0 to 1, got nan", id="not a number"),
        pytest.param(FusionParams, {"window_context": float("nan")}, "window_context: .* got nan", id="nan, no range"),
        pytest.param(LostParams, {"max_frames": -1}, "lost_max_frames: expected at least 0, got -1", id="open range"),
        pytest.param(FusionParams, {"kind": "mask"}, "fusion: expected box, none or instance, got 'mask'", id="choice"),
        pytest.param(ProposalParams, {"max_seeds": 101}, "max_seeds: expected 1 to 100, got 101", id="seeds"),
        pytest.param(SiameseParams, {"penalty_k": 3}, "penalty_k: expected 0 to 2, got 3", id="penalty"),
        pytest.param(TubeletParams, {"min_score": 1.1}, "min_score: expected 0 to 1, got 1.1", id="minimum score"),
        pytest.param(TubeletParams, {"iou": "any"}, "tubelet_iou: expected all, union", id="renamed choice"),
        pytest.param(ChunkParams, {"frames": 7, "overlap": 1}, "chunk_frames: expected 8 to 2000, got 7", id="chunk"),
        pytest.param(PipelineParams, {"track_fps": 1001}, "track_fps: expected 0 to 1000, got 1001", id="top level"),
        pytest.param(
            LostParams, {"enter": 0.6}, "lost_enter: expected at most lost_leave 0.5, got 0.6", id="lost before found"
        ),
    ],
)
def test_parameters_out_of_range_can_not_be_made(kind: type, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**values)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(
            {"lost_enter": 0.6, "lost_leave": 0.4}, ("lost_enter", "expected at most lost_leave 0.4"), id="both"
        ),
        pytest.param({"lost_enter": 0.6}, ("lost_enter", "expected at most lost_leave 0.5"), id="the preset's leave"),
        pytest.param({"lost_leave": 0.1}, ("lost_leave", "expected at least lost_enter 0.15"), id="the preset's enter"),
        pytest.param(
            {"preset": "paper", "lost_leave": 0.4}, ("lost_leave", "expected at least lost_enter 0.5"), id="paper"
        ),
        pytest.param(
            {"chunk_overlap": 81}, ("chunk_overlap", "expected 1 to 80 frames, half of chunk_frames 160"), id="overlap"
        ),
        pytest.param(
            {"th_det": float("nan")}, ("th_det", "Input should be less than or equal to 1"), id="not a number"
        ),
    ],
)
def test_a_request_is_refused_by_the_name_that_it_gave(raw: dict[str, Any], expected: tuple[str, str]) -> None:
    assert errors(raw) == [expected]


def test_lost_and_found_at_one_score() -> None:
    assert JobParameters(lost_enter=0.4, lost_leave=0.4).pipeline_params().tracker.siamese.lost.enter == 0.4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("th_sq", "unknown parameter 'th_sq'; did you mean 'th_seq'?", id="a letter is missing"),
        pytest.param("lost_entry", "unknown parameter 'lost_entry'; did you mean 'lost_enter'?", id="another ending"),
        pytest.param("segment_frame", "unknown parameter 'segment_frame'", id="no old name is proposed"),
        pytest.param("temperature", "unknown parameter 'temperature'", id="nothing near"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, message: str) -> None:
    assert errors({name: 1}) == [(name, message)]


def test_an_unknown_name_hides_no_other_error() -> None:
    assert [field for field, _ in errors({"th_sq": 1, "th_det": 2})] == ["th_det", "th_sq"]


@pytest.mark.parametrize(("old", "new"), OLD_NAMES.items())
def test_an_old_name_is_taken_as_the_new_one(old: str, new: str) -> None:
    asked = JobParameters.model_validate({old: 20})
    assert asked.model_dump(exclude_unset=True) == {new: 20}
    assert asked.deprecations == (f"{old} is deprecated, use {new}; the next release will reject it",)
    assert JobParameters.model_validate({new: 20}).deprecations == ()
    assert deprecations({old: 20, "th_det": 1}) == list(asked.deprecations)


@pytest.mark.parametrize(
    ("raw", "threshold"),
    [
        pytest.param({}, 0.0, id="all of the result"),
        pytest.param({"min_score": 0.3}, 0.0, id="that is the request's"),
        pytest.param({"min_score": 0.3, "overlay_min_score": 0.5}, 0.5, id="fewer than the result"),
        pytest.param({"overlay_min_score": 0}, 0.0, id="0"),
    ],
)
def test_what_the_overlay_shows(raw: dict[str, Any], threshold: float) -> None:
    """A threshold of the overlay hides nothing in the result."""
    asked = JobParameters.model_validate(raw)
    assert asked.overlay_threshold == threshold
    assert asked.pipeline_params().tubelets.min_score == raw.get("min_score", 0.1)
    line = "overlay_min_score is deprecated, use min_score; the next release will reject it"
    assert asked.deprecations == ((line,) if "overlay_min_score" in raw else ())


@pytest.mark.parametrize("name", ["min_score", "overlay_min_score"])
@pytest.mark.parametrize("wrong", [-0.1, 1.1, "x", "0.5", True, float("nan")])
def test_a_minimum_score_out_of_range(name: str, wrong: object) -> None:
    assert [field for field, _ in errors({name: wrong})] == [name]


def test_old_names_point_to_names_that_exist() -> None:
    assert set(OLD_NAMES.values()) <= set(PIPELINE)
    assert not set(OLD_NAMES) & set(JobParameters.model_fields)


def test_old_and_new_name_at_once() -> None:
    [(field, message)] = errors({"segment_frames": 20, "chunk_frames": 20})
    assert field == "segment_frames"
    assert (
        message == "expected either segment_frames or chunk_frames; segment_frames is a deprecated name of chunk_frames"
    )


def test_a_wrong_value_is_found_under_the_name_that_was_given() -> None:
    assert errors({"segment_frames": 7}) == [("segment_frames", "Input should be greater than or equal to 8")]
    assert [field for field, _ in errors({"segment_overlap": 500})] == ["segment_overlap"]


def test_a_waiting_job_of_an_earlier_release() -> None:
    assert parse_stored({"segment_frames": 20}).chunk_frames == 20
    with pytest.raises(InvalidParameter, match=r"^lost_enter: expected at most lost_leave 0.2, got 0.4$"):
        parse_stored({"lost_enter": 0.4, "lost_leave": 0.2})
