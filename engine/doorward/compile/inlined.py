"""Built-ins that are written out where they are called: for arguments of the types that policies give them.

What is written out does what the built-in does, for no more work than a built-in may do without paying for it
(see `doorward.run.builtins.metering`). For other arguments, and for what is wrong with them, the built-in is called.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from doorward.compile.kinds import Kind
from doorward.compile.plan import Const, Operand
from doorward.compile.python import Writer

__all__ = ["INLINED", "RESULTS", "SHORT", "Inlined"]

SHORT: Final = 256
"""So many characters of an argument are free."""

Make = Callable[[Writer, Sequence[ast.expr]], ast.expr]


class Inlined(NamedTuple):
    """How to write a built-in out.

    `kinds` are the types its arguments must have; None for one that can be any. `short`: the work grows with the first
    argument. `constant` are the positions of arguments that must be constants, strings that are not empty.
    """

    kinds: tuple[Kind | None, ...]
    make: Make
    short: bool = False
    constant: tuple[int, ...] = ()

    def fits(self, args: Sequence[Operand]) -> bool:
        """Whether the arguments of a call allow for it."""
        if len(args) != len(self.kinds) or all(isinstance(arg, Const) for arg in args):
            return False
        for at, (arg, kind) in enumerate(zip(args, self.kinds, strict=True)):
            if isinstance(arg, Const):
                if kind is not None and type(arg.value).__name__ != kind:
                    return False
                if at in self.constant and not arg.value:
                    return False
            elif at in self.constant:
                return False
        return True


def _method(name: str) -> Make:
    return lambda w, args: w.method(args[0], name, *args[1:])


def _contains(w: Writer, args: Sequence[ast.expr]) -> ast.expr:
    return w.compare(args[1], ast.In(), args[0])


INLINED: Final[Mapping[str, Inlined]] = {
    "contains": Inlined(("str", "str"), _contains),
    "endswith": Inlined(("str", "str"), _method("endswith")),
    "lower": Inlined(("ascii",), _method("lower"), short=True),
    "object.get": Inlined(("dict", "str", None), _method("get"), constant=(1,)),
    "split": Inlined(("str", "str"), _method("split"), short=True, constant=(1,)),
    "startswith": Inlined(("str", "str"), _method("startswith")),
    "trim_prefix": Inlined(("str", "str"), _method("removeprefix"), short=True, constant=(1,)),
    "trim_suffix": Inlined(("str", "str"), _method("removesuffix"), short=True, constant=(1,)),
    "upper": Inlined(("ascii",), _method("upper"), short=True),
}
"""By the name of the built-in. The kind `ascii` is a string of nothing but ASCII."""

RESULTS: Final[Mapping[str, tuple[Kind, Kind | None]]] = {
    "concat": ("str", None),
    "count": ("int", None),
    "format_int": ("str", None),
    "indexof": ("int", None),
    "lower": ("str", None),
    "replace": ("str", None),
    "split": ("list", "str"),
    "sprintf": ("str", None),
    "substring": ("str", None),
    "trim": ("str", None),
    "trim_left": ("str", None),
    "trim_prefix": ("str", None),
    "trim_right": ("str", None),
    "trim_space": ("str", None),
    "trim_suffix": ("str", None),
    "upper": ("str", None),
}
"""The type of what built-ins give, and of its members."""
