"""Puts the models and the demo's clip into the wheel; an editable installation reads them where they lie."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUNDLED = {"model_repository": "service/bundled/model_repository", "demo": "service/bundled/demo"}
"""Folders of the checkout, and where `service.settings.bundled` looks for them in an installation."""


class BundleHook(BuildHookInterface[Any]):
    """Called by hatchling for every wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the folders to a wheel that is installed as a copy (`version` is `standard`)."""
        if version == "standard":
            build_data["force_include"].update(BUNDLED)
