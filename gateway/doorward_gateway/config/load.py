"""From a YAML file and the environment to a `Config`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from doorward_gateway.config.model import Config

__all__ = ["load"]


def load(path: Path, environment: Mapping[str, str]) -> Config:
    """The configuration in the YAML file `path`, with `DOORWARD_GATEWAY_…` variables laid over it.

    `DOORWARD_GATEWAY_ENGINE__TARGET=engine:8181` sets `engine.target`; values are read as YAML. Raises
    `ConfigError`.
    """
    raise NotImplementedError
