"""Ward's own statements, and the names that stay Rego's."""

from __future__ import annotations

import pytest
from tests.support.shapes import shape

from doorward_dsl import ParseError, Source, parse_module
from doorward_dsl.syntax import ExpectCredential, ExpectMask, ExpectVerdict, Given, When

STATEMENTS = [
    ('mask "a.*.b", "$.x[0]" with hash', '(mask - a.*.b $["x"][0] with hash)'),
    ("allow", "(allow -)"),
    ("allow if x", "(allow - if x)"),
    ('allow "r"', '(allow "r")'),
    ('allow "r" if { x; y }', '(allow "r" if x; y)'),
    ('block "r" if x unless y', '(block "r" if x unless y)'),
    ("block unless {a; b} if c", "(block - if c unless a; b)"),
    (
        'block $"{t} is closed" if some t in sql.tables',
        '(block (template t " is closed") if (some-in t (ref sql "tables")))',
    ),
    (
        "mask customers.ssn, *.card, s.t.c with partial(4)",
        "(mask - customers.ssn *.card s.t.c with (partial 4))",
    ),
    ('mask "r" customers.email with hash unless x', '(mask "r" customers.email with hash unless x)'),
    (
        'mask content(card_number), $.user["e mail"].x[0][*] with redact',
        '(mask - content(card_number) $["user"]["e mail"]["x"][0]["*"] with redact)',
    ),
    (
        "mask column with null if some column in sql.columns",
        '(mask - <column> with null if (some-in column (ref sql "columns")))',
    ),
    ('mask t[0], "a.b" with replace("x")', '(mask - <(ref t 0)> a.b with (replace "x"))'),
    ("mask a.*.b with format_preserving", "(mask - a.*.b with format_preserving)"),
    ('approve "r" by "dba", team within 15m if x', '(approve "r" by "dba" team within 900000 if x)'),
    ('approve by "dba"\n  within 500ms\n  unless y', '(approve - by "dba" within 500 unless y)'),
    (
        'credential ttl 60s single_use as "readonly" if x',
        '(credential - ttl 60000 single_use True as "readonly" if x)',
    ),
    ("credential as role(x) ttl 7d", "(credential - ttl 604800000 single_use False as (role x))"),
    ("credential single_use", "(credential - ttl None single_use True as -)"),
    ('allow "a"\nblock "b"\nallow', '(allow "a") (block "b") (allow -)'),
    ('allow if x block "y" if z', '(allow - if x) (block "y" if z)'),
    (
        'approve "r" within 8h by g if {"a": 1} == b',
        '(approve "r" by g within 28800000 if (equal {"a": 1} b))',
    ),
]

RULES_IN_A_GOVERNING_FILE = [
    "allow := 3",
    "allow contains x if x := 1",
    "default allow := false",
    "mask := 1",
    "block(x) := x",
    "approve.by := 1",
    "credential[x] := 1 if x := 2",
    "test if { true }",
    "test_it if true",
    "governs := 1",
    "unless := 1",
    'by contains "x"',
    "allow = true if x",
    "p if { allow; block(x); mask.by }",
]


@pytest.mark.parametrize(("text", "expected"), STATEMENTS)
def test_statements(text: str, expected: str) -> None:
    module = parse_module(Source("p.ward", f"package t\ngoverns postgres\n{text}\n"))
    assert " ".join(shape(statement) for statement in module.statements) == expected
    assert module.rules == ()


@pytest.mark.parametrize("text", RULES_IN_A_GOVERNING_FILE)
def test_names_that_stay_rego(text: str) -> None:
    module = parse_module(Source("p.ward", f"package t\ngoverns postgres\n{text}\n"))
    assert module.statements == ()
    assert len(module.rules) == 1


@pytest.mark.parametrize("verb", ["allow", "block"])
def test_a_bare_verb_is_a_rule_where_nothing_is_governed(verb: str) -> None:
    module = parse_module(Source("p.ward", f"package t\n{verb} if {{ true }}\n"))
    assert (len(module.rules), len(module.statements)) == (1, 0)


def test_an_unmistakable_statement_is_one_even_where_nothing_is_governed() -> None:
    module = parse_module(Source("p.ward", 'package t\nallow "r" if x\ncredential ttl 5s\n'))
    assert len(module.statements) == 2


def test_rego_files_have_no_statements() -> None:
    with pytest.raises(ParseError):
        parse_module(Source("p.rego", 'package t\nallow "r" if x\n'))


@pytest.mark.parametrize(
    ("text", "kinds"), [("governs postgres, http\n", ("postgres", "http")), ("governs *\n", ("*",)), ("", ())]
)
def test_governs_stands_before_or_after_the_imports(text: str, kinds: tuple[str, ...]) -> None:
    for body in (f"{text}import data.x\n", f"import data.x\n{text}"):
        assert parse_module(Source("p.ward", f"package t\n{body}")).governs == kinds


def test_test_blocks() -> None:
    text = """package t
governs postgres
test "no drop" {
    given principal.groups := [
        "contractors"
    ]
    given time.now := 1; when postgres `drop table x`
    expect block "schema changes"
    expect mask customers.ssn with partial(4)
    expect credential ttl 60s as "reader"
}
"""
    (block,) = parse_module(Source("p.ward", text)).tests
    groups, now, when, verdict, mask, credential = block.steps
    assert block.name == "no drop"
    assert [(shape(step.target), shape(step.value)) for step in (groups, now) if isinstance(step, Given)] == [
        ('(ref principal "groups")', '["contractors"]'),
        ('(ref time "now")', "1"),
    ]
    assert isinstance(when, When)
    assert (when.kind, when.action, shape(when.operation)) == ("postgres", None, '"drop table x"')
    assert isinstance(verdict, ExpectVerdict)
    assert (verdict.verdict, shape(verdict.reason)) == ("block", '"schema changes"')
    assert isinstance(mask, ExpectMask)
    assert [target.span.text for target in mask.targets] == ["customers.ssn"]
    assert mask.masker is not None
    assert (mask.masker.name, mask.masker.args) == ("partial", (4,))
    assert isinstance(credential, ExpectCredential)
    assert (credential.ttl_ms, credential.single_use, shape(credential.role)) == (60_000, False, '"reader"')


def test_the_span_of_a_statement_holds_all_of_it() -> None:
    text = 'package t\ngoverns *\nmask "r" a.b with hash if {\n  x\n} unless y # end\n'
    (statement,) = parse_module(Source("p.ward", text)).statements
    assert statement.span.text == 'mask "r" a.b with hash if {\n  x\n} unless y'
