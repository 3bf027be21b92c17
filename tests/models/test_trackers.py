"""The trackers' networks: contract, matching against brute force, patterns they must find, a training in small."""

import dataclasses
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from pycocotools import mask as coco
from torch import Tensor
from torchvision.ops import roi_align

from export.models.pixel_embedding import (
    FAR,
    QUERIES_AT_ONCE,
    RADII,
    InstanceAttention,
    LocalMatch,
    PixelEmbedding,
    PixelReference,
    distance,
    global_match,
)
from export.models.siamese_rpn import SiameseRpn, SiameseTemplate, part_correlation
from export.models.trackers import Trackers
from service.inference.specs import LITE, ModelDims, graph_specs
from service.structures.boxes import iou_matrix
from service.tracking.anchors import anchor_grid, decode
from service.tracking.params import TrackerParams
from service.tracking.windows import search_windows
from training.data.sequence_batch import join
from training.data.sequences import FRAME_HW, RenderedClip, Sequence
from training.data.windows import Windows, dims_of, frame_windows
from training.eval.trackers import TrackerNetworks, score_clip
from training.losses.pixel import pixel_loss
from training.losses.siamese import GROWTH, NOWHERE, SCALE, draw_pairs
from training.trackers import Parts, Recipe, train

pytestmark = pytest.mark.models


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def modules(trackers: Trackers) -> dict[str, torch.nn.Module]:
    return {
        "siamese_rpn_template": trackers.template,
        "siamese_rpn": trackers.siamese,
        "pixel_embedding_reference": trackers.reference,
        "pixel_embedding": trackers.pixel,
    }


def random_input(name: str, shape: tuple[int | str, ...], tracks: int) -> Tensor:
    sizes = {"F": 2, "N": tracks, "h8": 6, "w8": 10, "h4": 12, "w4": 20}
    given = [sizes.get(axis, axis) for axis in shape]
    if name == "frame_index":
        return torch.arange(tracks) % 2
    if name.endswith(("windows", "boxes")):
        corner = torch.rand(tracks, 2) * 80 - 20
        return torch.cat([corner, corner + 30 + 40 * torch.rand(tracks, 1)], 1)
    return torch.rand(given) if name.endswith("probability") else torch.randn(given)


@pytest.mark.parametrize("tracks", [0, 1, 3])
@pytest.mark.parametrize(
    "name", ["siamese_rpn_template", "siamese_rpn", "pixel_embedding_reference", "pixel_embedding"]
)
def test_shapes_are_those_of_the_contract(name: str, tracks: int):
    spec = graph_specs(LITE)[name]
    given = [random_input(tensor.name, tensor.shape, tracks) for tensor in spec.inputs]
    with torch.no_grad():
        found = modules(Trackers().eval())[name](*given)
    found = found if isinstance(found, tuple) else (found,)
    assert len(found) == len(spec.outputs)
    for tensor, value in zip(spec.outputs, found, strict=True):
        tensor.check(value.numpy(), name)
        assert torch.isfinite(value).all()
        assert value.shape[0] == tracks


def test_features_have_strides_4_and_8():
    with torch.no_grad():
        f4, f8 = Trackers().features(torch.zeros(2, 64, 96, 3, dtype=torch.uint8))
    assert f4.shape == (2, LITE.f4_channels, 16, 24)
    assert f8.shape == (2, LITE.f8_channels, 8, 12)


def correlating_head(channels: int) -> SiameseRpn:
    """A head without learning: identity embeddings; the score of the square anchor is the plain correlation."""
    net = SiameseRpn(channels, width=channels)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        for conv in (net.embed_template, net.embed_search):
            conv.weight[:, :, 0, 0] = torch.eye(channels)
        net.parts.weight[0] = 1.0
        net.discriminator.predict.weight[2, 0] = 1.0
        net.discriminator.predict.bias[:] = torch.tensor([-99.0, -99.0, 0.0, -99.0, -99.0])
    return net.eval()


def test_part_correlations_add_up_to_the_cross_correlation():
    search, template = torch.randn(2, 5, 31, 31), torch.randn(2, 5, 7, 7)
    parts = part_correlation(search, template)
    assert parts.shape == (2, 49, 25, 25)
    for n in range(2):
        whole = torch.nn.functional.conv2d(search[n : n + 1], template[n : n + 1])[0, 0] / 5**0.5
        torch.testing.assert_close(parts[n].sum(0), whole, rtol=1e-4, atol=1e-4)
    rows, columns = torch.meshgrid(torch.arange(7), torch.arange(7), indexing="ij")
    for part, (row, column) in enumerate(zip(rows.flatten().tolist(), columns.flatten().tolist(), strict=True)):
        there = search[:, :, row : row + 25, column : column + 25]
        expected = (there * template[:, :, row, column, None, None]).sum(1) / 5**0.5
        torch.testing.assert_close(parts[:, part], expected, rtol=1e-4, atol=1e-4)
    # part 9 is row 1, column 2 of the template
    torch.testing.assert_close(parts[0, 9, 3, 4], (search[0, :, 4, 6] * template[0, :, 1, 2]).sum() / 5**0.5)


def test_embedding_the_map_before_roi_align_is_embedding_its_regions():
    net, f8 = SiameseRpn(6, width=4).eval(), torch.randn(3, 6, 9, 11)
    windows = torch.tensor([[5.0, 8.0, 60.0, 63.0], [-40.0, -30.0, 50.0, 60.0], [300.0, 0.0, 400.0, 100.0]])
    index = torch.tensor([2, 0, 1])
    rois = torch.cat([index.float()[:, None], windows], 1)
    with torch.no_grad():
        expected = net.embed_search(roi_align(f8, rois, (31, 31), 1 / 8, 2, aligned=True))
        found = net._search(f8, index, windows)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert (found[2] == net.embed_search.bias[:, None, None]).all(), "nothing of the frame is in the window"


def one_hot_map(rows: int, columns: int, channels: int) -> Tensor:
    """A map in which every cell has one of `channels` patterns."""
    cells = torch.randint(0, channels, (rows, columns))
    return torch.nn.functional.one_hot(cells, channels).permute(2, 0, 1).float()


@pytest.mark.parametrize(("rows", "columns", "side"), [(0, 0, 8), (2, -3, 8), (-4, 1, 8), (0, 0, 9), (2, -3, 9)])
def test_a_moved_and_scaled_pattern_is_found_and_another_one_scores_less(rows: int, columns: int, side: int):
    channels = 32
    pattern, other = one_hot_map(8, 8, channels), one_hot_map(8, 8, channels)
    frames = torch.zeros(3, channels, 40, 40)
    frames[0, :, 16:24, 16:24] = pattern
    place = (slice(16 + rows, 16 + rows + side), slice(16 + columns, 16 + columns + side))
    for frame, shown in ((1, pattern), (2, other)):
        frames[frame, :, *place] = torch.nn.functional.interpolate(shown[None], size=(side, side))[0]
    box = np.array([[128, 128, 192, 192]], np.float32)
    window = search_windows(box)
    template = SiameseTemplate()(frames, torch.zeros(1, dtype=torch.long), torch.from_numpy(box))
    with torch.no_grad():
        scores, deltas = correlating_head(channels)(
            frames, torch.tensor([1, 2]), template.expand(2, -1, -1, -1), torch.from_numpy(window).expand(2, -1)
        )
    best = int(scores[0].argmax())
    found = decode(anchor_grid(), deltas.numpy())[0, best] * (window[0, 2] - window[0, 0]) / 255
    middle = found[:2] + 160
    found_box = np.concatenate([middle - found[2:] / 2, middle + found[2:] / 2])[None].astype(np.float32)
    corner = np.array([128 + 8 * columns, 128 + 8 * rows])
    moved = np.concatenate([corner, corner + 8 * side])[None].astype(np.float32)
    assert iou_matrix(found_box, moved)[0, 0] > 0.7
    assert scores[0].max() > scores[1].max()


def test_distance_grows_from_0_and_stays_below_1():
    values = distance(torch.tensor([0.0, 0.01, 0.1, 1.0, 5.0, 12.0]))
    assert values[0] == 0
    assert (values.diff() > 0).all()
    assert values[-1] < 1


def test_global_match_is_brute_force_and_an_empty_bank_is_far():
    queries, bank = torch.randn(2, 5, 64), torch.randn(2, 7, 5)
    valid = torch.tensor([[1.0, 0, 1, 1, 0, 1, 1], [0.0] * 7])
    found = global_match(queries, bank[:, None], valid[:, None])[:, 0]
    squared = (queries[0].T[:, None] - bank[0][valid[0] > 0][None]).pow(2).sum(2).amin(1)
    torch.testing.assert_close(found[0], squared, rtol=1e-4, atol=1e-4)
    assert (distance(found[1]) == 1).all()


@pytest.mark.parametrize("points", [64, 2 * QUERIES_AT_ONCE, QUERIES_AT_ONCE + 100])
def test_both_banks_in_parts_of_the_queries_are_each_bank_alone(points: int):
    queries, banks = torch.randn(2, 5, points), torch.randn(2, 2, 7, 5)
    valid = (torch.rand(2, 2, 7) > 0.4).float()
    found = global_match(queries, banks, valid)
    squared = (queries.transpose(1, 2)[:, None, :, None] - banks[:, :, None]).pow(2).sum(4)
    expected = torch.where(valid[:, :, None] > 0, squared, FAR).amin(3)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_local_match_is_brute_force_on_every_radius():
    side = 8
    queries, keys = torch.randn(1, 3, side, side), torch.randn(1, 3, side, side)
    member = (torch.rand(1, 1, side, side) > 0.7).float()
    labels = torch.cat([member, torch.zeros_like(member)], 1)
    found = LocalMatch(side)(queries, keys, labels)
    for i, radius in enumerate(RADII):
        for y in range(side):
            for x in range(side):
                near = [
                    (queries[0, :, y, x] - keys[0, :, v, u]).pow(2).sum()
                    for v in range(max(0, y - radius), min(side, y + radius + 1))
                    for u in range(max(0, x - radius), min(side, x + radius + 1))
                    if member[0, 0, v, u]
                ]
                if near:
                    assert found[0, i, y, x] == pytest.approx(float(min(near)), abs=5e-3)
                else:
                    assert found[0, i, y, x] > FAR / 2
    assert (distance(found[0, len(RADII) :]) == 1).all()


@pytest.mark.parametrize("side", [16, 32, 48])
def test_local_match_is_the_plain_formula_with_both_labels_and_several_tiles(side: int):
    queries, keys = torch.randn(2, 5, side, side), torch.randn(2, 5, side, side)
    label = torch.randint(0, 3, (2, 1, side, side))
    labels = torch.cat([label == 0, label == 1], 1).float()
    found = LocalMatch(side)(queries, keys, labels)
    place = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij"), -1).reshape(-1, 2)
    offset = (place[:, None] - place).abs().amax(2)
    squared = (queries.flatten(2)[..., None] - keys.flatten(2)[:, :, None]).pow(2).sum(1)
    for number, member in enumerate(labels.flatten(2).unbind(1)):
        for i, radius in enumerate(RADII):
            allowed = (offset <= radius) & (member[:, None] > 0)
            expected = torch.where(allowed, squared, FAR).amin(2)
            got = found[:, number * len(RADII) + i].flatten(1)
            none = expected == FAR
            torch.testing.assert_close(got[~none], expected[~none], rtol=1e-4, atol=1e-4)
            assert (got[none] > FAR / 2).all()


def matching_head(use: dict[int, float], bias: float, dims: ModelDims = LITE) -> tuple[PixelReference, PixelEmbedding]:
    """A head without learning: embedding = color, logit = weighted sum of the distance maps + bias."""
    net = PixelEmbedding(dims).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        net.embed.weight[:3, :3, 0, 0] = 10 * torch.eye(3)
        for sample, weight in use.items():
            net.enter.weight[0, LITE.f4_channels + sample] = weight
        net.enter.bias[0] = 50.0  # keeps the sum above the ReLU
        net.predict.weight[0, 0] = 1.0
        net.predict.bias[0] = bias - 50.0
    return PixelReference(net.embed, dims).eval(), net


def color_frame(mask: Tensor) -> Tensor:
    """f4 with one color on the mask, another elsewhere."""
    frame = torch.zeros(1, LITE.f4_channels, *mask.shape)
    frame[0, 0], frame[0, 1] = mask, 1 - mask
    return frame


def square_mask(top: int, left: int, side: int) -> Tensor:
    mask = torch.zeros(64, 64)
    mask[top : top + side, left : left + side] = 1
    return mask


def tracked(heads: tuple[PixelReference, PixelEmbedding], before: Tensor, after: Tensor) -> Tensor:
    """The mask that the head finds in the second frame."""
    zero, window = torch.zeros(1, dtype=torch.long), frame_windows(1, (4 * before.shape[0], 4 * before.shape[1]))
    with torch.no_grad():
        *bank, embedding = heads[0](color_frame(before), zero, window, before[None])
        probability, _ = heads[1](color_frame(after), zero, window, *bank, window, embedding, before[None])
    return (probability[0] > 0.5).float()


GLOBAL = {0: -20.0, 1: 20.0}
LOCAL = {2 + len(RADII) - 1: -20.0}


@pytest.mark.parametrize(
    ("use", "bias", "shift", "is_found"),
    [
        (GLOBAL, 0.0, 0, True),
        (LOCAL, 10.0, 0, True),
        (LOCAL, 10.0, 2 * max(RADII), True),
        (LOCAL, 10.0, 36, False),
        (GLOBAL, 0.0, 36, True),
    ],
)
def test_color_embedding_reproduces_the_mask(use: dict[int, float], bias: float, shift: int, is_found: bool):
    before, after = square_mask(8, 8, 16), square_mask(8 + shift, 8 + shift, 16)
    found = tracked(matching_head(use, bias), before, after)
    overlap = (found * after).sum() / after.sum()
    assert (overlap > 0.95) == is_found
    if is_found:
        assert (found - after).abs().sum() <= 0.1 * after.sum()


@pytest.mark.parametrize(
    ("kind", "hw", "side", "bank"),
    [("object", (384, 640), 64, 256), ("frame", (384, 640), 128, 1024), ("frame", (320, 512), 96, 576)],
)
def test_a_frame_has_about_a_sample_per_cell_of_f4_and_the_same_share_in_the_banks(
    kind: Windows, hw: tuple[int, int], side: int, bank: int
):
    assert (dims_of(kind, hw).window, dims_of(kind, hw).bank) == (side, bank)


def test_a_head_that_looks_at_the_frame_finds_the_object_at_its_other_end():
    before, after = torch.zeros(96, 96), torch.zeros(96, 96)
    before[4:20, 4:20] = after[60:76, 76:92] = 1
    found = tracked(matching_head(GLOBAL, 0.0, dims_of("frame", (384, 384))), before, after)
    assert (found - after).abs().sum() <= 0.1 * after.sum()


def test_an_empty_reference_gives_an_empty_foreground_bank():
    reference, _ = matching_head(GLOBAL, 0.0)
    empty, f4 = torch.zeros(1, 64, 64), color_frame(torch.zeros(64, 64))
    window = torch.tensor([[0.0, 0.0, 256.0, 256.0]])
    with torch.no_grad():
        _, foreground, _, background, _ = reference(f4, torch.zeros(1, dtype=torch.long), window, empty)
    assert foreground.sum() == 0
    assert background.sum() == LITE.bank


def moving_square(folder: Path) -> RenderedClip:
    """A rendered clip of 9 frames: a bright square that walks over noise."""
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 120, (120, 160, 3), np.uint8)
    files, masks = [], []
    for index in range(9):
        image, mask = ground.copy(), np.zeros((120, 160), np.uint8)
        corner = 30 + 4 * index
        image[40:80, corner : corner + 40], mask[40:80, corner : corner + 40] = 230, 1
        files.append(folder / f"{index:05d}.jpg")
        cv2.imwrite(str(files[-1]), image)
        masks.append(coco.encode(np.asfortranarray(mask)))
    return RenderedClip("square", (120, 160), tuple(files), (tuple(masks),), (1,))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools under NumPy 2
def test_training_steps_and_resumes(tmp_path: Path):
    clips, out = [moving_square(tmp_path)], tmp_path / "run"
    trackers = Trackers()
    start = {name: value.clone() for name, value in trackers.state_dict().items()}
    train(trackers, clips, [], out, Recipe(1e-9))
    state = torch.load(out / "state.pt", weights_only=True)
    assert state["step"] == 1
    changed = {name.split(".")[0] for name, value in trackers.state_dict().items() if (value != start[name]).any()}
    assert changed == {"features", "siamese", "pixel"}
    again = Trackers()
    train(again, clips, [], out, Recipe((state["spent"] + 0.01) / 60))
    assert torch.load(out / "state.pt", weights_only=True)["step"] == 2
    assert (out / "final.safetensors").is_file()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("windows", ["object", "frame"])
def test_a_head_that_sees_the_object_everywhere_fills_its_window_or_the_frame(tmp_path: Path, windows: Windows):
    trackers = Trackers(dims_of(windows, (384, 512)))
    torch.nn.init.constant_(trackers.pixel.predict.weight, 0)
    torch.nn.init.constant_(trackers.pixel.predict.bias, 9)
    networks = TrackerNetworks(trackers.eval(), windows)
    (score,) = score_clip(networks, moving_square(tmp_path), TrackerParams())
    share = 40 * 40 / (120 * 160)
    assert (score.uncut == pytest.approx(share, abs=0.002)) == (windows == "frame")
    assert score.mask > score.uncut - 1e-6, "the box cuts what lies beside it"
    assert score.frames == 8
    assert score.pixel_ms > 0


def test_dims_of_another_preset_build():
    small = dataclasses.replace(
        LITE, f4_channels=16, f8_channels=24, template_channels=24, embedding=8, bank=16, window=32
    )
    with torch.no_grad():
        found = modules(Trackers(small).eval())["pixel_embedding"](
            *[random_input(t.name, t.shape, 2) for t in graph_specs(small)["pixel_embedding"].inputs]
        )
    assert found[0].shape == (2, 32, 32)


@pytest.mark.parametrize(
    ("parts", "windows", "expected"),
    [
        ("siamese", "object", {"siamese"}),
        ("pixel", "object", {"features", "pixel"}),
        ("head", "object", {"pixel"}),
        ("head", "frame", {"pixel"}),
    ],
)
def test_one_tracker_alone_leaves_the_other_as_it_is(
    tmp_path: Path, parts: Parts, windows: Windows, expected: set[str]
):
    trackers = Trackers(dims_of(windows, FRAME_HW))
    start = {name: value.clone() for name, value in trackers.state_dict().items()}
    recipe = Recipe(1e-9, parts, windows=windows)
    train(trackers, [moving_square(tmp_path)], [], tmp_path / "run", recipe)
    changed = {name for name, value in trackers.state_dict().items() if (value != start[name]).any()}
    assert {name.split(".")[0] for name in changed} == expected
    assert not any(name.startswith("features.f8") for name in changed), "f8 feeds both trackers"


def test_pairs_join_frames_that_show_the_object_and_windows_stand_around_it_or_a_neighbor():
    masks = np.zeros((3, 2, 64, 96), np.uint8)
    for t in range(3):
        masks[t, 0, 10:30, 10 + 5 * t : 30 + 5 * t] = 1
    masks[0, 1, 40:60, 60:80] = masks[2, 1, 40:60, 70:90] = 1
    visible = masks.sum((2, 3)) > 0
    pairs = draw_pairs(join([Sequence(np.zeros((3, 64, 96, 3), np.uint8), masks, visible, np.array([1, 1]))]))
    assert len(pairs.frame) > 10
    assert (pairs.template != pairs.frame).all()
    second = pairs.target[:, 1] == 40
    assert second.any()
    assert set(pairs.frame[second].tolist()) | set(pairs.template[second].tolist()) == {0, 2}
    assert (pairs.target[~second, 2] - pairs.target[~second, 0] == 20).all()
    # an exemplar's window is twice as wide as its square, the search window twice as wide again, less noise
    least = 20 * 4 * math.exp(-GROWTH - SCALE)
    assert (pairs.window[:, 2] - pairs.window[:, 0] > least).all()
    gone = pairs.target[:, 0] > NOWHERE / 2
    assert set(pairs.frame[gone].tolist()) == {1}, "the second object is looked for where it is not, too"
    assert set(pairs.template[gone].tolist()) == {0, 2}
    middle = (pairs.window[gone, :2] + pairs.window[gone, 2:]) / 2
    assert ((middle - torch.tensor([75.0, 50.0])).abs() < 30).all(), "around the place where it was"


def square_sequence(length: int, tops: list[int]) -> Sequence:
    """Squares that walk to the right over black frames, 3 px a frame."""
    masks = np.zeros((length, len(tops), 64, 96), np.uint8)
    for t in range(length):
        for n, top in enumerate(tops):
            masks[t, n, top : top + 16, 10 + 3 * t : 26 + 3 * t] = 1
    frames = np.repeat(masks.max(1)[..., None] * 255, 3, 3)
    return Sequence(frames, masks, masks.sum((2, 3)) > 0, np.ones(len(tops)))


def test_a_batch_keeps_objects_with_their_own_frames():
    batch = join([square_sequence(3, [4]), square_sequence(3, [20, 40])])
    assert batch.frames.shape == (2, 3, 64, 96, 3)
    assert batch.owner.tolist() == [0, 1, 1]
    assert batch.boxes[1].tolist() == [[13, 4, 29, 20], [13, 20, 29, 36], [13, 40, 29, 56]]
    pairs = draw_pairs(batch)
    first = pairs.target[:, 1] == 4
    assert set(pairs.frame[first].tolist()) <= {0, 1, 2}
    assert set(pairs.frame[~first].tolist()) == {3, 4, 5}
    assert (pairs.template // 3 == pairs.frame // 3).all(), "a template and its search region are of one sequence"


def test_the_loss_of_a_batch_looks_at_each_sequence_in_its_own_frames():
    one, other = square_sequence(3, [4]), square_sequence(3, [40])
    trackers = Trackers()

    def loss(sequences: list[Sequence]) -> float:
        batch = join(sequences)
        frames = batch.frames.flatten(0, 1)[..., 0].float()
        f4 = torch.zeros(len(frames), LITE.f4_channels, 16, 24)
        f4[:, 0] = frames[:, ::4, ::4] / 255
        torch.manual_seed(3)
        with torch.no_grad():
            return pixel_loss(trackers, f4, batch).item()

    # color is all that counts, and both squares look the same in their own frames
    assert loss([one, one]) == pytest.approx(loss([one, other]), rel=0.1)


def test_attention_starts_without_effect_and_then_distinguishes_objects():
    attention = InstanceAttention(4, 3)
    x, means = torch.randn(2, 3, 8, 8), torch.randn(2, 2, 4)
    bank = (torch.randn(2, 5, 4), torch.ones(2, 5), torch.randn(2, 5, 4), torch.zeros(2, 5))
    torch.testing.assert_close(attention(x, bank, means), x)
    torch.nn.init.normal_(attention.gate.weight)
    with torch.no_grad():
        found = attention(torch.ones_like(x), bank, means)
    assert (found[0] - found[1]).abs().max() > 0.1
    assert (found.amax((2, 3)) == found.amin((2, 3))).all(), "one factor per channel"
    assert torch.isfinite(found).all(), "an empty bank has no mean"


@pytest.mark.parametrize("windows", ["object", "frame"])
def test_a_mask_where_the_object_is_gone_costs_and_an_empty_one_does_not(windows: Windows):
    masks = np.zeros((2, 1, 64, 96), np.uint8)
    masks[0, 0, 20:44, 30:54] = 1
    gone = Sequence(np.zeros((2, 64, 96, 3), np.uint8), masks, masks.sum((2, 3)) > 0, np.array([1]))
    trackers, f4 = Trackers(dims_of(windows, (64, 96))), torch.zeros(2, LITE.f4_channels, 16, 24)
    losses = {}
    for logit in (-9.0, 9.0):
        torch.nn.init.constant_(trackers.pixel.predict.weight, 0)
        torch.nn.init.constant_(trackers.pixel.predict.bias, logit)
        losses[logit] = pixel_loss(trackers, f4, join([gone]), windows).item()
    assert losses[-9.0] < 0.01 < 1 < losses[9.0]
