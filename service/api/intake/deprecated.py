"""Headers that tell a caller of names that will be refused in the next release."""

import structlog

from service.pipeline.job_parameters import JobParameters

HEADERS = {
    "Deprecation": {"description": "The request used old names.", "schema": {"type": "string", "enum": ["true"]}},
    "Warning": {"description": "With `Deprecation`: each old name and the new one.", "schema": {"type": "string"}},
}
"""The same for the OpenAPI document."""
log = structlog.get_logger()


def headers(parameters: JobParameters) -> dict[str, str]:
    """Headers for the old names that a request used, none without; they are logged, too."""
    if not parameters.deprecations:
        return {}
    log.warning("deprecated parameters", names=parameters.deprecations)
    return {"Deprecation": "true", "Warning": ", ".join(f'299 - "{line}"' for line in parameters.deprecations)}
