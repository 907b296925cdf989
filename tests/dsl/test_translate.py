"""Ward as plain Rego: the translation compiles on its own, and says the same."""

from __future__ import annotations

import pytest

from doorward_dsl import Source, parse_module
from doorward_dsl.compile import compile_modules
from doorward_dsl.program import Program
from doorward_dsl.syntax import Literal, Not, Object, Ref, Scalar, Term
from doorward_dsl.translate import translate

FIELDS = {
    "principal": {"type": "object", "properties": {"groups": {"type": "array", "items": {"type": "string"}}}},
    "resource": {"type": "object", "properties": {"kind": {"type": "string"}}},
    "sql": {
        "type": "object",
        "properties": {
            "tables": {"type": "array", "items": {"type": "string"}},
            "writes": {"type": "boolean"},
        },
    },
}
SCHEMAS = {kind: {"type": "object", "properties": FIELDS} for kind in ("postgres", "http")}


def compiled(*texts: str) -> Program:
    modules = [parse_module(Source(f"{number}.ward", text)) for number, text in enumerate(texts)]
    return compile_modules(modules, schemas=SCHEMAS)


def exported(*texts: str) -> Program:
    """The translation, compiled as plain Rego: untyped, with nothing governed but by annotation."""
    return compile_modules(translate(compiled(*texts)))


def plain(term: Term | None) -> object:
    if isinstance(term, Scalar):
        return term.value
    if isinstance(term, Object):
        return {plain(key): plain(value) for key, value in term.pairs}
    return [plain(item) for item in term.items] if hasattr(term, "items") else term


TRANSLATED = [
    ('block "no" if sql.writes', "block", [{"id": "p:3", "reason": "no"}]),
    ("allow", "allow", [{"id": "p:3"}]),
    (
        "mask a.b, content(email), $.x[*].y[0] with partial(4)",
        "mask",
        [
            {"id": "p:3", "target": "a.b", "with": {"masker": "partial", "args": [4]}},
            {"id": "p:3", "target": "content(email)", "with": {"masker": "partial", "args": [4]}},
            {"id": "p:3", "target": "$.x[*].y[0]", "with": {"masker": "partial", "args": [4]}},
        ],
    ),
    ("mask a.b with hash", "mask", [{"id": "p:3", "target": "a.b", "with": "hash"}]),
    (
        'approve "w" by "a", "b" within 15m',
        "approve",
        [{"id": "p:3", "reason": "w", "by": ["a", "b"], "within_ms": 900_000}],
    ),
    (
        'credential ttl 60s single_use as "r"',
        "credential",
        [{"id": "p:3", "single_use": True, "ttl_ms": 60_000, "as": "r"}],
    ),
]


@pytest.mark.parametrize(("text", "verb", "wanted"), TRANSLATED)
def test_statement(text: str, verb: str, wanted: list[object]) -> None:
    program = exported(f"package p\ngoverns postgres\n{text}\n")
    assert [plain(rule.head.key) for rule in program.rules["p", verb]] == wanted
    assert [(one.id, one.verb, one.kinds) for one in program.governed_rules] == [
        (f"p.{verb}", verb, ("postgres",))
    ]
    assert program.statements == ()


def negated(body: tuple[Literal, ...]) -> list[str]:
    return [line.expr.expr.span.text for line in body if isinstance(line.expr, Not)]


def test_one_plain_exception_is_negated_in_place() -> None:
    program = exported('package p\ngoverns postgres\nblock if sql.writes unless "dba" in principal.groups\n')
    (rule,) = program.rules["p", "block"]
    assert negated(rule.body) == ['"dba" in principal.groups']
    assert ("p", "unless_3") not in program.rules


def test_several_lines_are_negated_as_one_with_the_variables_they_share() -> None:
    program = exported(
        "package p\ngoverns postgres\nunless_4 := 1\n"
        "block if some t in sql.tables unless { some g in principal.groups; startswith(t, g) }\n"
    )
    (auxiliary,) = program.rules["p", "unless_4_2"]
    assert auxiliary.head.args is not None
    assert len(auxiliary.head.args) == 1
    assert len(auxiliary.body) == 2


def test_names_that_resolution_made_unique_are_legal_again_and_capture_nothing() -> None:
    program = exported(
        "package p\ngoverns postgres\nx_2 := 1\n"
        "f(x) := [x | x := 1; x_2 == 1] if { some i; data.a[i] == x } else := 3\n"
        'block $"{t}" if { some t in sql.tables; count := 2; count > 1; print(t); f(t) }\n'
    )
    assert {path[-1] for path in program.rules} == {"x_2", "f", "block"}


def test_files_of_one_package_that_govern_different_kinds_stay_apart() -> None:
    program = exported(
        "package p\ngoverns postgres\nblock if sql.writes\n",
        "package p\ngoverns http\n\nblock if sql.writes\n",
    )
    assert program.governed_rules[0].kinds == ("http", "postgres")
    guards = [rule.body[0].expr for rule in program.rules["p", "block"]]
    assert len(guards) == 2
    texts = sorted(
        str(part.value)
        for rule in program.rules["p", "block"]
        for literal in rule.body
        for call in [getattr(literal.expr, "term", None)]
        if hasattr(call, "args") and isinstance(call.args[0], Ref)
        for part in call.args[1].items
    )
    assert texts == ["http", "postgres"]


def test_plain_rego_files_are_left_to_their_text() -> None:
    modules = [parse_module(Source("a.rego", "package a\np := 1\n"))]
    assert translate(compile_modules(modules)) == ()
