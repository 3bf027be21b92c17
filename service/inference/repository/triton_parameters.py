"""Parameters in Triton's configurations that identify releases, and their comparison with a manifest."""

from collections.abc import Mapping

from dualtrack.errors import ConfigurationError
from service.inference.repository.manifest import Manifest


def release_parameter(number: int) -> str:
    """Key of the parameter in config.pbtxt with the release of version `number` of a model."""
    return f"dualtrack_release_{number}"


def sha256_parameter(number: int) -> str:
    """Key of the parameter in config.pbtxt with the sha256 of version `number` of a model."""
    return f"dualtrack_sha256_{number}"


def earlier_release_parameter(number: int) -> str:
    """Former key of `release_parameter`, from before releases had names; read, but never written."""
    return f"dualtrack_version_{number}"


def check_parameters(manifest: Manifest, model: str, parameters: Mapping[str, str], where: str) -> None:
    """Compare a configuration's parameters with the manifest.

    A configuration with the former key may have a former name of the release, as releases were renamed without changing
    files. In that case only the sha256 is compared, so that a running server need not be restarted.

    Args:
        manifest: of the release.
        model: name of the model.
        parameters: all parameters by key.
        where: source of the configuration, for the message.

    Raises:
        ConfigurationError: release or file differ; names model, key, expected and found.
    """
    wanted = {sha256_parameter(manifest.number): manifest.graphs[model]}
    key = release_parameter(manifest.number)
    if key in parameters or earlier_release_parameter(manifest.number) not in parameters:
        wanted = {key: manifest.release, **wanted}
    for key, value in wanted.items():
        if (found := parameters.get(key)) != value:
            raise ConfigurationError(
                f"model {model}: expected {key} {value!r} (manifest of {manifest.path}), {where} has {found!r}"
            )
