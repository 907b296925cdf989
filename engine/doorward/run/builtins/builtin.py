"""What a built-in function is, and what it may ask of the call it runs in."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from doorward.run.effects import Grants
from doorward.run.values import Value

__all__ = ["Bind", "Builtin", "BuiltinCall", "Meter", "Table", "contextual", "pure"]


class Meter(Protocol):
    """What work is charged to. Built-ins that ask no more of their call depend on nothing but their arguments."""

    def charge(self, steps: int) -> None:
        """Take `steps` from the budget of the query; raises BudgetExceeded when none are left."""


class BuiltinCall(Meter, Protocol):
    """The call a built-in runs in. One per query, never shared between threads."""

    @property
    def now_ns(self) -> int:
        """The instant of the query in nanoseconds since 1970; fixed for the query."""

    @property
    def cache(self) -> MutableMapping[Any, Any]:
        """What built-ins must remember for the length of the query, keyed by tuples that start with their
        name.
        """

    @property
    def grants(self) -> Grants:
        """What the policy may ask of the world."""

    def random(self) -> random.Random:
        """The query's source of randomness."""


Bind = Callable[..., Callable[[Meter, str], bool] | None]
"""Takes all arguments of a built-in but the last, and gives a function of that; None where they are wrong or unusual."""


@dataclass(frozen=True, slots=True)
class Builtin:
    """A built-in function.

    `call` takes the arguments (all defined), after the `BuiltinCall` or `Meter` where `needs_call`, and returns a value
    or `UNDEFINED`; it raises `BuiltinError` or `TypeMismatchError`. A `relation` returns an iterable of
    values instead, each of which is an answer. `bind` does what is to be done once where only the last argument varies,
    for short strings.
    """

    name: str
    call: Callable[..., Value]
    needs_call: bool = False
    relation: bool = False
    bind: Bind | None = None


Table = Mapping[str, Builtin]
"""The built-ins of a family by name."""


def pure(functions: Mapping[str, Callable[..., Value]]) -> dict[str, Builtin]:
    """A table of built-ins that depend on nothing but their arguments."""
    return {name: Builtin(name, function) for name, function in functions.items()}


def contextual(
    functions: Mapping[str, Callable[..., Value]], bind: Mapping[str, Bind] = MappingProxyType({})
) -> dict[str, Builtin]:
    """A table of built-ins that take the call, or no more of it than its meter, as their first argument."""
    return {
        name: Builtin(name, function, needs_call=True, bind=bind.get(name))
        for name, function in functions.items()
    }
