"""Rego that means something: each of these compiles, as it does in OPA."""

from __future__ import annotations

import pytest

from doorward_dsl import Source, parse_module
from doorward_dsl.compile import compile_modules

ACCEPTED = [
    "p if { x = 1 }",
    "p if { x := 1 }",
    "p if { some x in input.y }",
    "p if { some [x, x] in [[1, 2]] }",
    "p if { some x in [y]; y = 1 }",
    "p if { x == 1; x = data.foo }",
    "p if { x; x = data.foo }",
    "p if { x = y; y = z; z = 1 }",
    "p if { [x, y] = [y, 1] }",
    "p if { x = {y}; y = 1 }",
    "p if { not data.foo[x]; x = 1 }",
    "p if { x = 1; not y = x; y = 2 }",
    "p if { every x in y { x > 1 }; y = [1] }",
    "p if { every x in 1 { x } }",
    "p if { count(data.foo[i]) == 1; i }",
    "p if { input.a with input.x as data.xs[_] }",
    "p if { not input.a with input.x as data.xs[i]; i > 0 }",
    "p if { input.a with input.x as data.xs[i] with input.y as data.ys[i] }",
    "p if { every x in [1] { x == input.x with input.x as [data.xs[_]] } }",
    'p if { $"{data.foo[i]}"; i = 1 }',
    'p := [$"{data.foo[i]}" | i = 1]',
    "p if { data.foo[_][_] }",
    "p if { data.foo[f(x)]; x = 1 }\nf(x) := x",
    "p if { f(1, x); x == 1 }\nf(x) := 1",
    "p if { walk(input, [x, y]); x == y }",
    "p if { y = 1; x := 1 with input as y; x }",
    "p if { x = [y | y = z]; z = 1 }",
    "p := data.foo[_]",
    'p if { q == "a" with q as "a" }\nq := 1',
    'p if { "k", "v" in {"k": "v"} }',
    'p if { y = {"a": input.xs[_]}["a"]; y }',
    "p if { some k; k == input.foos[k] }",
    "p := x if { y := [x | x = 1]; x := 2; y }",
    "p := [y | x = 1; y = [z | z = x]]",
    'p contains {"a": x} if { x = data.foo[_] }',
    "p[x].foo[y] := z if { x = data.a[y]; z = 1 }",
    "p[x] := 1 if x = 1\np.q := 2",
    "f(x, x) := 1",
    'f([x, {"a": y}]) := x + y',
    "f(x) := y if { y := x } else := x if { x == 2 }",
    "f(x) := [x | x := 1]",
    "plus(a, b) := 7\np := 1 + 2\nq := plus(1, 2)",
    "count(x) := 3\np := count([1])",
    "import data.foo\nfoo := 1",
    "import data.foo.bar as x\np if { x := 1; x == 1 }",
    'p if { x := "a"; x > 1 }',
    'p if { "a" in 1 }',
    "p if { set() == {1} }",
    "p if { data.t.zzz.anything }",
    "p if { {1} - 1 }",
    "p if { data.b[{j}] = y; y; j = 1 }",
    'p if { "k", 1 in {"k": set()} }',
    "import future.keywords.not\np if { not upper(1) == 2 }",
    "import future.keywords.not\np if { not { q == 1 } }\nq := true",
    "import future.keywords.or\np if { q = 1 or {upper(q)} }\nq := true",
    'p if { {"a": 1, input.x: 2} = {"b": 1} }',
    "p if { true with input as 3 with data.foo as 1 with count as 3 }",
    "p if { f(1) with f as 1; f(1) with f as g; f(1) with f as count }\nf(x) := 1\ng(x) := 2",
    "p if { true with count as data.elsewhere.mock }",
    'p if { $"{data.foo[i]}"; i = 1 }',
    'p := $"{x}" if { x = 1 }',
    'p if print(input.x, "and", data.y)',
    "default f(_) := 1\nf(x) := 2 if x == 1",
    'p := 1 if input.a\np := "a" if input.b\nq if p == "a"',
    'p[x] := 1 if { some x in ["a"] }\nq if p[input.x] == 1',
    'p if { every x in ["a"] { upper(x) == 2 } }',
    'p if { every x in input { x / "a" } }',
    "p := strings.render_template(input.x, v) if v := {false: 1}",
    'p contains 1\np contains "a"\nq[p] := 1\nr := q[{1, "a"}]',
    "p if { x := set(); x == {1} }",
    "p := sum({1, 2 > input.x})",
    "p := data.a[i] if i > 0",
    "p := {1: input.x, 1.0: 2, true: 3}",
    'p if { q == "a" with q as "a" }\nq := 1',
    'p if { r == "a" with q as "a" }\nq := 1\nr := q',
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_compiles(text: str) -> None:
    compile_modules([parse_module(Source("t.rego", f"package t\n{text}\n"))])


def test_packages_may_meet_as_long_as_no_rule_is_two_things() -> None:
    texts = ["package a\nb.c := 1\n", "package a.b\nd := 2\n", "package a\nx[y] := 1 if some y in [1]\n"]
    program = compile_modules(
        [parse_module(Source(f"{number}.rego", text)) for number, text in enumerate(texts)]
    )
    assert set(program.rules) == {("a", "b", "c"), ("a", "b", "d"), ("a", "x")}


def test_rules_and_modules_come_in_an_order_that_does_not_depend_on_files() -> None:
    texts = ["package b\np := 1\n", "package a\nq := 2\n", "package b\nr := 3\n"]
    modules = [parse_module(Source(f"{number}.rego", text)) for number, text in enumerate(texts)]
    there, back = compile_modules(modules), compile_modules(reversed(modules))
    names = [module.span.source.name for module in there.modules]
    assert names == [module.span.source.name for module in back.modules] == ["1.rego", "0.rego", "2.rego"]
    assert list(there.rules) == list(back.rules) == [("a", "q"), ("b", "p"), ("b", "r")]


def test_long_chains_and_wide_bodies_take_neither_stack_nor_square_time() -> None:
    count = 3000
    chain = "\n".join(f"r{i} if r{i + 1}" for i in range(count)) + f"\nr{count} := true"
    backwards = "\n".join(f"x{i} = x{i + 1}" for i in range(count)) + f"\nx{count} = 1"
    program = compile_modules(
        [
            parse_module(Source("chain.rego", f"package chain\n{chain}\n")),
            parse_module(Source("body.rego", f"package body\np if {{\n{backwards}\n}}\n")),
        ]
    )
    assert len(program.rules) == count + 2
