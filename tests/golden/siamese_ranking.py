"""Writes data/golden/siamese_ranking.json: what the Siamese ranking must answer, computed from the published formulas.

    python -m tests.golden.siamese_ranking

Plain floats and loops, and nothing of `service`: an error there must not get into the expected values. The formulas are
those of SiamRPN (Li et al., CVPR 2018, section 4.3) and DaSiamRPN (Zhu et al., ECCV 2018), as pysot evaluates them:

    p = (w + h) / 2,  size(w, h) = sqrt((w + p)(h + p)),  change(x) = max(x, 1 / x)
    s_c = change(size(w, h) / size(w_before, h_before)),  r_c = change((w_before / h_before) / (w / h))
    penalty = exp(-(r_c s_c - 1) penalty_k)
    pscore = penalty * score * (1 - window_influence) + hann * window_influence,  best = argmax pscore
    lr_best = penalty * score * lr,  (w, h) = (1 - lr_best)(w, h)_before + lr_best (w, h)_best;  the center is not smoothed
    center clipped to the frame, w and h to [10, side of the frame]

Here it differs from pysot, on purpose: the side of the template window is not rounded to whole pixels before the search
window and the scale are taken from it, because features are cropped and not pixels; a delta dw or dh is clipped to ±4;
and the proposals are listed cell by cell (row, column, anchor), where pysot lists them anchor by anchor.
"""

import json
import math
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "data/golden/siamese_ranking.json"
SIDE, STRIDE, EXEMPLAR, SEARCH = 25, 8, 127, 255
ANCHORS = ((104, 32), (88, 40), (64, 64), (40, 80), (32, 96))
"""Width and height for the ratios h / w 0.33, 0.5, 1, 2, 3 at scale 8."""
SMALLEST = 10.0

Numbers = dict[str, float]
Proposal = dict[str, Any]
Case = dict[str, Any]


def proposal(row: int, column: int, anchor: int, score: float, deltas: tuple[float, ...] = (0, 0, 0, 0)) -> Proposal:
    return {"row": row, "column": column, "anchor": anchor, "score": score, "deltas": list(deltas)}


def case(
    name: str,
    box: tuple[float, ...],
    params: tuple[float, float, float],
    proposals: list[Proposal],
    frame_hw: tuple[int, int] = (400, 600),
) -> Case:
    """`params`: penalty_k, window_influence, lr. Proposals that are not listed score 0.01 and have no deltas."""
    names = ("penalty_k", "window_influence", "lr")
    return {
        "name": name,
        "previous": list(box),
        "frame_hw": list(frame_hw),
        "params": dict(zip(names, params)),
        "background": 0.01,
        "proposals": proposals,
    }


WIDE = (200, 150, 300, 200)
CASES = [
    case("ratio and scale change at once", WIDE, (0.3, 0.35, 0.6), [proposal(12, 13, 4, 0.9, (0.1, -0.2, 0.3, 0.4))]),
    case("only the scale grows", WIDE, (0.25, 0.2, 0.5), [proposal(11, 12, 1, 0.8, (0, 0, 0.7, 0.7))]),
    case("only the scale shrinks", WIDE, (0.25, 0.2, 0.5), [proposal(11, 12, 1, 0.8, (0, 0, -0.7, -0.7))]),
    case("only the ratio changes", WIDE, (0.4, 0.2, 0.5), [proposal(13, 12, 3, 0.8)]),
    case(
        "the penalty decides against the higher score",
        WIDE,
        (0.2, 0.1, 0.5),
        [proposal(12, 12, 4, 0.95), proposal(12, 14, 1, 0.6)],
    ),
    case(
        "the product of the changes decides, their sum would not",
        WIDE,
        (0.16, 0, 0.7),
        [proposal(12, 12, 3, 0.9, (0, 0, 0.6, 0.6)), proposal(12, 14, 1, 0.45)],
    ),
    case(
        "the window decides, because its influence is taken from the score",
        WIDE,
        (0.1, 0.45, 0.4),
        [proposal(4, 3, 1, 0.9), proposal(12, 11, 1, 0.46)],
    ),
    case(
        "the higher score wins over a small influence of the window",
        WIDE,
        (0.1, 0.05, 0.4),
        [proposal(4, 3, 1, 0.9), proposal(12, 11, 1, 0.5)],
    ),
    case("a tall box in a corner is clipped", (2, 330, 42, 398), (0.05, 0.1, 0.95), [proposal(22, 2, 4, 0.99)]),
    case(
        "a small box keeps the smallest side",
        (300, 200, 310.5, 212.5),
        (0.02, 0.1, 0.9),
        [proposal(12, 12, 2, 0.98, (0.05, 0.05, -0.9, -0.5))],
    ),
    case(
        "a box as large as the frame does not outgrow it",
        (10, 5, 118, 78),
        (0.1, 0.42, 1.0),
        [proposal(12, 12, 1, 1.0, (0.1, 0, 0.6, 0.6))],
        (80, 120),
    ),
]


def change(ratio: float) -> float:
    return max(ratio, 1 / ratio)


def padded(w: float, h: float) -> float:
    p = (w + h) / 2
    return math.sqrt((w + p) * (h + p))


def hann(index: int) -> float:
    return 0.5 - 0.5 * math.cos(2 * math.pi * index / (SIDE - 1))


def judged(one: Proposal, before: tuple[float, float], params: Numbers) -> Numbers:
    """A proposal with its place in the search window, its penalty and its ranking value."""
    row, column = one["row"], one["column"]
    width, height = ANCHORS[one["anchor"]]
    dx, dy, dw, dh = one["deltas"]
    w, h = width * math.exp(min(max(dw, -4), 4)), height * math.exp(min(max(dh, -4), 4))
    r_c = change((before[0] / before[1]) / (w / h))
    s_c = change(padded(w, h) / padded(*before))
    penalty = math.exp(-(r_c * s_c - 1) * params["penalty_k"])
    score, influence = one["score"], params["window_influence"]
    return {
        "x": (column - SIDE // 2) * STRIDE + dx * width,
        "y": (row - SIDE // 2) * STRIDE + dy * height,
        "w": w,
        "h": h,
        "penalty": penalty,
        "score": score,
        "pscore": penalty * score * (1 - influence) + hann(row) * hann(column) * influence,
    }


def expected(given: Case) -> dict[str, Any]:
    """Search window, box and score that the formulas give."""
    x1, y1, x2, y2 = given["previous"]
    params: Numbers = given["params"]
    frame_h, frame_w = given["frame_hw"]
    w, h = x2 - x1, y2 - y1
    s_z = padded(w, h)
    half = s_z * SEARCH / EXEMPLAR / 2
    middle = (x1 + x2) / 2, (y1 + y2) / 2
    scale = EXEMPLAR / s_z

    listed = {(one["row"], one["column"], one["anchor"]): one for one in given["proposals"]}
    best: Numbers = {"pscore": -math.inf}
    for row in range(SIDE):
        for column in range(SIDE):
            for anchor in range(len(ANCHORS)):
                nothing = proposal(row, column, anchor, given["background"])
                here = judged(listed.get((row, column, anchor), nothing), (w * scale, h * scale), params)
                best = here if here["pscore"] > best["pscore"] else best

    rate = best["penalty"] * best["score"] * params["lr"]
    w = (1 - rate) * w + rate * best["w"] / scale
    h = (1 - rate) * h + rate * best["h"] / scale
    x = max(0.0, min(middle[0] + best["x"] / scale, frame_w))
    y = max(0.0, min(middle[1] + best["y"] / scale, frame_h))
    w, h = max(SMALLEST, min(w, frame_w)), max(SMALLEST, min(h, frame_h))
    return {
        "window": [middle[0] - half, middle[1] - half, middle[0] + half, middle[1] + half],
        "box": [x - w / 2, y - h / 2, x + w / 2, y + h / 2],
        "score": best["score"],
    }


def cases() -> list[Case]:
    """What the file holds."""
    return [{**given, "expected": expected(given)} for given in CASES]


if __name__ == "__main__":
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text("[\n" + ",\n".join(json.dumps(each) for each in cases()) + "\n]\n")
