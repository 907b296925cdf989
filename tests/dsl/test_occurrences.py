"""What names mean, and where they stand, in every corner where one may stand."""

from __future__ import annotations

import pytest

from doorward_dsl import Source, parse_module
from doorward_dsl.occurrences import Alias, BuiltIn, Document, Meaning, Variable, occurrences
from doorward_dsl.resolve.globals import exports

FIELDS = {"postgres": frozenset(("principal", "sql")), "http": frozenset(("principal", "http"))}


def told(meaning: Meaning) -> str:
    match meaning:
        case Variable():
            return f"variable {meaning.scope}:{meaning.name}"
        case Alias():
            return f"alias {'.'.join(meaning.path)}"
        case BuiltIn():
            return f"built-in {meaning.name}"
        case Document():
            return ".".join("*" if part is None else part for part in meaning.path)


def names(text: str) -> list[str]:
    """`text: meaning` of each name after the first line, with `!` where it is bound."""
    module = parse_module(Source("a.ward", f"package acme.a\n{text}"))
    return [
        f"{one.span.text}{'!' if one.binds else ''}: {told(one.meaning)}"
        for one in occurrences(module, exports([module]), FIELDS)
        if one.span.line > 1
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("p := 1", ["p!: data.acme.a.p"]),
        ("p.q := 1", ["p!: data.acme.a.p", "q!: data.acme.a.p.q"]),
        ('p["q"] := 1', ["p!: data.acme.a.p", "q!: data.acme.a.p.q"]),
        (
            "import data.lib.x as y\np := y.z",
            [
                "data: data",
                "lib: data.lib",
                "x: data.lib.x",
                "y!: alias data.lib.x",
                "p!: data.acme.a.p",
                "y: alias data.lib.x",
                "z: data.lib.x.z",
            ],
        ),
        (
            "import data.lib.x\np := x",
            ["data: data", "lib: data.lib", "x: data.lib.x", "p!: data.acme.a.p", "x: data.lib.x"],
        ),
        (
            "f(x) := x if x else := x",
            ["f!: data.acme.a.f", "x!: variable 0:x", *["x: variable 0:x"] * 3],
        ),
        (
            "p contains x if some x in data.q[_].r",
            [
                "p!: data.acme.a.p",
                "x: variable 0:x",
                "x!: variable 0:x",
                "data: data",
                "q: data.q",
                "r: data.q.*.r",
            ],
        ),
        (
            "p if { x := 1; count([x | some x in [2]]) == x }",
            [
                "p!: data.acme.a.p",
                "x!: variable 0:x",
                "count: built-in count",
                "x: variable 0:x#2",
                "x!: variable 0:x#2",
                "x: variable 0:x",
            ],
        ),
        (
            "p if { some i, j; data.q[i][j] }",
            [
                "p!: data.acme.a.p",
                "i!: variable 0:i",
                "j!: variable 0:j",
                "data: data",
                "q: data.q",
                "i: variable 0:i",
                "j: variable 0:j",
            ],
        ),
        (
            "p if every k, v in input.x { k == v }",
            [
                "p!: data.acme.a.p",
                "k!: variable 0:k",
                "v!: variable 0:v",
                "input: input",
                "x: input.x",
                "k: variable 0:k",
                "v: variable 0:v",
            ],
        ),
        (
            "p if input.x with input as 1 with json.patch as f\nf(x, y) := [x, y]",
            [
                "p!: data.acme.a.p",
                "input: input",
                "x: input.x",
                "input: input",
                "json.patch: built-in json.patch",
                "f: data.acme.a.f",
                "f!: data.acme.a.f",
                *["x!: variable 1:x", "y!: variable 1:y", "x: variable 1:x", "y: variable 1:y"],
            ],
        ),
        (
            'p := $"a{x}b" if x := 1',
            ["p!: data.acme.a.p", "x: variable 0:x", "x!: variable 0:x"],
        ),
        (
            "governs postgres\nmask column with redact if some column in sql.columns unless principal",
            [
                "column: variable 0:column",
                "column!: variable 0:column",
                "sql: input.sql",
                "columns: input.sql.columns",
                "principal: input.principal",
            ],
        ),
        (
            'governs *\nblock $"{http.path}" if http',
            ["http: input.http", "path: input.http.path", "http: input.http"],
        ),
        (
            'given data.x := y\ny := 1\ntest "t" {\n\tsome g in {"a"}\n\tgiven principal.groups := [g]\n'
            "\tgiven count := 3\n\twhen postgres `select`\n\texpect if sql.x == decision.verdict\n}",
            [
                "data: data",
                "x: data.x",
                "y: data.acme.a.y",
                "y!: data.acme.a.y",
                "g!: variable 2:g",
                "principal: input.principal",
                "groups: input.principal.groups",
                "g: variable 2:g",
                "count: built-in count",
                "sql: input.sql",
                "x: input.sql.x",
                "decision: decision",
                "verdict: decision.verdict",
            ],
        ),
    ],
)
def test_names_mean_what_the_compiler_takes_them_for(text: str, wanted: list[str]) -> None:
    assert names(text) == wanted


def test_a_call_through_an_alias_is_taken_apart() -> None:
    text = "import data.lib as l\np if l.people.ok(1)"
    assert names(text)[-3:] == ["l: alias data.lib", "people: data.lib.people", "ok: data.lib.people.ok"]
