"""Modules that mean harm: compiling takes work in proportion to their text, whatever refers to whatever."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import pytest

from doorward_dsl import CompileError, Source, compile_modules, parse_module
from doorward_dsl.check.typeops import unifies
from doorward_dsl.types import ANY, NUMBER, ArrayType, ObjectType, Type, union

SCHEMAS = {
    "postgres": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "principal": {
                "type": "object",
                "properties": {"kind": {"type": "string"}},
                "additionalProperties": False,
            },
            "resource": {
                "type": "object",
                "properties": {"labels": {"type": "object", "additionalProperties": {"type": "string"}}},
            },
        },
    }
}
MOST_CALLS = 10_000_000


def lines(line: Callable[[int], str], count: int) -> str:
    return "\n".join(line(number) for number in range(count))


def body(line: Callable[[int], str], count: int, then: str = "") -> str:
    return f"p if {{\n{lines(line, count)}\n{then}}}"


SHAPES: dict[str, Callable[[int], str]] = {
    # types that are small in memory and endless when written out
    "doubled arrays": lambda n: "s0 := [1]\n" + lines(lambda i: f"s{i + 1} := [s{i}, s{i}]", n),
    "doubled objects": lambda n: "s0 := 1\n" + lines(lambda i: f's{i + 1} := {{"a": s{i}, "b": s{i}}}', n),
    "doubled sets": lambda n: "s0 := 1\n" + lines(lambda i: f's{i + 1} := {{[s{i}], {{"a": s{i}}}}}', n),
    "doubled variables": lambda n: body(lambda i: f"s{i + 1} := [s{i}, s{i}]" if i else "s1 := [1]", n),
    "doubled comprehensions": lambda n: (
        "s0 := [1]\n" + lines(lambda i: f"s{i + 1} := {{x: y | some x in s{i}; some y in s{i}}}", n)
    ),
    "doubled results": lambda n: "f0(x) := x\n" + lines(lambda i: f"f{i + 1}(x) := [f{i}(x), f{i}(x)]", n),
    "doubled rules": lambda n: (
        "s0 contains 1\n"
        + lines(lambda i: f"s{i + 1} contains x if {{ some x in s{i} }}\ns{i + 1} contains [s{i}]", n)
    ),
    "doubled and compared": lambda n: (
        "s0 := [1]\nt0 := [1]\n"
        + lines(lambda i: f"s{i + 1} := [s{i}, s{i}]\nt{i + 1} := [t{i}, t{i}]\np if s{i} == t{i}", n)
    ),
    "nested types": lambda n: "s0 := 1\n" + lines(lambda i: f"s{i + 1} := [s{i}]", n),
    "many alternatives": lambda n: lines(lambda i: f'p contains {{"k{i}": {i}}}', n) + "\nq if {1} in p",
    # names, rules and what refers to them
    "a chain of rules": lambda n: "s0 := 1\n" + lines(lambda i: f"s{i + 1} := s{i} + 1", n),
    "a chain of rules backwards": lambda n: lines(lambda i: f"s{i} := s{i + 1} + 1", n) + f"\ns{n} := 1",
    "a circle of rules": lambda n: lines(lambda i: f"s{i} if s{(i + 1) % n}", n),
    "many definitions": lambda n: lines(lambda i: f"p if input.x == {i}", n),
    "many functions": lambda n: lines(lambda i: f"f({i}) := {i}", n),
    "many names in a branch": lambda n: lines(lambda i: f"q.a{i} := {i}\nz{i} := q[input.x]", 3 * n),
    "reading everything": lambda n: lines(lambda i: f"q{i} := {i}\nz{i} := data.u[x] if x := input.x", n),
    "many imports": lambda n: lines(lambda i: f"import data.x{i}", n) + "\n" + body(lambda i: f"x{i}", n),
    "imports of one name": lambda n: lines(lambda i: f"import data.a{i}.x", n),
    "many replacements": lambda n: "f(x) := x\n" + lines(lambda i: f"p{i} if f(1) with f as {i}", n),
    # lines of a body
    "lines in the wrong order": lambda n: body(lambda i: f"x{i} = x{i + 1}", n, f"x{n} = 1"),
    "lines that are never safe": lambda n: body(lambda i: f"x{i} = x{i + 1} + 1", n),
    "negated lines": lambda n: body(lambda i: f"not data.q[x{i}]", n),
    "long patterns": lambda n: (
        f"p if {{ [{', '.join(f'x{i}' for i in range(n))}] = [{', '.join(f'x{i + 1}' for i in range(n))}]; x{n} = 1 }}"
    ),
    "long paths": lambda n: "p if input" + "".join(f"[x{i}]" for i in range(n)),
    "many modifiers": lambda n: "p if input.x " + " ".join(f"with input.a{i} as xs[i{i}]" for i in range(n)),
    "long templates": lambda n: 'p := $"' + "{input.x}" * n + '"',
    "unused variables": lambda n: body(lambda i: f"x{i} := 1", n),
    # mistakes, and looking for what was meant
    "unknown names": lambda n: lines(lambda i: f"name{i} := 1", n) + "\n" + body(lambda i: f"nane{i}", n),
    "unknown functions": lambda n: (
        lines(lambda i: f"name{i}(x) := x", n) + "\n" + body(lambda i: f"nane{i}(1)", n)
    ),
    "long names": lambda n: f"name{'x' * n * 100} := 1\np if nane{'x' * n * 100}",
    # Ward
    "many statements": lambda n: (
        "governs postgres\n" + lines(lambda i: f'block "{i}" if principal.kind == "a{i}"', n)
    ),
    "unknown fields": lambda n: (
        "governs postgres\n" + lines(lambda i: f'block "{i}" if principal.kin{i} == "a"', n)
    ),
    "what may be missing": lambda n: (
        'governs postgres\nblock "x" if {\n' + lines(lambda i: f'resource.labels.x{i} != "a"', n) + "\n}"
    ),
    "doubled and missing": lambda n: (
        'governs postgres\nblock "x" if {\nx0 := resource.labels\n'
        + lines(lambda i: f"x{i + 1} := [x{i}, x{i}]", n)
        + f"\nx{n} != 2\n}}"
    ),
}


@contextmanager
def counting_calls() -> Iterator[list[int]]:
    """The number of calls made within; ends what makes too many."""
    count = [0]

    def on_event(_frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call":
            count[0] += 1
            if count[0] > MOST_CALLS:
                raise AssertionError("too many calls")

    sys.setprofile(on_event)
    try:
        yield count
    finally:
        sys.setprofile(None)


def work(shape: Callable[[int], str], size: int) -> int:
    """Calls that compiling a module of a shape takes."""
    module = parse_module(Source("t.ward", f"package t\n{shape(size)}\n"))
    with counting_calls() as count, suppress(CompileError):
        compile_modules([module], schemas=SCHEMAS)
    return count[0]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_work_grows_with_the_text(shape: Callable[[int], str]) -> None:
    work(shape, 2)  # what is made once for all is made here
    small, large = work(shape, 60), work(shape, 240)
    assert large < 6 * small + 5_000


def test_unions_of_unions_are_taken_to_go_together() -> None:
    def wide(name: str, depth: int) -> Type | None:
        if depth == 0:
            return ObjectType(((name, NUMBER),))
        return union(
            [
                ArrayType((ObjectType(((f"{number}", NUMBER),)), *[wide(name, depth - 1) or ANY] * 2))
                for number in range(8)
            ]
        )

    one, other = wide("a", 3), wide("b", 3)
    with counting_calls() as count:
        assert unifies(one, other)
    assert count[0] < 50_000
    assert not unifies(wide("a", 1), wide("b", 1))
