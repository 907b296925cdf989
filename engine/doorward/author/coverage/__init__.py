"""How much of the policies the tests reach, by expression."""

from __future__ import annotations

from doorward.author.coverage.coverage import Coverage, FileCoverage, Region
from doorward.author.coverage.html import html
from doorward.author.coverage.lcov import lcov
from doorward.author.coverage.text import missing_lines, table

__all__ = ["Coverage", "FileCoverage", "Region", "html", "lcov", "missing_lines", "table"]
