"""Interprets the output tensors of an external detector: boxes, class vectors and masks of one frame."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dualtrack.errors import ContractViolation
from service.pipeline.detection.description import BoxRule, ColumnsRule, DetectorFile, MaskRule, ScoreRule
from service.structures.arrays import F32, I64

Outputs = Mapping[str, NDArray[Any]]
MOST_RELATIVE = 1.5
"""A share of the input is at most 1, or a little more where an object is cut off by the border."""
MOST_PROBABILITY = 1.01
"""Roundings of a graph in half precision included."""
NUMBERS = "biuf"
"""numpy's kinds of booleans, integers and floats."""


def boxes_of(outputs: Outputs, rule: BoxRule, input_hw: tuple[int, int]) -> F32:
    """(N, 4) x1 y1 x2 y2 in pixels of the input."""
    rows = _rows(outputs, rule)
    if rows.shape[1] != 4:
        raise ContractViolation(f"detector.{rule.tensor}: expected 4 numbers per box, got {rows.shape[1]}")
    first, second = rows[:, :2], rows[:, 2:]
    half: F32 = second / np.float32(2)
    corners: dict[str, tuple[F32, F32]] = {
        "xyxy": (first, second),
        "xywh": (first, first + second),
        "cxcywh": (first - half, first + half),
    }
    height, width = input_hw
    unit = np.array([width, height] * 2, np.float32) if rule.units == "relative" else np.float32(1)
    boxes: F32 = (np.concatenate(corners[rule.format], axis=1) * unit).astype(np.float32)
    return boxes


def check_units(outputs: Outputs, rule: BoxRule, keep: NDArray[np.intp]) -> None:
    """Refuse boxes in other units than the description says.

    Args:
        outputs: as the graph gave them.
        rule: what they mean.
        keep: rows of the boxes that count; others may be padding.

    Raises:
        ContractViolation: no box at all reaches further than a pixel or two, or all that count reach far beyond 1 where
            they are to be shares of the input.
    """
    rows = _rows(outputs, rule)
    reach = np.abs(np.where(np.isfinite(rows), rows, 0)).max(axis=1, initial=0)
    if not len(keep):
        return
    if rule.units == "pixels" and reach.max() <= MOST_RELATIVE:
        wanted, came = "pixels", "shares of it"
    elif rule.units == "relative" and reach[keep].min() > MOST_RELATIVE:
        wanted, came = "shares", "pixels"
    else:
        return
    example = rows[keep[0]].round(3).tolist()
    raise ContractViolation(f"detector.{rule.tensor}: expected {wanted} of the input (units), got {came}: {example}")


def scores_of(outputs: Outputs, file: DetectorFile) -> F32:
    """Class vectors (N, K), without background."""
    rule = file.description.scores
    if rule.labels is not None:
        return _top_class(outputs, rule, rule.labels, file.numbers)
    scores = _activated(_rows(outputs, rule), rule)
    if rule.objectness is not None:
        one = (rule.objectness, rule.objectness + 1)
        column = _rows(outputs, ColumnsRule(tensor=rule.tensor, transposed=rule.transposed, columns=one))
        scores = scores * _activated(column, rule)
    columns, numbers = np.arange(scores.shape[1]), file.numbers
    if rule.background is not None:
        if not -len(columns) <= rule.background < len(columns):
            wanted = f"a column {rule.background} (background)"
            raise ContractViolation(f"detector.{rule.tensor}: expected {wanted}, got {len(columns)} columns")
        columns = np.delete(columns, rule.background)
    by_id = file.description.numbered_by == "id"
    if (max(numbers) >= scores.shape[1]) if by_id else (len(columns) != len(numbers)):
        wanted = f"columns up to {max(numbers)}" if by_id else f"{len(numbers)} classes"
        raise ContractViolation(f"detector.{rule.tensor}: expected {wanted}, got {scores.shape[1]} columns")
    picked: F32 = scores[:, list(numbers) if by_id else columns]
    return picked


def grids_of(outputs: Outputs, rule: MaskRule, keep: I64, *, boxes: int) -> F32:
    """Mask probabilities (n, h, w) of the rows `keep` of `boxes`, each over its box or over the input."""
    grids = _without_batch(outputs, rule.tensor, 3)
    if not all(grids.shape[1:]):
        raise ContractViolation(f"detector.{rule.tensor}: expected masks with pixels, got {list(grids.shape)}")
    if rule.coefficients is not None:
        weights = _rows(outputs, rule.coefficients)
        if weights.shape[1] != len(grids):
            wanted = f"{len(grids)} coefficients, one per prototype"
            raise ContractViolation(f"detector.{rule.coefficients.tensor}: expected {wanted}, got {weights.shape[1]}")
        check_count(rule.coefficients.tensor, len(weights), boxes)
        picked = np.tensordot(weights[keep], grids, axes=1)
    else:
        check_count(rule.tensor, len(grids), boxes)
        picked = grids[keep]
    return (_sigmoid(picked) if rule.kind == "sigmoid" else picked).astype(np.float32)


def check_count(tensor: str, rows: int, boxes: int) -> None:
    """Refuse a tensor that does not have one row per box.

    Raises:
        ContractViolation: names the tensor.
    """
    if rows != boxes:
        raise ContractViolation(f"detector.{tensor}: expected {boxes} rows, one per box, got {rows}")


def _top_class(outputs: Outputs, rule: ScoreRule, labels: str, numbers: tuple[int, ...]) -> F32:
    """One score and label per row -> vectors with one nonzero entry; an unknown label gives zeros."""
    scores = _without_batch(outputs, rule.tensor, 1)
    called = _without_batch(outputs, labels, 1).astype(np.int64) - rule.first_label
    if len(called) != len(scores):
        raise ContractViolation(f"detector.{labels}: expected {len(scores)} labels, got {len(called)}")
    top = _sigmoid(scores) if rule.kind == "sigmoid" else _checked(scores, rule)
    return np.where(called[:, None] == np.array(numbers)[None], top[:, None], 0).astype(np.float32)


def _rows(outputs: Outputs, rule: ColumnsRule) -> F32:
    """(N, numbers) of a tensor."""
    array = _without_batch(outputs, rule.tensor, 2)
    rows = array.T if rule.transposed else array
    first, end = rule.columns or (0, rows.shape[1])
    if end > rows.shape[1]:
        raise ContractViolation(f"detector.{rule.tensor}: expected at least {end} columns, got {rows.shape[1]}")
    return rows[:, first:end].astype(np.float32)


def _without_batch(outputs: Outputs, name: str, ndim: int) -> NDArray[Any]:
    """A tensor with `ndim` axes, without a batch axis of 1 and a channel axis of 1 after the detections."""
    array = outputs[name]
    if not isinstance(array, np.ndarray) or array.dtype.kind not in NUMBERS:
        kind = f"{array.dtype} values" if isinstance(array, np.ndarray) else type(array).__name__
        raise ContractViolation(f"detector.{name}: expected a tensor of numbers, got {kind}")
    while array.ndim > ndim and 1 in array.shape[:2]:
        array = array.squeeze(0 if array.shape[0] == 1 else 1)
    if array.ndim != ndim:
        raise ContractViolation(
            f"detector.{name}: expected {ndim} axes (of one frame), got {list(outputs[name].shape)}"
        )
    return array


def _activated(scores: F32, rule: ScoreRule) -> F32:
    """Probabilities; NaN stays.

    Raises:
        ContractViolation: they are to be some as they are, and are not.
    """
    match rule.kind:
        case "sigmoid":
            return _sigmoid(scores)
        case "softmax":
            powers = np.exp(scores - scores.max(axis=1, keepdims=True, initial=-np.inf))
            shares: F32 = powers / powers.sum(axis=1, keepdims=True)
            return shares
        case "probability":
            return _checked(scores, rule)


def _checked(scores: NDArray[Any], rule: ScoreRule) -> F32:
    """Scores that must be probabilities; rows of padding may be negative."""
    most = np.max(scores, initial=0, where=np.isfinite(scores))
    if most > MOST_PROBABILITY:
        wanted = "probabilities from 0 to 1 (kind)"
        raise ContractViolation(f"detector.{rule.tensor}: expected {wanted}, got up to {most:.4g}")
    return scores.astype(np.float32)


def _sigmoid(values: NDArray[Any]) -> F32:
    result: F32 = (1 / (1 + np.exp(-np.clip(values, -60, 60)))).astype(np.float32)
    return result
