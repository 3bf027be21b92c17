"""Deprecated names of a job's parameters, which are accepted for one release, and the warnings about them."""

import warnings
from collections.abc import Mapping
from typing import Any

OLD_NAMES: Mapping[str, str] = {"segment_frames": "chunk_frames", "segment_overlap": "chunk_overlap"}
"""Parameters that were renamed, and their new names: the value means the same under both."""
REPLACED: Mapping[str, str] = {**OLD_NAMES, "overlay_min_score": "min_score"}
"""All deprecated parameters, and what to use instead."""


def deprecations(parameters: Mapping[str, Any]) -> list[str]:
    """A line for each deprecated parameter in a request."""
    return [
        f"{old} is deprecated, use {new}; the next release will reject it"
        for old, new in REPLACED.items()
        if old in parameters
    ]


def warn_of_deprecations(parameters: Mapping[str, Any]) -> None:
    """Issue a `DeprecationWarning` for each deprecated parameter, at the line that called the caller."""
    for line in deprecations(parameters):
        warnings.warn(line, DeprecationWarning, stacklevel=3)
