"""A result on disk and as a document: what is written is read again, in parts and whole, and what is wrong is named."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import jsonschema
import pytest
from hypothesis import given

from dualtrack.errors import InvalidResult, NewerFormat
from dualtrack.formats import ytvis
from dualtrack.result import document as documents
from dualtrack.result import file as files
from dualtrack.result.document import pieces
from dualtrack.result.file import BLOCK_FRAMES, ResultFile, write_result
from dualtrack.result.model import Category, Chunk, ClassScore, Entry, Head, Tubelet, TubeletHead, Video
from dualtrack.result.result import Result
from dualtrack.result.schema import result_schema

FRAMES = 100
VIDEO = Video(width=60, height=40, frames=FRAMES, fps=10.0, timestamps=tuple(t / 10 for t in range(FRAMES)))


def entry(t: int) -> Entry:
    return Entry(f"counts{t}", (t, 1.0, t + 9.5, 8.0), (t - 0.5, 0.0, t + 10.0, 9.0), 0.25, 0.75)


def tubelet(number: int, frames: Iterable[int], score: float = 0.5) -> Tubelet:
    shown = sorted(frames)
    unsure = ((shown[0], shown[-1]),) if number % 2 else ()
    head = TubeletHead(number, 18, "dog", score, shown[0], shown[-1], len(shown), shown[0], unsure)
    return Tubelet(head, tuple(entry(t) if t in shown else None for t in head.span), VIDEO)


def head(*tubelets: Tubelet) -> Head:
    return Head(
        video=VIDEO,
        models={"architecture": "lite", "release": "lite-3"},
        detector=None,
        parameters={"preset": "default", "th_det": 0.2, "overlay": True},
        categories=(Category(1, "person"), Category(18, "dog")),
        tracked_every=2,
        chunks=(Chunk(0, FRAMES - 1, 3, max_seeds_reached=False),),
        tubelets=tuple(item.head for item in tubelets),
        left_out=2,
    )


def written(folder: Path, *tubelets: Tubelet) -> ResultFile:
    path = folder / "result.jsonl"
    write_result(path, head(*tubelets), lambda place, frames: [tubelets[place].at(t) for t in frames])
    return ResultFile.open(path)


def read(result: ResultFile) -> dict[str, Any]:
    document: dict[str, Any] = json.loads("".join(result.document()))
    return document


SOME = (tubelet(2, range(20, 70), 0.9), tubelet(1, [0, 1, 5, 99]), tubelet(3, [50]))


@given(st.lists(st.sets(st.integers(0, FRAMES - 1), min_size=1), max_size=5))
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, shown: list[set[int]]) -> None:
    tubelets = [tubelet(number, frames) for number, frames in enumerate(shown, start=1)]
    result = written(tmp_path_factory.mktemp("result"), *tubelets)
    assert result.head == head(*tubelets)
    assert list(result.tubelets()) == tubelets
    again = Result.from_document(read(result))
    assert (again.head, list(again.tubelets)) == (head(*tubelets), tubelets)


def test_few_tubelets_are_held_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "AT_ONCE", 1)
    assert list(written(tmp_path, *SOME).tubelets()) == list(SOME)


def test_a_file_deleted_while_its_document_is_sent_is_sent_to_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "AT_ONCE", 1)
    result = written(tmp_path, *SOME)
    sent = result.document()
    result.path.unlink()
    assert len(json.loads("".join(sent))["tubelets"]) == len(SOME)
    with pytest.raises(FileNotFoundError):
        result.document()


def test_the_document_keeps_to_its_schema(tmp_path: Path) -> None:
    document = read(written(tmp_path, *SOME))
    jsonschema.validate(document, result_schema())
    assert document["schema"] == 1
    assert [item["id"] for item in document["tubelets"]] == [2, 1, 3]
    (_, sparse, _) = document["tubelets"]
    assert [t for t, mask in enumerate(sparse["segmentations"]) if mask] == [0, 1, 5, 99]
    assert {len(sparse[name]) for name in ("segmentations", "boxes", "track_boxes", "track_scores", "confidences")} == {
        FRAMES
    }
    assert sparse["segmentations"][5] == {"size": [40, 60], "counts": "counts5"}
    assert (sparse["boxes"][5], sparse["track_boxes"][5]) == ([5, 1.0, 14.5, 8.0], [4.5, 0.0, 15.0, 9.0])


@pytest.mark.parametrize(
    ("change", "where"),
    [
        pytest.param({"schema": 0}, "schema", id="another-schema"),
        pytest.param({"tubelets": [{}]}, "tubelets/0", id="an-empty-tubelet"),
        pytest.param({"categories": [{"id": "1", "name": "a"}]}, "categories/0/id", id="an-id-as-text"),
    ],
)
def test_the_schema_refuses(tmp_path: Path, change: dict[str, Any], where: str) -> None:
    with pytest.raises(jsonschema.ValidationError) as caught:
        jsonschema.validate({**read(written(tmp_path, *SOME)), **change}, result_schema())
    assert "/".join(str(part) for part in caught.value.absolute_path) == where


def test_of_very_many_entries_lists_hold_the_span(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MOST_ENTRIES", 3 * FRAMES - 1)
    result = written(tmp_path, *SOME)
    document = read(result)
    assert [(item["offset"], len(item["boxes"])) for item in document["tubelets"]] == [(20, 50), (0, 100), (50, 1)]
    assert Result.from_document(document).tubelets == SOME
    records = json.loads("".join(ytvis.pieces(result.head, result.tubelets())))
    assert [(item["offset"], len(item["segmentations"])) for item in records] == [(20, 50), (0, 100), (50, 1)]


def test_a_range_of_frames_costs_its_own_blocks(tmp_path: Path) -> None:
    result = written(tmp_path, *SOME)
    content = bytearray(result.path.read_bytes())
    at, size = result.index[0][2:]
    content[at : at + size] = b"?" * size  # whoever reads the first block fails
    result.path.write_bytes(content)
    (block,) = result.parts(range(BLOCK_FRAMES, BLOCK_FRAMES + 3))
    assert [(part.id, part.first_frame, len(part.entries)) for part in block] == [(2, 32, 32), (1, 32, 32), (3, 50, 1)]
    with pytest.raises(InvalidResult, match=r"^result result\.jsonl: .*frames 0 to 31"):
        list(result.parts(range(5)))


def test_youtube_vis() -> None:
    records = list(ytvis.records(head(*SOME), SOME, video_id=7))
    assert [(item["video_id"], item["category_id"], item["score"]) for item in records] == [
        (7, 18, s.head.score) for s in SOME
    ]
    assert [len(item["segmentations"]) for item in records] == [FRAMES] * 3
    assert records[2]["segmentations"][50] == {"size": [40, 60], "counts": "counts50"}


def test_youtube_vis_has_a_record_per_class() -> None:
    item = several_classes()
    records = list(ytvis.records(head(item), [item]))
    assert [(each["category_id"], each["score"]) for each in records] == [(18, 0.5), (17, 0.25), (1, 0.0625)]
    assert all(each["segmentations"] == records[0]["segmentations"] for each in records)
    (single,) = ytvis.records(head(item), [item], single_class=True)
    assert single == records[0]
    assert json.loads("".join(ytvis.pieces(head(item), [item], single_class=True))) == [single]


def test_classes_are_read_again_from_a_file_and_from_a_document(tmp_path: Path) -> None:
    item = several_classes()
    result = written(tmp_path, item)
    assert result.head == head(item)
    assert list(result.tubelets()) == [item]
    document = read(result)
    jsonschema.validate(document, result_schema())
    assert document["tubelets"][0]["classes"] == [
        {"category_id": 18, "category": "dog", "score": 0.5},
        {"category_id": 17, "category": "cat", "score": 0.25},
        {"category_id": 1, "category": "person", "score": 0.0625},
    ]
    assert Result.from_document(document).tubelets == (item,)


def test_a_document_without_classes_has_the_own_one(tmp_path: Path) -> None:
    document = read(written(tmp_path, SOME[0]))
    del document["tubelets"][0]["classes"]
    assert Result.from_document(document).tubelets[0].classes == (ClassScore(18, "dog", 0.9),)


def several_classes() -> Tubelet:
    item = tubelet(1, [50])
    classes = (ClassScore(18, "dog", 0.5), ClassScore(17, "cat", 0.25), ClassScore(1, "person", 0.0625))
    return replace(item, head=replace(item.head, classes=classes))


def before_schema_1() -> dict[str, Any]:
    """As version 0.1 wrote it: no schema, the tracker's boxes in `boxes`, own ids that were counted."""
    mask = {"size": [40, 60], "counts": "counts1"}
    return {
        "video": {"container": "mp4", "codec": "h264", "width": 60, "height": 40, "frames": 3, "duration_s": 0.3,
                  "fps": 10.0, "rotation": 0, "variable_frame_rate": False, "size_bytes": 9, "stream": 0,
                  "timestamps": [0.0, 0.1, 0.2], "damage": None},
        "model": {"preset": "lite", "version": "0.3.0"},
        "detector": None,
        "parameters": {"preset": "default", "th_det": None, "categories": None},
        "tracked_every": 1,
        "segments": [{"first_frame": 0, "last_frame": 2, "seeds": 1, "max_seeds_reached": False}],
        "tubelets": [{"id": 1, "category_id": 17, "category": "dog", "score": 0.5, "first_frame": 1, "last_frame": 1,
                      "frames": 1, "seed_frame": 1, "segmentations": [None, mask, None],
                      "boxes": [None, [0.5, 0.0, 11.0, 9.0], None], "track_scores": [None, 0.25, None]}],
    }  # fmt: skip


def test_a_result_from_before_schema_1(tmp_path: Path) -> None:
    path = tmp_path / "tubelets.json"
    path.write_text(json.dumps(before_schema_1()))
    result = ResultFile.open(path)
    (item,) = result.tubelets()
    assert item.at(1) == Entry("counts1", None, (0.5, 0.0, 11.0, 9.0), 0.25)
    assert (item.head.category, item.head.category_id) == ("dog", None), "17 means a cat now"
    assert result.head.chunks == (Chunk(0, 2, 1, max_seeds_reached=False),)
    document = read(result)
    jsonschema.validate(document, result_schema())
    assert not {"category_id", "uncertain", "confidences"} & document["tubelets"][0].keys()
    assert document["models"] == {"architecture": "lite", "release": "0.3.0"}
    assert document["parameters"] == {"preset": "default"}


def test_a_document_may_have_been_formatted(tmp_path: Path) -> None:
    path = tmp_path / "tubelets.json"
    path.write_text(json.dumps(read(written(tmp_path, *SOME)), indent=1))
    assert list(ResultFile.open(path).tubelets()) == list(SOME)


def test_ids_of_own_categories_from_before_schema_1_stay() -> None:
    document = before_schema_1()
    document["parameters"]["categories"] = [{"id": 17, "name": "dog"}]
    (item,) = Result.from_document(document).tubelets
    assert item.head.category_id == 17


def test_the_smallest_result_from_before_schema_1() -> None:
    assert Result.from_document({"tubelets": []}).tubelets == ()


@pytest.mark.parametrize(
    ("number", "message"),
    [
        pytest.param({"schema": 2}, "schema 2 is newer than 1", id="schema"),
        pytest.param({"layout": 2}, "layout 2 is newer than 1", id="layout"),
    ],
)
def test_what_a_newer_version_wrote_is_refused(tmp_path: Path, number: dict[str, int], message: str) -> None:
    path = written(tmp_path, *SOME).path
    first, *rest = path.read_text().splitlines(keepends=True)
    path.write_text(json.dumps(json.loads(first) | number) + "\n" + "".join(rest))
    with pytest.raises(NewerFormat, match=message):
        ResultFile.open(path)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\x00", id="no-text"),
        pytest.param(b"[]", id="a-list"),
        pytest.param(b'{"video": {}}', id="no-tubelets"),
        pytest.param(b'{"tubelets": [{"id": 1}]}', id="a-tubelet-without-frames"),
        pytest.param(b'{"schema": "1", "tubelets": []}', id="a-schema-as-text"),
        pytest.param(b"[" * 100_000, id="nested-too-deep"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.json"
    path.write_bytes(content)
    with pytest.raises(InvalidResult, match=r"^result some\.json: "):
        ResultFile.open(path)


def test_a_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, *SOME).path
    content = path.read_bytes()
    for end in range(1, len(content) - 1, 97):
        path.write_bytes(content[:end])
        with pytest.raises(InvalidResult, match=r"^result result\.jsonl: "):
            ResultFile.open(path)


@pytest.mark.parametrize(
    ("line", "change"),
    [
        pytest.param(0, {"chunks": ["a"]}, id="a-chunk-as-text"),
        pytest.param(0, {"tubelets": [7]}, id="a-tubelet-as-a-number"),
        pytest.param(-2, {"blocks": [[0, 31, 0]]}, id="a-block-without-its-size"),
        pytest.param(-2, {"blocks": [[0, 31, -1, 10]]}, id="a-block-before-the-file"),
        pytest.param(-2, {"blocks": [[0, 31, 0, -1]]}, id="a-block-of-negative-size"),
        pytest.param(-1, {"index_at": -5}, id="an-index-before-the-file"),
        pytest.param(-1, {"index_at": 1 << 70}, id="an-index-at-no-offset"),
        pytest.param(-1, {"index_at": 1 << 40}, id="an-index-behind-the-file"),
    ],
)
def test_a_file_with_a_wrong_member_is_refused(tmp_path: Path, line: int, change: dict[str, Any]) -> None:
    path = written(tmp_path, *SOME).path
    lines = path.read_text().splitlines()
    offset = int(json.loads(lines[-1])["index_at"]) - len(lines[line])
    lines[line] = json.dumps(json.loads(lines[line]) | change)
    if line == 0:
        lines[-1] = json.dumps({"index_at": offset + len(lines[line])})
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InvalidResult, match=r"^result result\.jsonl: "):
        ResultFile.open(path)


def test_frames_of_a_document_are_one_block(tmp_path: Path) -> None:
    path = tmp_path / "tubelets.json"
    path.write_text(json.dumps(read(written(tmp_path, *SOME))))
    (block,) = ResultFile.open(path).parts(range(51, 60))
    assert [(part.id, part.first_frame, len(part.entries)) for part in block] == [(2, 20, 50), (1, 0, 100)]


def test_entries_are_one_per_frame_of_the_span() -> None:
    whole = tubelet(1, range(3))
    with pytest.raises(InvalidResult, match="tubelet 1: expected 3 entries"):
        replace(whole, entries=whole.entries[:2])


def test_pieces_make_one_document() -> None:
    assert json.loads("".join(pieces(head(), ())))["tubelets"] == []


def test_a_result_from_before_a_minimum_score(tmp_path: Path) -> None:
    """As 0.4 wrote it: nothing was left out."""
    result = written(tmp_path, *SOME)
    document = {name: value for name, value in read(result).items() if name != "left_out"}
    jsonschema.validate(document, result_schema())
    assert (result.head.left_out, Result.from_document(document).left_out) == (2, 0)
    lines = result.path.read_text().splitlines(keepends=True)
    older = tmp_path / "older.jsonl"
    # the index has offsets of the first line's length
    older.write_text("".join([lines[0].replace('"left_out":2,', " " * 13), *lines[1:]]))
    assert (ResultFile.open(older).head.left_out, len(list(ResultFile.open(older).tubelets()))) == (0, 3)


@pytest.mark.parametrize(
    ("capped", "reached"), [((), False), ((False, False), False), ((False, True), True)], ids=["none", "no", "in one"]
)
def test_a_limit_that_one_chunk_reached(capped: tuple[bool, ...], reached: bool) -> None:
    chunks = tuple(Chunk(t, t, 3, max_seeds_reached=each) for t, each in enumerate(capped))
    assert Result(replace(head(), chunks=chunks), ()).max_seeds_reached == reached


def test_a_result_from_before_confidences(tmp_path: Path) -> None:
    """As 0.4 wrote it: schema 1 with neither `uncertain` nor `confidences`, in the file and in the document."""
    result = written(tmp_path, *SOME)
    lines = [json.loads(line) for line in result.path.read_text().splitlines()]
    document = read(result)
    for item in (*lines[0]["tubelets"], *document["tubelets"]):
        del item["uncertain"]
    for item in (part for line in lines[1:-2] for part in line["tubelets"]):
        del item["confidences"]
    for item in document["tubelets"]:
        del item["confidences"]
    older = tmp_path / "older.json"
    older.write_text(json.dumps(document))
    first = files._part_of(lines[1]["tubelets"][0]).entries[0]
    for entries in ((first,), *(item.entries for item in ResultFile.open(older).tubelets())):
        assert {None if entry is None else entry.confidence for entry in entries} == {None}
    assert {item.uncertain for item in ResultFile.open(older).tubelets()} == {None}
    jsonschema.validate(document, result_schema())
    assert "uncertain" not in read(ResultFile.open(older))["tubelets"][0]
