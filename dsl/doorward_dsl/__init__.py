"""The Ward language: policy text, its syntax tree, and its meaning. Knows nothing of running.

Text becomes a `Module` by `parse_module`, modules together a `Program` by `compile_modules`, and a program plain Rego
again by `translate`. What is wrong with text is a `PolicyError` of `Diagnostic`s, which `render` shows. The tree's own
classes are in `doorward_dsl.syntax`, ways through it in `doorward_dsl.walk`.
"""

from __future__ import annotations

from doorward_dsl.compile import compile_modules, compile_query
from doorward_dsl.diagnostics import (
    CompileError,
    Diagnostic,
    DoorwardError,
    ParseError,
    PolicyError,
    Severity,
)
from doorward_dsl.parse import parse_module, parse_query
from doorward_dsl.program import GovernedRule, GovernedStatement, Path, Program, Verb
from doorward_dsl.render import render
from doorward_dsl.schemas import JsonSchema
from doorward_dsl.signatures import Signature, signatures
from doorward_dsl.source import NOWHERE, Dialect, Source, Span
from doorward_dsl.syntax import Body, Module
from doorward_dsl.translate import target_text, translate

__all__ = [
    "NOWHERE",
    "Body",
    "CompileError",
    "Diagnostic",
    "Dialect",
    "DoorwardError",
    "GovernedRule",
    "GovernedStatement",
    "JsonSchema",
    "Module",
    "ParseError",
    "Path",
    "PolicyError",
    "Program",
    "Severity",
    "Signature",
    "Source",
    "Span",
    "Verb",
    "compile_modules",
    "compile_query",
    "parse_module",
    "parse_query",
    "render",
    "signatures",
    "target_text",
    "translate",
]
