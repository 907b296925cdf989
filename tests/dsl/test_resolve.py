"""What names mean: source text → resolved form, written out in a compact way."""

from __future__ import annotations

import pytest

from doorward_dsl import Source, parse_module
from doorward_dsl.compile import compile_modules
from doorward_dsl.signatures import OPERATORS
from doorward_dsl.syntax import (
    Array,
    ArrayComprehension,
    Assign,
    Body,
    Call,
    Every,
    Expr,
    ExprTerm,
    Literal,
    Not,
    Object,
    ObjectComprehension,
    Ref,
    Rule,
    Scalar,
    Set,
    SetComprehension,
    SomeIn,
    Term,
    Unify,
    Var,
)


def shown(term: Term) -> str:
    if isinstance(term, Scalar):
        return f'"{term.value}"' if isinstance(term.value, str) else str(term.value).lower()
    if isinstance(term, Var):
        return term.name
    if isinstance(term, Ref):
        steps = [
            f".{part.value}"
            if isinstance(part, Scalar) and isinstance(part.value, str)
            else f"[{shown(part)}]"
            for part in term.path
        ]
        return shown(term.head) + "".join(steps)
    if isinstance(term, Call):
        name = ".".join(term.name)
        return f"{OPERATORS.get(name, name)}({', '.join(map(shown, term.args))})"
    if isinstance(term, Array):
        return f"[{', '.join(map(shown, term.items))}]"
    if isinstance(term, Set):
        return f"{{{', '.join(map(shown, term.items))}}}"
    if isinstance(term, Object):
        return "{" + ", ".join(f"{shown(key)}: {shown(value)}" for key, value in term.pairs) + "}"
    if isinstance(term, ArrayComprehension):
        return f"[{shown(term.head)} | {lines(term.body)}]"
    if isinstance(term, SetComprehension):
        return f"{{{shown(term.head)} | {lines(term.body)}}}"
    if isinstance(term, ObjectComprehension):
        return f"{{{shown(term.key)}: {shown(term.value)} | {lines(term.body)}}}"
    parts = [
        part if isinstance(part, str) else f"{{{line(part) if isinstance(part, Literal) else shown(part)}}}"
        for part in term.parts
    ]
    return f'$"{"".join(parts)}"'


def expression(expr: Expr) -> str:
    if isinstance(expr, ExprTerm):
        return shown(expr.term)
    if isinstance(expr, Assign):
        return f"{shown(expr.target)} := {shown(expr.value)}"
    if isinstance(expr, Unify):
        return f"{shown(expr.left)} = {shown(expr.right)}"
    if isinstance(expr, SomeIn):
        key = "" if expr.key is None else f"{shown(expr.key)}, "
        return f"some {key}{shown(expr.value)} in {shown(expr.domain)}"
    if isinstance(expr, Every):
        key = "" if expr.key is None else f"{expr.key.name}, "
        return f"every {key}{expr.value.name} in {shown(expr.domain)} {{ {lines(expr.body)} }}"
    assert isinstance(expr, Not)
    return f"not {expression(expr.expr)}"


def line(literal: Literal) -> str:
    withs = [f" with {shown(one.target)} as {shown(one.value)}" for one in literal.withs]
    return expression(literal.expr) + "".join(withs)


def lines(body: Body) -> str:
    return "; ".join(map(line, body))


def rule(one: Rule) -> str:
    text = shown(Ref(one.head.ref[0], one.head.ref[1:], one.head.span))
    if one.head.args is not None:
        text += f"({', '.join(map(shown, one.head.args))})"
    if one.head.key is not None:
        text += f" contains {shown(one.head.key)}"
    if one.head.value is not None:
        text += f" := {shown(one.head.value)}"
    if one.body:
        text += f" if {lines(one.body)}"
    return text if one.else_ is None else f"{text} else {rule(one.else_)}"


RESOLVED = [
    # global names
    ("q := 1\np if q == 1", "data.t.p if ==(data.t.q, 1)"),
    ("import data.a.b\np if b.c", "data.t.p if data.a.b.c"),
    ("import input.user as who\np := who.name", "data.t.p := input.user.name"),
    ("import data.a as q\nq := 1\np := q", "data.t.p := data.a"),
    ("p := input", "data.t.p := input"),
    ("f(x) := x\np := f(1)", "data.t.p := data.t.f(1)"),
    ("count(x) := 1\np := count([1])", "data.t.p := data.t.count([1])"),
    ("plus(x, y) := 1\np := 2 + 3", "data.t.p := +(2, 3)"),
    ("p[x].y[z] := 1 if some x, z in input", "data.t.p[x].y[z] := 1 if some x, z in input"),
    # locals
    ("p if { x := 1; x == 1 }", "data.t.p if x := 1; ==(x, 1)"),
    ("x := 3\np if { x := 1; x == 1 }", "data.t.p if x := 1; ==(x, 1)"),
    ("x := 3\np if { x = 1 }", "data.t.p if data.t.x = 1"),
    ("p if { x := [x | x := 1]; x }", "data.t.p if x#2 := [x | x := 1]; x#2"),
    ("p := x if { y := [x | x = 1]; x := 2; y }", "data.t.p := x#2 if y := [x | x = 1]; x#2 := 2; y"),
    ("p if { x = 1; [x | x = 2] }", "data.t.p if x = 1; [x | x = 2]"),
    ("p if { [x | x = 1]; {x | x = 2} }", "data.t.p if [x | x = 1]; {x#2 | x#2 = 2}"),
    ("p if { data.a[_] == data.b[_] }", "data.t.p if ==(data.a[_#1], data.b[_#2])"),
    ("p if { some x; data.a[x]; [1 | some x in [2]] }", "data.t.p if data.a[x]; [1 | some x#2 in [2]]"),
    ("p if { every k, v in input.a { k == v } }", "data.t.p if every k, v in input.a { ==(k, v) }"),
    ("p if { count := 1; count == 1 }", "data.t.p if count#1 := 1; ==(count#1, 1)"),
    ("f(x, [y, _]) := z if { z := x + y }", "data.t.f(x, [y, _#1]) := z if z := +(x, y)"),
    # lines that change their form
    ("f(x) := x\np if { f(1, y); y }", "data.t.p if y = data.t.f(1); y"),
    ("p if { walk(input, [k, v]); k == v }", "data.t.p if [k, v] = walk(input); ==(k, v)"),
    ("p if print(input.a, 1)", "data.t.p if internal.print([{$ | $ = input.a}, {$#2 | $#2 = 1}])"),
    ("p contains data.a[_]", "data.t.p contains $ if $ = data.a[_#1]"),
    ('p := {"a": data.a[i]} if i = 1', 'data.t.p := {"a": data.a[i]} if i = 1'),
    ("p := [data.a[_] | input.b]", "data.t.p := [$ | input.b; $ = data.a[_#1]]"),
    ('p := $"{input.a} is {data.b[i]}" if i = 1', 'data.t.p := $"{input.a} is {data.b[i]}" if i = 1'),
    ("p if k > input.xs[k]", "data.t.p if $#s1 = input.xs[k]; >(k, $#s1)"),
    ("p if { k = input.xs[k] }", "data.t.p if k = input.xs[k]"),
    # order
    ("p if { y == x; x = input.a; y = 1 }", "data.t.p if x = input.a; y = 1; ==(y, x)"),
    ("p if { not x; x = input.a }", "data.t.p if x = input.a; not x"),
    ("p if { y := [z | z = x]; x = 1; y }", "data.t.p if x = 1; y := [z | z = x]; y"),
    ("p := [y | y = z; z = 1]", "data.t.p := [y | z = 1; y = z]"),
]


@pytest.mark.parametrize(("text", "wanted"), RESOLVED)
def test_resolved_form(text: str, wanted: str) -> None:
    program = compile_modules([parse_module(Source("t.rego", f"package t\n{text}\n"))])
    found = [rule(one) for rules in program.rules.values() for one in rules]
    assert wanted in found


def test_else_chains_have_scopes_of_their_own() -> None:
    text = "package t\nf(x) := y if { y := x; y > 2 } else := x if { y := 2; y == x }\n"
    program = compile_modules([parse_module(Source("t.rego", text))])
    (one,) = program.rules["t", "f"]
    assert rule(one) == ("data.t.f(x) := y if y := x; >(y, 2) else data.t.f(x) := x if y := 2; ==(y, x)")


def test_names_of_functions_stay_under_with() -> None:
    text = "package t\np if { input.x with input as 1 with count as f with io.jwt.decode as g }\nf(x) := x\ng(x) := x\n"
    program = compile_modules([parse_module(Source("t.rego", text))])
    (one,) = program.rules["t", "p"]
    assert rule(one) == (
        "data.t.p if input.x with input as 1 with count as data.t.f with io.jwt.decode as data.t.g"
    )


def test_metadata_is_written_in() -> None:
    text = (
        "# METADATA\n# title: whole\n# authors: [A <a@b.c>, B]\n# related_resources: [r]\npackage t\n\n# METADATA\n# title: one\n"
        "p := rego.metadata.rule()\n\nq := [one.path | some one in rego.metadata.chain()]\n"
    )
    program = compile_modules([parse_module(Source("t.rego", text))])
    assert rule(program.rules["t", "p"][0]) == 'data.t.p := {"title": "one", "scope": "rule"}'
    chain = rule(program.rules["t", "q"][0])
    assert '"authors": [{"name": "A", "email": "a@b.c"}, {"name": "B"}]' in chain
    assert '"related_resources": [{"ref": "r"}], "scope": "package"}' in chain
