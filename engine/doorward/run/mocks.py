"""What `with` does while a policy runs: other functions in place of the real ones, other data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from doorward.run.access import builtin_failed, patch, subpart
from doorward.run.context import FIXED, CallContext
from doorward.run.errors import BuiltinError, TypeMismatchError
from doorward.run.values import UNDEFINED, Value
from doorward_dsl.source import Span

__all__ = ["Fixed", "Function", "builtin_mock", "mock", "mock_of", "nothing", "replace_data", "value_mock"]

Function: TypeAlias = Callable[..., Value]
"""A function as generated code has it: the context, then the arguments."""


def nothing(call: CallContext, *args: Value) -> Value:
    """The function that is nowhere defined."""
    return UNDEFINED


def value_mock(value: Value) -> Function:
    """The function that gives one value whatever it is asked."""

    def constant(call: CallContext, *args: Value) -> Value:
        return value

    return constant


def builtin_mock(builtin: Function, needs_call: bool, span: Span) -> Function:
    """A built-in in the place of another function."""

    def run(call: CallContext, *args: Value) -> Value:
        try:
            return builtin(call, *args) if needs_call else builtin(*args)
        except (BuiltinError, TypeMismatchError) as error:
            return builtin_failed(call, error, span)

    return run


def mock(call: CallContext, name: str, replacement: Function) -> None:
    """Put another function in the place of `name` for all that runs in this context."""

    def run(inner: CallContext, *args: Value) -> Value:
        # What stands in for a function calls real ones, the one it stands in for too.
        real = inner.nested()
        real.mocks = None
        return replacement(real, *args)

    call.mocks = {**(call.mocks or {}), name: run}


def mock_of(call: CallContext, name: str, real: Function | None) -> Function | None:
    """What stands in the place of a function, or the function itself."""
    mocks = call.mocks
    return real if mocks is None else mocks.get(name, real)


class Fixed:
    """What `with` has put into the place of parts of `data`: it stays in every world inside that one."""

    __slots__ = ("paths", "units")

    def __init__(self, paths: tuple[tuple[str, ...], ...], units: dict[int, Value]) -> None:
        self.paths = paths
        """The places that were replaced."""
        self.units = units
        """The values of the documents at and below them, by the number of their unit."""


def replace_data(
    call: CallContext, path: tuple[str, ...], units: Iterable[tuple[int, tuple[Any, ...]]], value: Value
) -> None:
    """Put a value at a path of `data`, over the base document and over all rules at and below it."""
    call.data = patch(call.data, path, value)
    call.indexes = None
    known = call.memo.get(FIXED)
    paths, before = ((), {}) if known is None else (known.paths, known.units)
    fixed = Fixed((*paths, path), {**before, **{unit: subpart(value, rest) for unit, rest in units}})
    call.memo.update(fixed.units)
    call.memo[FIXED] = fixed
