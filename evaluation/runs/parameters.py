"""Parameters of an evaluation: those of a job and those of the DeepSORT baseline."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import create_model

from evaluation.baselines.deepsort import DeepSortParams
from service.cli.parameters import Notify, parse_as, warn
from service.pipeline.parameters.job_parameters import JobParameters, request_field, value_text
from service.pipeline.parameters.params import PipelineParams
from service.structures.parameter import parameter_fields

PREFIX = "deepsort_"


def _deepsort_fields() -> dict[str, Any]:
    published = DeepSortParams()
    return {
        PREFIX + item.field: request_field(
            item, description=f"{item.description} Default: {value_text(getattr(published, item.field))}."
        )
        for item in parameter_fields(DeepSortParams)
    }


if TYPE_CHECKING:
    _WithDeepSort = JobParameters
else:
    _WithDeepSort = create_model("_WithDeepSort", __base__=JobParameters, **_deepsort_fields())


class EvaluationParameters(_WithDeepSort):
    """Parameters of one evaluation. A missing one takes the preset's value, or DeepSORT's published one.

    Except `min_score`, which is 0 in every preset here: metrics rank tubelets of any score.
    """

    def pipeline_params(self) -> PipelineParams:
        """The parameters of the run."""
        params = super().pipeline_params()
        if self.min_score is not None:
            return params
        return replace(params, tubelets=replace(params.tubelets, min_score=0.0))

    def deepsort_params(self) -> DeepSortParams:
        """DeepSORT's parameters, overridden by the given ones."""
        values = {item.field: getattr(self, PREFIX + item.field) for item in parameter_fields(DeepSortParams)}
        return DeepSortParams(**{name: value for name, value in values.items() if value is not None})


def parse_evaluation(
    given: list[str] | None, file: Path | None = None, *, notify: Notify = warn
) -> EvaluationParameters:
    """`NAME=VALUE` pairs over the values of a file -> parameters; see `parse_parameters`."""
    return parse_as(EvaluationParameters, given, file, notify=notify)
