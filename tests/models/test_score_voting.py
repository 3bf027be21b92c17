"""Score voting: what NMS kept becomes the mean of what lies around it."""

import math

import pytest
import torch
from torchvision.ops import box_iou

from export.models.score_voting import OTHERS, SIGMA, pairwise_iou, vote


def boxes(*rows):
    return torch.tensor([rows], dtype=torch.float32)


def test_iou_is_torchvisions_and_0_of_empty_boxes():
    corners = torch.rand(2, 7, 4, generator=torch.manual_seed(0)) * 50
    some = torch.cat([corners[..., :2], corners[..., :2] + corners[..., 2:]], 2)
    some[0, 3] = 0
    found = pairwise_iou(some[:, :4], some)
    for image in range(2):
        torch.testing.assert_close(found[image], box_iou(some[image, :4], some[image]).nan_to_num(0))


def test_a_candidate_alone_stays_what_it_is():
    own, scores = boxes([10, 20, 50, 90], [200, 10, 240, 60]), torch.tensor([[[0.2, 0.7], [0.5, 0.1]]])
    moved, voted = vote((own, scores), (own, scores), scores.amax(2))
    torch.testing.assert_close(moved, own)
    torch.testing.assert_close(voted, scores)


def test_two_candidates_weigh_by_score_and_by_the_papers_kernel():
    candidates = boxes([0, 0, 100, 100], [0, 0, 100, 80])
    scores = torch.tensor([[[0.8, 0.0], [0.1, 0.4]]])
    weight = 0.4 * math.exp(-(0.2**2) / SIGMA)
    moved, voted = vote((candidates[:, :1], scores[:, :1]), (candidates, scores), scores.amax(2))
    assert moved[0, 0].tolist() == pytest.approx([0, 0, 100, (0.8 * 100 + weight * 80) / (0.8 + weight)])
    mean = torch.tensor([0.8 * 0.8 + weight * 0.1, weight * 0.4])
    mixed = mean / mean.max() * 0.8 * OTHERS + scores[0, 0] * (1 - OTHERS)
    torch.testing.assert_close(voted[0, 0], mixed / mixed.max() * 0.8)


def test_neighbours_may_outvote_the_best_class_but_not_the_level_of_the_score():
    candidates = boxes([0, 0, 100, 100], [0, 1, 100, 100], [1, 0, 100, 100])
    scores = torch.tensor([[[0.50, 0.40], [0.10, 0.45], [0.05, 0.48]]])
    _, voted = vote((candidates[:, :1], scores[:, :1]), (candidates, scores), scores.amax(2))
    assert voted[0, 0].argmax() == 1
    assert float(voted[0, 0].max()) == 0.5


def test_what_hardly_overlaps_has_no_say():
    candidates = boxes([0, 0, 100, 100], [0, 0, 100, 50])
    scores = torch.tensor([[[0.3, 0.0], [0.0, 0.9]]])
    moved, voted = vote((candidates[:, :1], scores[:, :1]), (candidates, scores), scores.amax(2))
    torch.testing.assert_close(moved, candidates[:, :1], atol=0.02, rtol=0)
    torch.testing.assert_close(voted, scores[:, :1], atol=2e-4, rtol=0)


def test_who_has_no_score_has_no_vote():
    candidates, scores = boxes([0, 0, 100, 100], [0, 0, 100, 90]), torch.tensor([[[0.3, 0.0], [0.0, 0.9]]])
    moved, voted = vote((candidates[:, :1], scores[:, :1]), (candidates, scores), torch.tensor([[0.3, 0.0]]))
    torch.testing.assert_close(moved, candidates[:, :1])
    torch.testing.assert_close(voted, scores[:, :1])


def test_empty_slots_and_images_stay_empty():
    own, scores = torch.zeros(1, 3, 4), torch.zeros(1, 3, 2)
    candidates = boxes([0, 0, 100, 100], [0, 0, 0, 0]), torch.tensor([[[0.3, 0.0], [0.0, 0.0]]])
    for around in (candidates, (own, scores)):
        moved, voted = vote((own, scores), around, around[1].amax(2))
        assert not moved.any()
        assert not voted.any()
