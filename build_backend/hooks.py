"""setuptools, preceded by building the frontend where its bundle is missing or stale.

Node is fetched as a build requirement only where a bundle has to be built and the machine has no Node that can.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from setuptools import build_meta

from build_backend import node
from build_backend.bundle import Bundle

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

ConfigSettings = Mapping[str, Any] | None

prepare_metadata_for_build_editable = build_meta.prepare_metadata_for_build_editable
prepare_metadata_for_build_wheel = build_meta.prepare_metadata_for_build_wheel


def get_requires_for_build_wheel(_config_settings: ConfigSettings = None) -> list[str]:
    """Node, where it is needed and the machine has none."""
    return [node.REQUIREMENT] if _bundle().is_stale() and node.find_system() is None else []


get_requires_for_build_editable = get_requires_for_build_wheel
get_requires_for_build_sdist = get_requires_for_build_wheel


def build_wheel(
    wheel_directory: str, config_settings: ConfigSettings = None, metadata_directory: str | None = None
) -> str:
    """A wheel with the frontend in it."""
    _bundle().ensure()
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(
    wheel_directory: str, config_settings: ConfigSettings = None, metadata_directory: str | None = None
) -> str:
    """An editable wheel, beside a frontend that is built."""
    _bundle().ensure()
    return build_meta.build_editable(wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory: str, config_settings: ConfigSettings = None) -> str:
    """A source distribution with both the sources of the frontend and what they were built to."""
    _bundle().ensure()
    return build_meta.build_sdist(sdist_directory, config_settings)


def _bundle() -> Bundle:
    return Bundle(Path(__file__).parent.parent)
