"""What a caller may set for one job, by request name; everything left out comes from the preset.

The parameters of the run are generated from the dataclasses that hold them (`params.py` beside this file); here are
those of the job alone.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

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

from dualtrack.errors import InvalidParameter
from service.pipeline.categories.choice import WANTED, CategoryChoice
from service.pipeline.parameters.params import PipelineParams, PresetName, preset
from service.pipeline.parameters.request_names import (
    OLD_NAMES,
    PRESETS,
    TABLE,
    deprecations,
    renamed,
    unknown_parameter,
    values_of,
    with_values,
)
from service.structures.parameter import ParameterError, ParameterField, Share

UNKNOWN = "extra_forbidden"
"""Pydantic's type of the error of a name that the model does not have."""
MOST_SUGGESTIONS = 10
"""Most unknown names of a request that get a suggestion: each takes some time to find."""


def request_field(item: ParameterField, *, description: str, schema: dict[str, Any] | None = None) -> Any:
    """An optional field of a pydantic model for a parameter, as `create_model` takes it."""
    return item.hint | None, Field(None, description=description, json_schema_extra=schema)


def defaults_text(default: object, paper: object) -> str:
    """Both presets' values in words."""
    if default == paper:
        return f"Default {value_text(default)} in both presets."
    return f"Default {value_text(default)}; preset `paper` {value_text(paper)}."


def value_text(value: object) -> str:
    """A value as descriptions have it."""
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
    """The first field; those of the run come between it and the job's others."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"preset": "default", "th_det": 0.2, "th_seq": 0.5, "overlay": True}]},
    )

    preset: PresetName = Field("default", description="`default`, or `paper`: the literal reading of the paper.")


if TYPE_CHECKING:
    # mypy knows the fields of the job; those of the run are read by name
    _WithRun = _Preset
else:
    _WithRun = create_model("_WithRun", __base__=_Preset, **_run_fields())


class JobParameters(_WithRun):
    """Parameters of one job. `null` or absent: the preset's value."""

    overlay: bool = Field(True, description="Also write the overlay video.")
    overlay_min_score: Share = Field(0.1, description="Tubelets below this are not drawn; the result has them.")
    categories: CategoryChoice | None = Field(
        None,
        description="Of the result: a bundled set, names of the detector's classes, or a list with an id and a name "
        "each, and `of`, the names of the classes that stand for it.",
        examples=["ytvis2019", ["person", "dog"], [{"id": 1, "name": "vehicle", "of": ["car", "bus", "truck"]}]],
    )
    _deprecations: tuple[str, ...] = PrivateAttr(())

    @property
    def deprecations(self) -> tuple[str, ...]:
        """Warnings for a caller who used old names, one line each."""
        return self._deprecations

    @field_validator("categories", mode="wrap")
    @classmethod
    def _one_message(cls, value: object, validate: ValidatorFunctionWrapHandler) -> object:
        """None of the three kinds' errors would say what is accepted."""
        try:
            return validate(value)
        except ValidationError as error:
            raise ValueError(WANTED) from error

    @model_validator(mode="wrap")
    @classmethod
    def _checked(cls, raw: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        """Accept old names, refuse what the dataclasses refuse, and report errors under the request's names."""
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
        made._deprecations = tuple(deprecations(raw))  # noqa: SLF001 (its own class's)
        return made

    def pipeline_params(self) -> PipelineParams:
        """The parameters of the run: the preset with this job's values put in."""
        base = preset(self.preset)
        values = {name: value for name in TABLE if (value := getattr(self, name)) is not None}
        if "chunk_frames" in values:
            # the default overlap is shortened to fit short chunks
            values.setdefault("chunk_overlap", min(base.chunks.overlap, values["chunk_frames"] // 2))
        params: PipelineParams = with_values(base, values)
        return params


def effective_parameters(parameters: JobParameters) -> dict[str, object]:
    """The effective value of every parameter of a job by its request name, as JSON; can be requested again."""
    own = parameters.model_dump(mode="json")
    values = own | values_of(parameters.pipeline_params())
    return {name: values[name] for name in own}


def parse_stored(raw: Mapping[str, Any]) -> JobParameters:
    """The parameters of a job that an earlier release may have stored.

    Raises:
        InvalidParameter: this release no longer accepts them.
    """
    try:
        return JobParameters.model_validate(raw)
    except ValidationError as error:
        raise InvalidParameter(refusal(error)) from error


def refusal(error: ValidationError) -> str:
    """The first thing that is wrong with parameters, in one line."""
    first = error.errors()[0]
    if first["type"] == UNKNOWN:
        return f"parameters: {first['msg']}"
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}, got {first['input']!r:.200}"


def _misfit(raw: Mapping[str, Any], error: ParameterError) -> InitErrorDetails:
    """The error of parameters that don't fit together, at one that the request gave."""
    given = {name: _given_name(raw, name) for name in error.wanted}
    name = next((name for name in error.wanted if raw.get(given[name]) is not None), next(iter(error.wanted)))
    message = PydanticCustomError("parameter", error.wanted[name])
    return InitErrorDetails(type=message, loc=(given[name],), input=raw.get(given[name], error.got))


def _renamed_errors(raw: Mapping[str, Any], error: ValidationError, known: tuple[str, ...]) -> list[InitErrorDetails]:
    """The same errors under the names that the request gave, unknown names with the nearest known one."""
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
    """The name under which a request gave a parameter: an old one, or its own."""
    return next((old for old, new in OLD_NAMES.items() if new == name and raw.get(old) is not None), name)
