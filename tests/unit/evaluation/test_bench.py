"""The bench: verdicts, the meter around the networks, batches, the trace, and rows on the real networks."""

import asyncio
import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from dualtrack.errors import InferenceError, InvalidParameter
from evaluation.bench.clips import ClipSpec, make_clip
from evaluation.bench.command import bench
from evaluation.bench.figures import Figure, RowOutcome
from evaluation.bench.meters.batches import cut, join, price
from evaluation.bench.meters.calls import Call, CallMeter
from evaluation.bench.meters.pipeline import Measured, run_pipeline
from evaluation.bench.meters.profile import chrome_trace
from evaluation.bench.rows import ROWS, chosen
from evaluation.bench.table import bench_document, bench_markdown
from evaluation.runs.session import open_context
from service.inference.fake.client import FakeClient
from service.inference.repository.manifest import load_manifest
from service.inference.specs import graph_specs
from service.media.limits import VideoLimits
from service.media.probe import probe
from service.pipeline.features.batches import detector_batch
from service.pipeline.progress import StageProgress
from service.settings import Settings
from service.structures.canvas import Canvas
from tests.support.pipelines import REPOSITORY

DIMS = load_manifest(REPOSITORY).dims
SPECS = graph_specs(DIMS)


@pytest.mark.parametrize(
    ("figure", "ok"),
    [
        (Figure("", 2.5, "", 2.5), True),
        (Figure("", 2.51, "", 2.5), False),
        (Figure("", 10.0, "", 10, at_least=True), True),
        (Figure("", 9.9, "", 10, at_least=True), False),
        (Figure("", float("nan"), "", 10), False),
        (Figure("", float("nan"), "", 10, at_least=True), False),
    ],
)
def test_a_figure_holds_up_to_its_limit(figure, ok):
    assert figure.ok is ok


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (RowOutcome((Figure("", 1, "", 2), Figure("", 3, "", 4))), "ok"),
        (RowOutcome((Figure("", 1, "", 2), Figure("", 5, "", 4))), "falls short"),
        (RowOutcome(why_not="no GPU"), "not measured"),
    ],
)
def test_verdict_of_a_row(outcome, verdict):
    assert outcome.verdict == verdict


@pytest.mark.parametrize(("figures", "why"), [((), ""), ((Figure("", 1, "", 2),), "no time")])
def test_an_outcome_is_figures_or_a_reason(figures, why):
    with pytest.raises(ValueError, match="expected either figures or why_not"):
        RowOutcome(figures, why)


def test_the_table_shows_target_figure_and_verdict():
    found = {
        ROWS[7]: RowOutcome(
            (Figure("detection", 209.4, "ms", 120), Figure("3 objects", 240, "ms", 250)), notes=("a|b",)
        ),
        ROWS[12]: RowOutcome(why_not="no GPU"),
    }
    assert bench_markdown(found).splitlines()[2:] == [
        "| 8 | CPU per 384x640 frame | ≤ 120 ms<br>≤ 250 ms | detection: 209 ms<br>3 objects: 240 ms | falls short | a/b |",
        "| 13 | GPU, 360p, end to end |  |  | not measured (no GPU) |  |",
    ]
    price_row, gpu = bench_document(found)
    assert [figure["ok"] for figure in price_row["figures"]] == [False, True]
    assert (gpu["verdict"], gpu["why_not"], gpu["figures"]) == ("not measured", "no GPU", [])


def test_rows_are_chosen_by_number():
    assert [row.number for row in ROWS] == list(range(1, 16))
    assert [row.number for row in chosen("8, 3,8")] == [8, 3]
    with pytest.raises(InvalidParameter, match="from 1 to 15, got '16'"):
        chosen("16")


def _frames(batch):
    frames = [np.zeros((64, 96, 3), np.uint8)] * batch
    return detector_batch(frames, Canvas((64, 96), (64, 96)), th_det=0.2, max_per_frame=20)


def test_the_meter_records_graph_batch_and_seconds_and_changes_nothing():
    spec, meter = SPECS["mask_rcnn"], CallMeter(FakeClient(DIMS), keep=1)
    asyncio.run(meter.infer(spec, _frames(2)))
    found = asyncio.run(meter.infer(spec, _frames(3)))
    plain = asyncio.run(FakeClient(DIMS).infer(spec, _frames(3)))
    assert all(np.array_equal(found[name], plain[name]) for name in plain)
    assert [(call.graph, call.batch, call.frames) for call in meter.calls] == [("mask_rcnn", 2, 2), ("mask_rcnn", 3, 3)]
    assert all(call.wall_s > 0 and call.cpu_s > 0 for call in meter.calls)
    assert meter.calls[0].start_s + meter.calls[0].wall_s <= meter.calls[1].start_s
    assert [len(kept["frames"]) for kept in meter.inputs["mask_rcnn"]] == [2]


def test_a_failed_call_is_not_counted():
    meter = CallMeter(FakeClient(DIMS))
    asyncio.run(meter.close())
    with pytest.raises(InferenceError, match="closed"):
        asyncio.run(meter.infer(SPECS["mask_rcnn"], _frames(1)))
    assert meter.calls == []


def _boxes(value, count):
    return {
        "f8": np.full((1, DIMS.f8_channels, 8, 12), value, np.float32),
        "frame_index": np.zeros(count, np.int64),
        "boxes": np.tile(np.array([[8, 8, 40, 40 + value]], np.float32), (count, 1)),
    }


def test_joined_calls_give_what_the_calls_gave():
    spec, client = SPECS["siamese_rpn_template"], FakeClient(DIMS)
    calls = [_boxes(1, 2), _boxes(2, 1)]
    together = join(spec, calls)
    assert together["frame_index"].tolist() == [0, 0, 1]
    alone = [asyncio.run(client.infer(spec, call))["templates"] for call in calls]
    assert np.array_equal(asyncio.run(client.infer(spec, together))["templates"], np.concatenate(alone))


def test_a_cut_call_keeps_only_the_frames_that_are_looked_at():
    part = cut(SPECS["siamese_rpn_template"], join(SPECS["siamese_rpn_template"], [_boxes(1, 2), _boxes(2, 2)]), 2)
    assert len(part["f8"]) == 1
    assert len(part["boxes"]) == 2
    assert part["frame_index"].tolist() == [0, 0]


def test_prices_are_for_the_batches_that_the_recorded_calls_make_up():
    prices = asyncio.run(price(SPECS["mask_rcnn"], [_frames(2), _frames(1)], FakeClient(DIMS), repeats=1))
    assert list(prices) == [1, 2]
    assert all(seconds > 0 for seconds in prices.values())


def test_the_trace_has_a_lane_of_stages_and_one_of_graphs_with_batches():
    steps = (
        (10.0, StageProgress("decode", 1, 2)),
        (10.4, StageProgress("decode", 2, 2)),
        (11.0, StageProgress("detect", 2, 2)),
    )
    trace = chrome_trace(Measured(1.0, 0.6, 0.1, (Call("mask_rcnn", 2, 2, 10.5, 0.25, 0.4),), steps))
    spans = {event["name"]: event for event in trace["traceEvents"] if event["ph"] == "X"}
    assert (spans["decode"]["ts"], spans["decode"]["dur"]) == (0, 400_000)
    assert (spans["detect"]["ts"], spans["detect"]["dur"]) == (400_000, 600_000)
    assert (spans["mask_rcnn"]["ts"], spans["mask_rcnn"]["dur"]) == (500_000, 250_000)
    assert spans["mask_rcnn"]["args"] == {"batch": 2, "frames": 2, "cpu_ms": 400.0}
    assert spans["mask_rcnn"]["tid"] != spans["decode"]["tid"]


def test_clips_are_as_long_as_asked_and_the_same_every_time(tmp_path):
    spec = ClipSpec(96, 160, frames=100)
    paths = []
    for name in "ab":
        (tmp_path / name).mkdir()
        paths.append(make_clip(spec, tmp_path / name))
    info = asyncio.run(probe(paths[0], VideoLimits()))
    assert (info.frames, info.height, info.width) == (100, 96, 160)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_run_of_the_real_networks_counts_every_frame_seed_and_the_decoder(tmp_path):
    async def work():
        async with open_context(Settings()) as context:
            return await run_pipeline(make_clip(ClipSpec(frames=4), tmp_path), context, parameters={"max_seeds": 2})

    run = asyncio.run(work())
    batches = {graph: sum(call.batch for call in run.calls if call.graph == graph) for graph in SPECS}
    assert batches["mask_rcnn"] == 4
    assert batches["siamese_rpn_template"] == 2
    assert 0 < run.graph_s < run.cpu_s - run.child_cpu_s
    assert run.child_cpu_s > 0


def test_the_command_writes_figures_and_says_what_it_could_not_measure(tmp_path, monkeypatch):
    monkeypatch.setattr("evaluation.bench.command.pin", lambda: (0, 1))  # the other tests keep their cores
    app = typer.Typer()
    app.command()(bench)
    path = tmp_path / "figures.json"
    result = CliRunner().invoke(app, ["--quick", "--rows", "11,13", "--json", str(path)])
    assert result.exit_code == 0, result.output
    document = json.loads(path.read_text())
    start, gpu = document["rows"]
    assert (document["quick"], start["row"], gpu["row"]) == (True, 11, 13)
    assert start["figures"][0]["value"] > 0
    assert start["verdict"] in {"ok", "falls short"}
    assert gpu["verdict"] in {"ok", "falls short", "not measured"}
