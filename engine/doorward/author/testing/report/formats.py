"""The formats in which a run is written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from doorward.author.testing.report.github import github
from doorward.author.testing.report.json_report import json_report
from doorward.author.testing.report.junit import junit
from doorward.author.testing.report.tap import tap
from doorward.author.testing.results import TestRun

__all__ = ["FORMATS", "Format", "write"]

Format: TypeAlias = Callable[[TestRun], str]

FORMATS: Final[Mapping[str, Format]] = {
    "json": json_report,
    "junit": junit,
    "tap": tap,
    "github": github,
}
"""Formats for tools, by name; `pretty` is for people, and written as the tests go."""


def write(name: str, run: TestRun) -> str:
    """A run in one of `FORMATS`."""
    return FORMATS[name](run)
