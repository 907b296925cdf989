"""Generated policies that join: loops in loops, and comprehensions in loops, over tables that are long enough to be indexed.

Rows have few values, so that they meet; values of every type, so that some of them cannot be looked up; and a number of
their own, so that their order can be seen. What stands between a loop and its condition may be undefined or fail.

All of it is chosen at random rather than drawn by hypothesis, which likes things small and alike: an index is for what
is large, and shows its faults where things differ.
"""

from __future__ import annotations

import random
from typing import Any

from .policies import compiles

__all__ = ["document", "policy"]

_VALUES = [1, 1, 1, "a", "a", 1.0, True, True, "b", None, 0, False, 1.5]
_COMPOSITES = [["a"], {"a": 1}, [], 1 << 70]


def _table(chosen: random.Random) -> Any:
    """A few rows, over and over, as an array or an object: mostly long, and now and then with what is in no index."""
    some = [_row(chosen) for _ in range(chosen.randint(1, 3))]
    size = chosen.choice([2, 14, 20, 28])
    rows = [some[at % len(some)] for at in range(size)]
    rows = [{**row, "n": at} if isinstance(row, dict) else row for at, row in enumerate(rows)]
    if chosen.random() < 0.1:
        rows[chosen.randrange(size)] = {"a": chosen.choice(_COMPOSITES), "n": -1}
    return {f"k{at * 7 % size:02}": row for at, row in enumerate(rows)} if chosen.random() < 0.4 else rows


def _row(chosen: random.Random) -> Any:
    if chosen.random() < 0.1:
        return chosen.choice([{}, "a", 1, ["a", "b"]])
    row = {"a": chosen.choice(_VALUES), "b": chosen.choice(_VALUES), "list": chosen.choices(_VALUES, k=2)}
    return {name: value for name, value in row.items() if name == "a" or chosen.random() < 0.7}


def document(chosen: random.Random) -> dict[str, Any]:
    """A document with two tables."""
    made = {"rows": _table(chosen), "more": _table(chosen), "me": chosen.choice(_VALUES), "flag": True}
    return {name: value for name, value in made.items() if chosen.random() < 0.95}


_TABLES = ["input.rows", "data.base.rows", "input.more", "data.base.more", "rows", "copies"]
_OUTER = ["some x in {}", "some i, x in {}", "some i; x := {}[i]", "x := {}[_]"]
_INNER = ["some y in {}", "some k, y in {}", "some k; y := {}[k]", "y := {}[_]", "{}[k] = y"]
_EQUAL = [
    "y.a == x.a",
    "x.a == y.b",
    "y.a = x.b",
    "x == y",
    "y.a == x",
    "y == x.a",
    "y.list[0] == x.a",
    "y[0] == x[0]",
]
_EQUAL += [
    "y.a == x.a; y.b == x.b",
    "y.a == 1",
    'y.a == "a"; y.b == x.a',
    "input.me == y.a",
    "y.a == data.base.me",
]
_EQUAL += [
    'y.a == x.a; y.b != "a"',
    "a := x.a; y.a == a",
    "[y.a, y.b] = [x.a, _]",
    '{"a": x.a} = y',
    "y.a == one",
]
_BETWEEN = [
    "x.n > 3",
    "y.n < 9",
    "to_number(y.a) > 0",
    "not y.b",
    "y.list",
    "count(y) > 2",
    "clashing(y.a)",
    "z := y.b",
]
_BETWEEN += [
    'object.get(y, "b", 0) != 1',
    "some w in y.list",
    "input.flag",
    "y.n != x.n",
    "not clashing(x.a)",
    "x.list",
]
_WITHS = [
    " with input.rows as data.base.more",
    " with data.base.rows as input.more",
    " with input as data.base",
]
_WITHS += [" with data.base as input", " with data.p.rows as input.rows", " with data.base.rows as [x]"]

_HELPERS = """package p

rows contains row if some row in data.base.more

copies := [row | some row in input.more]

one := input.more[0].a

clashing(v) := 1 if v != "b"

clashing(v) := 2 if v == 1.5
"""


class _Joins:
    def __init__(self, chosen: random.Random) -> None:
        self._chosen = chosen
        self.pick = chosen.choice

    def chance(self, one_in: int) -> bool:
        return self._chosen.randrange(one_in) == 0

    def loop(self, forms: list[str]) -> str:
        return self.pick(forms).replace("{}", self.pick(_TABLES))

    def inner(self, equal: str = "") -> tuple[str, list[str]]:
        """The inner loop and its condition, with something between or after them now and then; and what an answer has."""
        loop = self.loop(_INNER)
        parts = [loop]
        if self.chance(3):
            parts.append(self.pick(_BETWEEN))
        parts.append(equal or self.pick(_EQUAL))
        if self.chance(3):
            parts.append(self.pick(_BETWEEN))
        return "; ".join(parts), ["[k, y.n]", "k", "[k, y]"] if "k" in loop else ["y.n", "y", "y.b"]

    def comprehension(self) -> str:
        form = self.pick(["[{} | {}]", "{{{} | {}}}", "{{y.b: {} | {}}}", "{{y.n: {} | {}}}"])
        body, heads = self.inner()
        return form.format(self.pick([*heads, *heads, "(y.n + x.n)", "[x.a, y.n]"]), body)

    def replaced(self) -> str:
        return self.pick(_WITHS) if self.chance(4) else ""

    def rule(self, name: str) -> str:
        """A rule that joins."""
        outer, form = self.loop(_OUTER), self._chosen.randrange(8)
        if form <= 2:
            collected = f"{outer}; c := {self.comprehension()}{self.replaced()}"
            return self.pick(
                [
                    f"{name}[x] := c if {{ {collected} }}",
                    f"{name} contains [x, count(c)] if {{ {collected} }}",
                    f"{name} := [[x, c] | {collected}]",
                ]
            )
        if form == 3:
            body, _ = self.inner(self.pick(["v == y.a", "y.b == v", "v == y"]))
            return f"{name} contains x if {{ {outer}; every v in x.list {{ {body} }} }}"
        body, heads = self.inner()
        if form == 4:
            negated = self.pick(["", "not "])
            using = f"{name} contains x if {{ {outer}; {negated}_{name}(x){self.replaced()} }}"
            return f"_{name}(x) if {{ {body} }}\n\n{using}"
        if form == 5:
            return f"{name} contains [x.n, {self.pick(heads)}, v.n] if {{ {outer}; {body}; {self.third()} }}"
        head = self.pick(heads)
        return self.pick(
            [
                f"{name} contains [x, {head}] if {{ {outer}; {body} }}",
                f"{name} := [[x, {head}] | {outer}; {body}]",
            ]
        )

    def third(self) -> str:
        return f"some v in {self.pick(_TABLES)}; v.a == {self.pick(['y.b', 'x.a'])}"


def policy(chosen: random.Random) -> str:
    """A package `p` of rules `r0` and `r1` that join tables of the input, of `data.base` and of other rules."""
    joins, text = _Joins(chosen), _HELPERS
    for number in range(2):
        added = f"{text}\n{joins.rule(f'r{number}')}\n"
        text = added if compiles(added) else text
    return text
