"""Parameters of an evaluation: those of a job, and those of the DeepSORT baseline, which no job has."""

from dataclasses import fields
from pathlib import Path

from pydantic import Field

from evaluation.baselines.deepsort import Appearance, DeepSortParams
from service.cli.parameters import parse_as
from service.pipeline.job_parameters import JobParameters, Share

PREFIX = "deepsort_"


class EvaluationParameters(JobParameters):
    """Parameters of one evaluation. Absent: the preset's value, or DeepSORT's published one."""

    deepsort_max_age: int | None = Field(None, ge=0, description="Frames without a match after which a track ends.")
    deepsort_max_cosine: float | None = Field(None, ge=0, le=2, description="Largest cosine distance of a match.")
    deepsort_max_iou_distance: Share | None = Field(None, description="Largest 1 - IoU of a match.")
    deepsort_n_init: int | None = Field(None, ge=1, description="Hits in a row that confirm a track.")
    deepsort_min_score: Share | None = Field(None, description="Calibrated candidates below this are not tracked.")
    deepsort_appearance: Appearance | None = Field(None, description="What two detections are compared by.")

    def deepsort_params(self) -> DeepSortParams:
        """DeepSORT's numbers with the given ones put in."""
        values = {item.name: getattr(self, PREFIX + item.name) for item in fields(DeepSortParams)}
        return DeepSortParams(**{name: value for name, value in values.items() if value is not None})


def parse_evaluation(given: list[str] | None, file: Path | None = None) -> EvaluationParameters:
    """`NAME=VALUE` pairs over the values of a file -> parameters; see `parse_parameters`."""
    return parse_as(EvaluationParameters, given, file)
