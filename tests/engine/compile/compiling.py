"""Compiling policy text in tests."""

from __future__ import annotations

from typing import Any

from doorward.compile import Compiled, CompileOptions, compile_program
from doorward.run.context import CallContext
from doorward.run.values import UNDEFINED, Value
from doorward_dsl import Source, parse_module, parse_query
from doorward_dsl.compile import compile_modules, compile_query

__all__ = ["ask", "compiled"]


def compiled(*texts: str, data: dict[str, Any] | None = None, indexed: bool = True) -> Compiled:
    """Compile Ward texts (`p0.ward`, `p1.ward`, …)."""
    modules = [parse_module(Source(f"p{at}.ward", text)) for at, text in enumerate(texts)]
    return compile_program(compile_modules(modules), data or {}, options=CompileOptions(indexed=indexed))


def ask(
    policy: Compiled, query: str, document: Value = UNDEFINED, call: CallContext | None = None
) -> list[Any]:
    """The values of `x` in all answers of `x = query`."""
    body = compile_query(parse_query(f"x = {query}"), policy.program)
    return [answer["x"] for answer in policy.query(body, document, call=call)]
