"""The lite detector: the graph's contract, the start weights kept by new classes, and its training."""

import dataclasses
import json
import random
from itertools import pairwise

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pycocotools import mask as coco  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from torchvision.ops import box_iou  # noqa: E402

from export.models.lite_detector import NMS_IOU, SCORE_THRESHOLD, LiteMaskRcnn, extend_classes  # noqa: E402
from export.models.nanodet import NanoDetPlus, decode  # noqa: E402
from export.repository.classes import COCO_NAMES, class_list, index_of_ytvis  # noqa: E402
from service.inference.specs import LITE, graph_specs  # noqa: E402
from training.data.samples import CROP_HW, Crop, clip_pictures, coco_pictures, pasted, read_crop  # noqa: E402
from training.detector import Budget, batches, by_class, train  # noqa: E402
from training.eval.detector import evaluate, network_frame, paste  # noqa: E402
from training.mask_head import FRESH, start_from  # noqa: E402
from training.mask_head import train as train_mask_head  # noqa: E402

pytestmark = [
    pytest.mark.models,
    # pycocotools' own array protocol is older than numpy 2
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
NAMES = ("boxes", "scores", "masks", "count")


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    net = LiteMaskRcnn(LITE.classes, LITE.slots).eval()
    with torch.no_grad():
        for output in net.head.outputs:  # spread the scores: equal ones would make the order arbitrary
            output.weight[:80].mul_(200)
            output.bias[:80].sub_(3)
    return net


def detect(model, batch, height, width, hw):
    frames = torch.randint(0, 255, (batch, height, width, 3), dtype=torch.uint8, generator=torch.manual_seed(1))
    with torch.no_grad():
        return model(frames, torch.tensor(hw, dtype=torch.int32))


@pytest.mark.parametrize(
    ("batch", "height", "width", "hw"),
    [(1, 128, 224, [[128, 224]]), (3, 160, 160, [[160, 160], [100, 130], [0, 0]]), (1, 128, 160, [[0, 0]])],
)
def test_outputs_follow_the_spec(model, batch, height, width, hw):
    outputs = detect(model, batch, height, width, hw)
    specs = {spec.name: spec for spec in graph_specs(LITE)["mask_rcnn"].outputs}
    for name, output in zip(NAMES, outputs, strict=True):
        specs[name].check(output.numpy(), "mask_rcnn")
        assert output.shape[0] == batch


def test_detections_lie_in_the_unpadded_frame_and_slots_past_the_count_are_zero(model):
    hw = [[160, 160], [100, 130], [0, 0]]
    boxes, scores, masks, count = detect(model, 3, 160, 160, hw)
    assert count[0] > 0
    assert count[1] > 0
    assert count[2] == 0
    for image, (height, width) in enumerate(hw):
        number = int(count[image])
        assert boxes[image, :, [0, 2]].max() <= width
        assert boxes[image, :, [1, 3]].max() <= height
        assert boxes[image].min() >= 0
        assert not any(bool(t[image, number:].any()) for t in (boxes, scores, masks))
        best = scores[image, :number].amax(1)
        assert bool((best > SCORE_THRESHOLD).all())
        assert all(a >= b for a, b in pairwise(best.tolist()))
        overlaps = torch.triu(_iou(boxes[image, :number]), 1)
        assert number == 0 or float(overlaps.max()) <= NMS_IOU + 1e-4
    assert float(masks.min()) >= 0
    assert float(masks.max()) <= 1


def _iou(boxes):
    return box_iou(boxes, boxes)


def test_images_of_a_batch_do_not_influence_each_other(model):
    frames = torch.randint(0, 255, (2, 128, 192, 3), dtype=torch.uint8, generator=torch.manual_seed(2))
    hw = torch.tensor([[128, 192], [128, 192]], dtype=torch.int32)
    with torch.no_grad():
        together, alone = model(frames, hw), model(frames[1:], hw[1:])
    assert together[3][1] == alone[3][0]
    for pair in zip(together[:3], alone[:3], strict=True):
        torch.testing.assert_close(pair[0][1], pair[1][0], atol=1e-3, rtol=1e-3)


def test_new_classes_leave_the_start_weights_as_they_are():
    torch.manual_seed(0)
    net = NanoDetPlus("m-1.5x").eval()
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        scores, boxes = decode(net(image))
        extend_classes(net, 101)
        levels = net.neck(*net.trunk(image)[1:])
        raw = [out(tower(x)) for out, tower, x in zip(net.head.outputs, net.head.towers, levels, strict=True)]
    extended = torch.cat([r.flatten(2).transpose(1, 2) for r in raw], 1)
    torch.testing.assert_close(extended[..., :80].sigmoid(), scores)
    assert float(extended[..., 80:101].sigmoid().max()) < 0.003
    assert extended.shape == (1, boxes.shape[1], 101 + 32)


def test_classes_are_coco_then_what_it_lacks():
    classes = class_list()
    assert len(classes) == LITE.classes
    assert len({(c["name"], c["vocabulary"]) for c in classes}) == len(classes)
    named = {"sedan": "car", "motorbike": "motorcycle", "person": "person", "tennis_racket": "tennis racket"}
    assert {name: COCO_NAMES[index_of_ytvis(name)] for name in named} == named
    assert classes[index_of_ytvis("mouse")] == {"name": "mouse", "vocabulary": "ytvis2019"}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Three photographs in COCO format: a bright ellipse each (RLE, polygon, crowd beside a polygon)."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(3):
        image = rng.integers(0, 90, (200, 260, 3), dtype=np.uint8)
        mask = np.zeros((200, 260), np.uint8)
        cv2.ellipse(mask, (120 + 10 * number, 100), (60, 40), 0, 0, 360, 1, -1)
        image[mask > 0] += 150
        cv2.imwrite(str(folder / "images" / f"{number}.png"), image)
        x, y, w, h = cv2.boundingRect(mask)
        outline = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0][0]
        rle = coco.encode(np.asfortranarray(mask)) | {"size": [200, 260]}
        segmentation = [(outline + 0.5).flatten().tolist()] if number else rle | {"counts": rle["counts"].decode()}
        images.append({"id": number, "file_name": f"{number}.png", "height": 200, "width": 260})
        annotations.append(
            {"id": number + 1, "image_id": number, "category_id": 18, "iscrowd": 0, "area": int(mask.sum()),
             "bbox": [x, y, w, h], "segmentation": segmentation}
        )  # fmt: skip
    annotations.append(annotations[-1] | {"id": 9, "iscrowd": 1})
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(COCO_NAMES)]
    path = folder / "instances.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def test_crops_keep_masks_and_image_aligned(photographs):
    pictures = coco_pictures(photographs)
    assert [len(p.instances) for p in pictures] == [1, 1, 1], "crowds are left out"
    rng = random.Random(0)
    for picture in pictures * 3:
        crop = read_crop(picture, rng)
        assert crop.image.shape == (*CROP_HW, 3)
        if len(crop.labels):
            x1, y1, x2, y2 = crop.boxes[0].astype(int)
            inside = crop.masks[0][y1:y2, x1:x2].astype(bool)
            grey = crop.image[y1:y2, x1:x2].mean(2)
            assert grey[inside].mean() > grey[~inside].mean() + 40
            assert crop.masks[0].sum() == inside.sum()


def test_training_runs_and_resumes(photographs, tmp_path):
    torch.manual_seed(0)
    model = LiteMaskRcnn()
    pictures = coco_pictures(photographs)
    train(model, LiteMaskRcnn(), (pictures, []), tmp_path, Budget(0.03))
    first = torch.load(tmp_path / "state.pt", weights_only=True)
    assert first["step"] >= 1
    train(LiteMaskRcnn(), LiteMaskRcnn(), (pictures, []), tmp_path, Budget(first["spent"] / 60 + 0.03))
    second = torch.load(tmp_path / "state.pt", weights_only=True)
    assert second["step"] > first["step"]
    assert second["spent"] > first["spent"]
    restored = LiteMaskRcnn().eval()
    restored.load_state_dict(load_file(tmp_path / "final.safetensors"))
    figures = evaluate(restored, photographs)
    assert {"box_AP", "mask_AP", "box_AP_medium"} <= set(figures)
    assert "mask_AP_small" not in figures, "no such object is there"
    assert all(0 <= value <= 100 for value in figures.values())


def test_pasted_objects_hide_what_is_under_them():
    image, masks = np.zeros((20, 20, 3), np.uint8), np.zeros((1, 20, 20), np.uint8)
    masks[0, 2:12, 2:12] = 1
    crop = Crop(image, np.array([[2, 2, 12, 12]], np.float32), masks, np.array([7]), False)
    above = np.zeros((1, 20, 20), np.uint8)
    above[0, 2:12, 8:18] = 1
    donor = Crop(image + 9, np.array([[8, 2, 18, 12]], np.float32), above, np.array([3]), True)
    seeds = (random.Random(seed) for seed in range(20))
    found = next(made for rng in seeds if len((made := pasted(crop, donor, rng)).labels) == 2)
    assert found.labels.tolist() == [7, 3]
    assert found.boxes.tolist() == [[2, 2, 8, 12], [8, 2, 18, 12]]
    assert (found.image[above[0] > 0] == 9).all()
    assert (found.image[above[0] == 0] == 0).all()
    assert not found.labeled_ytvis, "the photograph's other objects are not labeled"


def test_the_mask_head_trains_alone_and_starts_where_weights_without_its_newer_layers_end(photographs, tmp_path):
    model = LiteMaskRcnn()
    old = {k: v for k, v in model.state_dict().items() if not k.startswith(tuple(f"mask_head.{n}" for n in FRESH))}
    save_file(old, tmp_path / "old.safetensors")
    start_from(model, tmp_path / "old.safetensors")
    assert not model.mask_head.context.weight.any()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    train_mask_head(model, coco_pictures(photographs), [], tmp_path / "run", minutes=1e-9, seed=0)
    moved = {name for name, value in model.state_dict().items() if (value != before[name]).any()}
    assert moved
    assert all(name.startswith("mask_head.") for name in moved)
    assert (tmp_path / "run" / "final.safetensors").is_file()


def test_clips_are_sampled_with_their_classes(tmp_path):
    square = np.zeros((40, 60), np.uint8)
    square[10:20, 10:30] = 1
    rle = coco.encode(np.asfortranarray(square))
    rle = {"size": [40, 60], "counts": rle["counts"].decode()}
    names = [f"a/{i:05}.jpg" for i in range(4)]
    track = {"segmentations": [rle, rle, None, rle], "bboxes": [[10, 10, 20, 10]] * 4}
    document = {
        "categories": [{"id": 24, "name": "fox"}],
        "videos": [{"id": 1, "width": 60, "height": 40, "length": 4, "file_names": names}],
        "annotations": [{"video_id": 1, "category_id": 24, **track}],
    }
    (tmp_path / "instances.json").write_text(json.dumps(document))
    pictures = clip_pictures(tmp_path, every=1)
    assert sorted(p.frame for p in pictures) == [0, 1, 3]
    assert {i.label for p in pictures for i in p.instances} == {index_of_ytvis("fox")}
    assert all(p.labeled_ytvis and p.path == tmp_path / "videos" / "a.mp4" for p in pictures)


def test_evaluation_geometry():
    frame, hw, scale = network_frame(np.zeros((480, 640, 3), np.uint8))
    assert (frame.shape, hw, scale) == ((384, 512, 3), (384, 512), 0.8)
    pasted = paste(np.ones((28, 28), np.float32), np.array([10.0, 4.0, 38.0, 32.0]), (40, 60))
    assert pasted.sum() == 28 * 28
    assert pasted[4:32, 10:38].all()


def test_rendered_frames_are_drawn_class_by_class(photographs):
    pictures = coco_pictures(photographs)
    rare = [dataclasses.replace(pictures[0], instances=pictures[0].instances[:1], labeled_ytvis=True)]
    common = [
        dataclasses.replace(rare[0], instances=(dataclasses.replace(rare[0].instances[0], label=5),)) for _ in range(30)
    ]
    rare_label = rare[0].instances[0].label
    assert rare_label != 5
    assert sorted(len(group) for group in by_class(rare + common)) == [1, 30]
    drawn = batches(pictures, rare + common, 8, 0)
    labels = [
        label
        for batch, _ in zip(drawn, range(12), strict=False)
        for label, owner in zip(batch.labels.tolist(), batch.owner.tolist(), strict=True)
        if batch.labeled_ytvis[owner]
    ]
    assert 0.3 < labels.count(rare_label) / len(labels) < 0.7
