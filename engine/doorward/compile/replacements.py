"""Other data and other functions in the place of a program's own, for decisions in tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from doorward.compile.compiled import Compiled
from doorward.compile.findings import Findings
from doorward.run.builtins import BUILTINS
from doorward.run.context import CallContext
from doorward.run.mocks import builtin_mock, mock, replace_data, value_mock
from doorward.run.values import Value
from doorward_dsl.source import NOWHERE

__all__ = ["FunctionName", "Replaced", "Replacements"]


@dataclass(frozen=True, slots=True)
class FunctionName:
    """A function in the place of another: `("data", …)`, or a built-in's name in one piece."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Replacements:
    """What stands in for what. The same as `with` on every condition of every statement."""

    data: Mapping[tuple[str, ...], Value] = field(default_factory=dict)
    """Values by their place below `data`, over the base documents and over rules. Set in the order given."""
    functions: Mapping[str, Value | FunctionName] = field(default_factory=dict)
    """By dotted name; of a function of a policy, `data.` first."""

    def __bool__(self) -> bool:
        return bool(self.data or self.functions)

    @property
    def names(self) -> frozenset[str]:
        """All that is replaced, by dotted name."""
        return frozenset({".".join(("data", *path)) for path in self.data} | set(self.functions))


class Replaced:
    """Compiled policies with replacements: decides as they would if theirs were the data and the functions.

    `compiled` has been made `replaceable` in all that is replaced.
    """

    def __init__(self, compiled: Compiled, replacements: Replacements) -> None:
        self._compiled = compiled
        self._data = [(path, compiled.units_below(path), value) for path, value in replacements.data.items()]
        self._functions = {name: self._function(value) for name, value in replacements.functions.items()}

    def _function(self, value: Value | FunctionName) -> Callable[..., Value]:
        if not isinstance(value, FunctionName):
            return value_mock(value)
        if value.path[0] == "data":
            made = self._compiled.function(value.path[1:])
            if made is None:
                raise ValueError(f"there is no function `{'.'.join(value.path)}`")
            return made
        builtin = BUILTINS[value.path[0]]
        return builtin_mock(builtin.call, builtin.needs_call, NOWHERE)

    def evaluate(self, kind: str, document: dict[str, Any], call: CallContext) -> Findings:
        """As `Compiled.evaluate`, with the replacements."""
        return self._compiled.evaluate(kind, document, call, self.replace)

    def is_timeless(self, kind: str) -> bool:
        """Not known: what stands in for a function may read anything."""
        return False

    def replace(self, call: CallContext) -> None:
        """Put the replacements into a context, whose data has been set."""
        for name, function in self._functions.items():
            mock(call, name, function)
        for path, units, value in self._data:
            replace_data(call, path, units, value)
