"""What a configuration for Triton says of the releases that it serves, and its comparison with a manifest."""

from collections.abc import Mapping

from dualtrack.errors import ConfigurationError
from service.inference.repository.manifest import Manifest


def release_parameter(number: int) -> str:
    """Key of the parameter in config.pbtxt that names the release that version `number` of a model belongs to."""
    return f"dualtrack_release_{number}"


def sha256_parameter(number: int) -> str:
    """Key of the parameter in config.pbtxt that says which file version `number` of a model is."""
    return f"dualtrack_sha256_{number}"


def earlier_release_parameter(number: int) -> str:
    """What `release_parameter` was called until releases got names of their own; read, never written."""
    return f"dualtrack_version_{number}"


def check_parameters(manifest: Manifest, model: str, said: Mapping[str, str], where: str) -> None:
    """Compare a configuration's parameters with the manifest.

    A configuration that names its release under the earlier key may do so by an earlier name: releases were renamed
    while their files stayed. There the sha256 decides alone, so a server that already runs need not be restarted.

    Args:
        manifest: of the release.
        model: whose configuration it is.
        said: all parameters by key.
        where: who says so, for the message.

    Raises:
        ConfigurationError: release or file differ; names model, key, wanted, found.
    """
    wanted = {sha256_parameter(manifest.number): manifest.graphs[model]}
    key = release_parameter(manifest.number)
    if key in said or earlier_release_parameter(manifest.number) not in said:
        wanted = {key: manifest.release, **wanted}
    for key, value in wanted.items():
        if (found := said.get(key)) != value:
            raise ConfigurationError(
                f"model {model}: expected {key} {value!r} (manifest of {manifest.path}), {where} has {found!r}"
            )
