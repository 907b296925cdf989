"""Results of a run, written for people and for the tools that read them."""

from __future__ import annotations

from doorward.author.testing.report.formats import FORMATS, Format, write

__all__ = ["FORMATS", "Format", "write"]
