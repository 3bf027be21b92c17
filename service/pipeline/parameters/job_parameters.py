"""Parameters of a job, by request name. Those that are not given take the preset's values.

The parameters of the run are generated from their dataclasses (`params.py`); only those of the job itself are defined
here.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from dualtrack.deprecations import OLD_NAMES, REPLACED, deprecations
from dualtrack.errors import InvalidParameter
from service.pipeline.categories.choice import WANTED, CategoryChoice
from service.pipeline.parameters.exact import NUMBER, TRUTH
from service.pipeline.parameters.params import PipelineParams, PresetName, preset
from service.pipeline.parameters.request_names import (
    PRESETS,
    TABLE,
    renamed,
    unknown_parameter,
    values_of,
    with_values,
)
from service.structures.parameter import ParameterError, ParameterField, Share

UNKNOWN = "extra_forbidden"
"""Pydantic's error type for an unknown field."""
MOST_SUGGESTIONS = 10
"""Maximum number of unknown names per request that get a suggestion: finding each one is slow."""

EXACT = {int: NUMBER, float: NUMBER, bool: TRUTH}


def request_field(item: ParameterField, *, description: str, schema: dict[str, Any] | None = None) -> Any:
    """An optional pydantic field for a parameter, in the form that `create_model` expects."""
    kind = Annotated[item.hint, EXACT[item.kind]] if item.kind in EXACT else item.hint
    return kind | None, Field(None, description=description, json_schema_extra=schema)


def defaults_text(default: object, paper: object) -> str:
    """A sentence that states the values of both presets."""
    if default == paper:
        return f"Default: {value_text(default)}."
    return f"Default: {value_text(default)}; preset `paper`: {value_text(paper)}."


def value_text(value: object) -> str:
    """A value as descriptions show it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"`{value}`" if isinstance(value, str) else f"{value:g}"


def _run_fields() -> dict[str, Any]:
    fields = {}
    for name, item in TABLE.items():
        values = {chosen: PRESETS[chosen][name] for chosen in PRESETS}
        description = f"{item.description} {defaults_text(values['default'], values['paper'])}"
        fields[name] = request_field(item, description=description, schema={"x-defaults": values})
    return fields


class _Preset(BaseModel):
    """The first field; the run's fields follow it, then the job's other fields."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"preset": "default", "th_det": 0.2, "th_seq": 0.5, "overlay": True}]},
    )

    preset: PresetName = Field(
        "default",
        description="Set of parameter values to start from: `default`, or `paper`, the literal reading of the paper.",
    )


if TYPE_CHECKING:
    # mypy sees only the job's own fields; the run's are accessed by name
    _WithRun = _Preset
else:
    _WithRun = create_model("_WithRun", __base__=_Preset, **_run_fields())


class JobParameters(_WithRun):
    """Parameters of a job. A parameter that is null or missing takes the preset's value."""

    overlay: Annotated[bool, EXACT[bool]] = Field(
        True, description="Also render the video with its masks and its sound, in BT.709; HDR is not tone-mapped."
    )
    overlay_min_score: Annotated[Share, EXACT[float]] | None = Field(
        None,
        description="Deprecated, use `min_score`. Of the tubelets in the result, the overlay shows those with at least "
        "this score; a value below `min_score` has no effect.",
        json_schema_extra={"deprecated": True},
    )
    categories: CategoryChoice | None = Field(
        None,
        description="Categories of the result: the name of a bundled set, a list of class names of the detector, or a "
        "list of categories with `id`, `name` and optionally `of`, the class names mapped to the category.",
        examples=["ytvis2019", ["person", "dog"], [{"id": 1, "name": "vehicle", "of": ["car", "bus", "truck"]}]],
    )
    _deprecations: tuple[str, ...] = PrivateAttr(())

    @property
    def deprecations(self) -> tuple[str, ...]:
        """Warnings about deprecated names in the request, one line each."""
        return self._deprecations

    @property
    def overlay_threshold(self) -> float:
        """Minimum score of the tubelets in the result that the overlay shows; 0, so all of them, by default."""
        return self.overlay_min_score or 0.0

    @field_validator("categories", mode="wrap")
    @classmethod
    def _one_message(cls, value: object, validate: ValidatorFunctionWrapHandler) -> object:
        """Replace pydantic's errors, one per kind of value, by one that lists what is accepted."""
        try:
            return validate(value)
        except ValidationError as error:
            raise ValueError(WANTED) from error

    @model_validator(mode="wrap")
    @classmethod
    def _checked(cls, raw: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        """Accept deprecated names, apply the dataclasses' checks, and report errors under the names of the request."""
        if not isinstance(raw, Mapping):
            return validate(raw)
        try:
            made = validate(renamed(raw))
            made.pipeline_params()
        except ParameterError as error:
            raise ValidationError.from_exception_data(cls.__name__, [_misfit(raw, error)]) from error
        except ValidationError as error:
            lines = _renamed_errors(raw, error, tuple(cls.model_fields))
            raise ValidationError.from_exception_data(cls.__name__, lines) from error
        made._deprecations = tuple(deprecations(raw))  # noqa: SLF001 (of this class)
        return made

    def pipeline_params(self) -> PipelineParams:
        """The parameters of the run: the preset, overridden by this job's values."""
        base = preset(self.preset)
        values = {name: value for name in TABLE if (value := getattr(self, name)) is not None}
        if "chunk_frames" in values:
            # the default overlap is shortened to fit short chunks
            values.setdefault("chunk_overlap", min(base.chunks.overlap, values["chunk_frames"] // 2))
        params: PipelineParams = with_values(base, values)
        return params


def effective_parameters(parameters: JobParameters) -> dict[str, object]:
    """The effective value of every parameter of a job, as JSON by request name; valid as a request itself.

    Deprecated parameters are included only if they were given, so that a request for the same is not warned about them.
    """
    own = parameters.model_dump(mode="json")
    values = own | values_of(parameters.pipeline_params())
    return {name: values[name] for name in own if name not in REPLACED or own[name] is not None}


def parse_stored(raw: Mapping[str, Any]) -> JobParameters:
    """Parse parameters that may have been stored by an earlier release.

    Raises:
        InvalidParameter: this release does not accept them.
    """
    try:
        return JobParameters.model_validate(raw)
    except ValidationError as error:
        raise InvalidParameter(refusal(error)) from error


def refusal(error: ValidationError) -> str:
    """The first validation error, in one line."""
    first = error.errors()[0]
    if first["type"] == UNKNOWN:
        return f"parameters: {first['msg']}"
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}, got {first['input']!r:.200}"


def _misfit(raw: Mapping[str, Any], error: ParameterError) -> InitErrorDetails:
    """The error for incompatible parameters, reported at one that the request contains."""
    given = {name: _given_name(raw, name) for name in error.wanted}
    name = next((name for name in error.wanted if raw.get(given[name]) is not None), next(iter(error.wanted)))
    message = PydanticCustomError("parameter", error.wanted[name])
    return InitErrorDetails(type=message, loc=(given[name],), input=raw.get(given[name], error.got))


def _renamed_errors(raw: Mapping[str, Any], error: ValidationError, known: tuple[str, ...]) -> list[InitErrorDetails]:
    """The same errors under the names used in the request; unknown names get a suggestion."""
    lines, suggested = [], 0
    for item in error.errors(include_url=False):
        first, *rest = item["loc"] or ("",)
        message = item["msg"]
        if _is_unknown(item):
            message = unknown_parameter(str(first), known if suggested < MOST_SUGGESTIONS else ())
            suggested += 1
        where = (_given_name(raw, str(first)), *rest) if item["loc"] else ()
        lines.append(InitErrorDetails(type=PydanticCustomError(item["type"], message), loc=where, input=item["input"]))
    return lines


def _is_unknown(item: ErrorDetails) -> bool:
    return item["type"] == UNKNOWN and len(item["loc"]) == 1


def _given_name(raw: Mapping[str, Any], name: str) -> str:
    """The name that the request used for a parameter: its current or its deprecated one."""
    return next((old for old, new in OLD_NAMES.items() if new == name and raw.get(old) is not None), name)
