"""The Ward language: policy text, its syntax tree, and its meaning. Knows nothing of running."""

from __future__ import annotations

from doorward_dsl.diagnostics import CompileError, Diagnostic, DoorwardError, ParseError, PolicyError
from doorward_dsl.parse import parse_module, parse_query
from doorward_dsl.render import render
from doorward_dsl.source import Source, Span

__all__ = [
    "CompileError",
    "Diagnostic",
    "DoorwardError",
    "ParseError",
    "PolicyError",
    "Source",
    "Span",
    "parse_module",
    "parse_query",
    "render",
]
