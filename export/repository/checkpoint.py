"""Weights files: the ones that training writes, and the one from which an architecture is exported."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from dualtrack.errors import ConfigurationError
from export.onnx.graphs import Lite


def pack_lite(detector: Path, trackers: Path, out: Path) -> None:
    """Combine a trained detector and trained trackers into one file, in float16 to keep it small.

    Raises:
        ConfigurationError: a file can't be read, or its tensors do not match the architecture.
    """
    parts = {"detector": detector, "trackers": trackers}
    joined = {f"{part}.{name}": value for part, path in parts.items() for name, value in _read(path).items()}
    _fill(Lite(), joined, f"{detector} and {trackers}")
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.half().contiguous() for name, value in joined.items()}, out)


def load_weights(network: nn.Module, path: Path) -> None:
    """Load an architecture's weights from one file, as float32.

    Raises:
        ConfigurationError: the file can't be read, or its tensors do not match the network.
    """
    _fill(network, _read(path), str(path))


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return {name: value.float() for name, value in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise ConfigurationError(f"{path}: expected a safetensors file: {error}") from error


def _fill(network: nn.Module, tensors: dict[str, Tensor], source: str) -> None:
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise ConfigurationError(f"{source}: not the weights of {type(network).__name__}: {error}") from error
