"""Which bodies a request can skip: tests of equality, membership and prefix turned into look-ups.

A *guard* of a body is a test without which the body has no answer, found among its first steps, those that
only look at the input or at an argument. Bodies with a guard on the same place share a table; finding the few
that can hold costs one look-up, however many there are. What stands in no table is tried every time.

A test that is an error for what is not a string (`startswith`, `glob.match`) is a guard as well: a table of
prefixes skips nothing where the value is none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from doorward.compile import plan
from doorward.compile.outline import Guard, How, Place, Table
from doorward.compile.plan import Block, Const, Local, Operand, Step
from doorward.run.builtins import BUILTINS
from doorward.run.context import CallContext
from doorward.run.errors import EvaluationError
from doorward.run.values import Value, key, unkey

__all__ = ["find_guards", "make_tables"]

_UNTIL_WILDCARD: Final = re.compile(r"[^*?\[\]{}\\!]*")
"""The text that everything which matches a glob starts with."""

_WORTH_A_TABLE: Final = 6
"""From how many bodies on a look-up is cheaper than trying each."""


def find_guards(block: Block, params: Sequence[Local] = ()) -> list[Guard]:
    """The guards of a body, up to its first step that does more than look."""
    places: dict[int, Place] = {param.id: (param.id,) for param in params}
    looped: dict[int, Place] = {}
    found: list[Guard] = []
    for step in block.steps:
        match step:
            case plan.Input(Local(to)):
                places[to] = ("input",)
            case plan.Get(Local(to), Local(source), Const(index)) if source in places and type(index) is str:
                places[to] = (*places[source], index)
            case plan.Test("equal", Local(at), Const(value)) | plan.Test("equal", Const(value), Local(at)):
                if at in places and _is_plain(value):
                    found.append(Guard(places[at], "equal", (key(value),)))
                elif at in looped and _is_plain(value):
                    found.append(Guard(looped[at], "has", (key(value),)))
            case plan.Test("in", Local(at), Const(values)):
                members = [unkey(form) for form in values] if isinstance(values, (list, frozenset)) else []
                if at in places and members and all(map(_is_plain, members)):
                    found.append(Guard(places[at], "equal", tuple(dict.fromkeys(map(key, members)))))
            case plan.Test("in", Const(value), Local(at)):
                if at in places and _is_plain(value):
                    found.append(Guard(places[at], "has", (key(value),)))
            case plan.Scan(_, Local(member), Local(source)) if source in places and not step.branch:
                looped[member] = places[source]
            case plan.BuiltinCall(_, name, args, False):
                guard = _prefix_guard(name, args, places)
                return [*found, guard] if guard is not None else found
            case _ if not _only_looks(step):
                break
    return found


def _prefix_guard(name: str, args: Sequence[Operand], places: Mapping[int, Place]) -> Guard | None:
    match name, args:
        case "startswith", (Local(at), Const(str(prefix))) if at in places:
            return Guard(places[at], "prefix", (prefix,))
        case "glob.match", (Const(str(pattern)), Const(delimiters), Local(at)) if at in places:
            prefix = _UNTIL_WILDCARD.match(pattern)[0]  # type: ignore[index]  # it matches the empty string
            if prefix and _is_sound(pattern, delimiters):
                return Guard(places[at], "prefix", (prefix,))
    return None


def _is_sound(pattern: str, delimiters: Value) -> bool:
    """Whether the pattern can be matched at all: one that cannot is an error that must not be skipped."""
    try:
        BUILTINS["glob.match"].call(CallContext(now_ns=0), pattern, delimiters, "")
    except EvaluationError:
        return False
    return True


def make_tables(guards: Sequence[Sequence[Guard]]) -> tuple[Table, ...]:
    """Tables over the bodies whose guards are given, each body in one table or in none.

    Of several guards of a body the one that fewest others share is taken.
    """
    several = any(len(some) > 1 for some in guards)
    crowd = Counter((g.place, g.how, v) for some in guards for g in some for v in g.values) if several else {}
    chosen = {
        at: some[0] if len(some) == 1 else min(some, key=lambda guard: _rank(guard, crowd))
        for at, some in enumerate(guards)
        if some
    }
    users = Counter((guard.place, guard.how) for guard in chosen.values())
    buckets: dict[tuple[Place, How], dict[Any, list[int]]] = {}
    for at, guard in chosen.items():
        if users[guard.place, guard.how] >= _WORTH_A_TABLE:
            table = buckets.setdefault((guard.place, guard.how), {})
            for value in guard.values:
                table.setdefault(value, []).append(at)
    return tuple(
        Table(place, how, {v: tuple(ats) for v, ats in table.items()})
        for (place, how), table in sorted(buckets.items(), key=lambda item: repr(item[0]))
    )


def _rank(guard: Guard, crowd: Mapping[tuple[Place, How, Any], int]) -> tuple[int, str, How]:
    fullest = max(crowd[guard.place, guard.how, value] for value in guard.values)
    return fullest, repr(guard.place), guard.how


def _is_plain(value: Value) -> bool:
    return value is None or type(value) in (str, int, float, bool)


def _only_looks(step: Step) -> bool:
    if isinstance(step, plan.Absent):
        return all(map(_only_looks, step.block.steps))
    return isinstance(step, (plan.Input, plan.Get, plan.Test, plan.Truthy, plan.Shape, plan.Never))
