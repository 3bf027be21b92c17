"""The state of a round of tracking, which can be stored after any step."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from service.pipeline.store.checkpoints import Checkpoints, LatestCheckpoint
from service.pipeline.store.codec import (
    Arrays,
    masks_from_arrays,
    masks_to_arrays,
    pack_arrays,
    readable,
    unpack_arrays,
)
from service.structures.detections import Candidate
from service.tracking.dual_tracker import Outcome, TrackState

STATE_ARRAYS = ("box", "window", "probability", "embedding")
STATE_NUMBERS = ("score", "lost", "lost_frames")


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """All tracks of a round between two steps.

    Attributes:
        done: steps so far; a step is one frame of one sweep.
        live: active tracks of the current sweep, by index of their seed.
        outcomes: results of every seed's tracks so far, by frame.
    """

    done: int
    live: Mapping[int, TrackState]
    outcomes: Sequence[Mapping[int, Outcome]]


def beginning(seeds: Sequence[Candidate]) -> Round:
    """The state before the first step, with every seed in its own frame."""
    return Round(0, {}, [{seed.frame: Outcome(seed.mask, seed.box, 1.0)} for seed in seeds])


def round_checkpoint(checkpoints: Checkpoints, seeds: Sequence[str], steps: int) -> LatestCheckpoint[Round]:
    """Checkpoint of the round of these seeds.

    Args:
        checkpoints: of the run.
        seeds: names of the seeds in order, which identify the round.
        steps: number of steps of the round.
    """
    name = hashlib.sha256(" ".join(seeds).encode()).hexdigest()
    return LatestCheckpoint(checkpoints, f"track {name}", steps, pack_round, unpack_round)


def pack_round(state: Round) -> bytes:
    """A round between two steps -> bytes, uncompressed: embeddings hardly compress, and tracking would have to wait."""
    live = list(state.live.values())
    rows = [(number, t, outcome) for number, found in enumerate(state.outcomes) for t, outcome in found.items()]
    arrays: Arrays = {
        "done": np.array(state.done),
        "seeds": np.array(len(state.outcomes)),
        "live_seed": np.array([track.seed for track in live], np.int64),
        **{f"live_{name}": np.array([getattr(track, name) for track in live]) for name in STATE_ARRAYS + STATE_NUMBERS},
        "outcome_seed": np.array([number for number, _, _ in rows], np.int64),
        "outcome_frame": np.array([t for _, t, _ in rows], np.int64),
        "outcome_box": np.array([outcome.box for _, _, outcome in rows], np.float32),
        "outcome_score": np.array([outcome.score for _, _, outcome in rows], np.float64),
        "look": np.concatenate([np.zeros(0, np.float16), *(outcome.look for _, _, outcome in rows)]),
        "look_length": np.array([len(outcome.look) for _, _, outcome in rows], np.int64),
    }
    return pack_arrays({**arrays, **masks_to_arrays([outcome.mask for _, _, outcome in rows])}, compressed=False)


@readable()
def unpack_round(data: bytes) -> Round:
    """The inverse of `pack_round`; raises like `unpack_detections`."""
    arrays = unpack_arrays(data)
    live = {}
    for i, seed in enumerate(arrays["live_seed"].tolist()):
        box, window, probability, embedding = (arrays[f"live_{name}"][i] for name in STATE_ARRAYS)
        score, lost, lost_frames = (arrays[f"live_{name}"][i].item() for name in STATE_NUMBERS)
        live[seed] = TrackState(seed, box, window, probability, embedding, score, lost, lost_frames)
    outcomes: list[dict[int, Outcome]] = [{} for _ in range(int(arrays["seeds"]))]
    rows = zip(arrays["outcome_seed"].tolist(), arrays["outcome_frame"].tolist(), strict=True)
    looks = np.split(arrays["look"], np.cumsum(arrays["look_length"])[:-1])
    for i, ((number, t), mask) in enumerate(zip(rows, masks_from_arrays(arrays), strict=True)):
        box, score = arrays["outcome_box"][i], float(arrays["outcome_score"][i])
        outcomes[number][t] = Outcome(mask, box, score, looks[i])
    return Round(int(arrays["done"]), live, outcomes)
