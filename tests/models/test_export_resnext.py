"""The architecture `resnext`: equal to torchvision where it says so, exported and compared with torch."""

import pytest
import torch
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor

from export.models.torchvision_mask_rcnn import (
    NMS_IOU,
    PRE_NMS,
    PROPOSALS,
    SCORE_THRESHOLD,
    TorchvisionMaskRcnn,
    build_mask_rcnn,
)
from export.onnx.parity import compare
from export.onnx.random_networks import random_resnext, spread_detector
from export.onnx.sample_inputs import frames
from export.onnx.to_onnx import export_graph
from service.inference.specs import RESNEXT, graph_specs

pytestmark = [pytest.mark.models, pytest.mark.timeout(900)]
SPECS = graph_specs(RESNEXT)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def network():
    return random_resnext()


def small_pair(classes, *, agnostic_masks=True):
    """torchvision's network on a small trunk, and ours around the same modules."""
    torch.manual_seed(5)
    theirs = build_mask_rcnn(classes, "resnet18", agnostic_masks=agnostic_masks)
    theirs.rpn._pre_nms_top_n["testing"] = PRE_NMS
    theirs.rpn._post_nms_top_n["testing"] = PROPOSALS
    heads = theirs.roi_heads
    heads.score_thresh, heads.nms_thresh, heads.detections_per_img = SCORE_THRESHOLD, NMS_IOU, RESNEXT.slots
    ours = TorchvisionMaskRcnn(theirs, RESNEXT.slots).eval()
    spread_detector(ours)
    return theirs, ours


# 352 and 416 rows give a coarsest level of an odd number of cells
@pytest.mark.parametrize(("height", "width"), [(128, 192), (352, 416), (416, 224)])
@torch.no_grad()
def test_detections_are_torchvisions(height, width):
    theirs, ours = small_pair(classes=1)  # with one class NMS per class and over all classes are the same
    inputs = frames(1, height, width, seed=height)
    inputs["hw"] = torch.tensor([[height - 9, width - 21]], dtype=torch.int32)
    shape = tuple(inputs["hw"][0].tolist())
    image = ours.normalise(inputs["frames"])
    features = theirs.backbone(image)
    proposals, _ = theirs.rpn(ImageList(image, [shape]), features)
    heads = theirs.roi_heads
    logits, deltas = heads.box_predictor(heads.box_head(heads.box_roi_pool(features, proposals, [shape])))
    boxes, scores, _ = heads.postprocess_detections(logits, deltas, proposals, [shape])
    masks = heads.mask_predictor(heads.mask_head(heads.mask_roi_pool(features, boxes, [shape]))).sigmoid()

    our_proposals, valid = ours.propose(list(features.values()), (height, width), inputs["hw"].float())
    assert torch.equal(our_proposals[0][valid[0]], proposals[0])
    our_boxes, our_scores, our_masks, count = ours(**inputs)
    number = len(boxes[0])
    assert count.item() == number > 10
    assert torch.equal(our_boxes[0, :number], boxes[0])
    assert torch.equal(our_scores[0, :number, 0], scores[0])
    assert torch.equal(our_masks[0, :number], masks[:, 0])
    assert (boxes[0] <= torch.tensor([shape[1], shape[0]] * 2)).all()


@torch.no_grad()
def test_masks_per_class_are_taken_by_label():
    _, ours = small_pair(classes=4, agnostic_masks=False)
    _boxes, scores, masks, count = ours(**frames(1, 128, 192, seed=2))
    assert count.item() > 10
    single = MaskRCNNPredictor(256, 256, 1).eval()
    single.load_state_dict(
        ours.mask_predictor.state_dict() | _channel(ours.mask_predictor, 1 + int(scores[0, 0].argmax()))
    )
    ours.mask_predictor = single
    assert torch.allclose(ours(**frames(1, 128, 192, seed=2))[2][0, 0], masks[0, 0], atol=1e-6)


def _channel(predictor, label):
    logits = predictor.mask_fcn_logits
    return {"mask_fcn_logits.weight": logits.weight[[label]], "mask_fcn_logits.bias": logits.bias[[label]]}


@pytest.mark.parametrize("name", SPECS)
def test_graph_passes_parity(name, network, tmp_path):
    path = tmp_path / "model.onnx"
    module = network.graphs()[name]
    export_graph(module, SPECS[name], RESNEXT, path)
    rows = compare(module, SPECS[name], RESNEXT, path)
    assert [row for row in rows if not row.ok] == []
    assert {row.output for row in rows} == {tensor.name for tensor in SPECS[name].outputs}
    if name == "mask_rcnn":
        assert {row.case: row.detections for row in rows}["one image"] > 10
