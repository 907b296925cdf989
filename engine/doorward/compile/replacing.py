"""Planning a `with`: what stands in for a part of the input, of the documents, or for a function."""

from __future__ import annotations

from collections.abc import Callable

from doorward.compile.free import dotted
from doorward.compile.globals import Globals
from doorward.compile.plan import Const, MockFunction, Operand, ReplaceData, ReplaceInput
from doorward.compile.scope import Scope
from doorward.compile.tree import function_at
from doorward_dsl.syntax import Term, With

__all__ = ["plan_change"]


def plan_change(
    modifier: With, scope: Scope, program: Globals, value: Callable[[Term], Operand]
) -> ReplaceInput | ReplaceData | MockFunction:
    """The plan of one modifier; `value` plans its value, outside of what it changes."""
    name, path = dotted(modifier.target)
    if name == "input":
        return ReplaceInput(tuple(map(Const, path)), value(modifier.value))
    if name == "data" and function_at(program.tree, path) is None:
        return ReplaceData(program.overlay(path), value(modifier.value))
    mocked = ".".join((name, *path))
    other, other_path = dotted(modifier.value)
    function = function_at(program.tree, other_path) if other == "data" else None
    if function is not None:
        return MockFunction(mocked, None, program.unit_of(function, ()), None)
    builtin = ".".join((other, *other_path))
    if other not in scope.env and program.builtin_arity(builtin) is not None:
        return MockFunction(mocked, None, None, builtin)
    return MockFunction(mocked, value(modifier.value), None, None)
