"""`# METADATA` comments: YAML that describes what stands below it."""

from __future__ import annotations

from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.syntax import Module

__all__ = ["attach"]


def attach(module: Module, errors: list[Diagnostic]) -> Module:
    """The module with its annotations where they belong; adds to `errors` what is wrong with them."""
    return module
