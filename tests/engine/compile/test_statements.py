"""The decision function of a kind: what holds, what it says, and what fails."""

from __future__ import annotations

from typing import Any

import pytest

from doorward.compile import (
    AllowPayload,
    ApprovePayload,
    BlockPayload,
    CallContext,
    Compiled,
    CredentialPayload,
    MaskerSpec,
    MaskPayload,
    Target,
)

from .compiling import compiled

HEAD = "package p\n\ngoverns postgres\n\n"


def held(policy: Compiled, document: Any, kind: str = "postgres") -> list[Any]:
    findings = policy.evaluate(kind, document, CallContext())
    assert not findings.errors
    return [one.payload for one in findings.held]


@pytest.mark.parametrize(
    ("statement", "payload"),
    [
        ("allow if input.x", AllowPayload(None)),
        ('allow "r" if input.x', AllowPayload("r")),
        ('block "r"', BlockPayload("r")),
        ('block "r" unless input.y', BlockPayload("r")),
        (
            "mask t.c, *.d with partial(4)",
            MaskPayload(None, (Target("field", "t.c"), Target("field", "*.d")), MaskerSpec("partial", (4,))),
        ),
        (
            'mask "r" $.a[*].b with replace("x")',
            MaskPayload("r", (Target("json_path", "$.a[*].b"),), MaskerSpec("replace", ("x",))),
        ),
        (
            "mask content(card_number) with hash",
            MaskPayload(None, (Target("content", "card_number"),), MaskerSpec("hash")),
        ),
        ('approve "r" by "b", "a" within 15m', ApprovePayload("r", ("a", "b"), 900_000)),
        ('approve by "a" if input.x', ApprovePayload(None, ("a",), None)),
        ('credential ttl 60s single_use as "ro" if input.x', CredentialPayload(None, 60_000, True, "ro")),
        ("credential ttl 15m", CredentialPayload(None, 900_000, False, None)),
    ],
)
def test_static_payloads(statement: str, payload: object) -> None:
    policy = compiled(HEAD + statement)
    assert held(policy, {"x": True}) == [payload]
    (info,) = policy.statements("postgres")
    assert (info.payload, info.complete, info.id, info.governed_rule) == (payload, True, "p:5", False)
    assert info.place == "p0.ward:5:1"


def test_conditions_and_exceptions() -> None:
    policy = compiled(HEAD + 'block "a" if input.x unless { input.y; input.z }')
    assert held(policy, {"x": True}) == [BlockPayload("a")]
    assert held(policy, {"x": True, "y": True}) == [BlockPayload("a")]
    assert held(policy, {"x": True, "y": True, "z": True}) == []
    assert held(policy, {"x": False}) == []


def test_heads_use_the_variables_of_the_body() -> None:
    policy = compiled(
        HEAD + 'mask $"for {c}" c with redact if some c in input.columns unless c in input.open'
    )
    got = held(policy, {"columns": ["a.b", "a.c", "a.d"], "open": ["a.c"]})
    assert [(one.reason, [target.text for target in one.targets]) for one in got] == [
        ("for a.b", ["a.b"]),
        ("for a.d", ["a.d"]),
    ]
    (info,) = policy.statements("postgres")
    assert not info.complete
    assert info.payload == MaskPayload(None, (), MaskerSpec("redact"))


def test_a_static_payload_holds_once() -> None:
    policy = compiled(HEAD + 'block "r" if some x in input.all')
    assert held(policy, {"all": [1, 2, 3]}) == [BlockPayload("r")]


@pytest.mark.parametrize(
    "statement",
    [
        "mask c with redact if c := input.nothing_of_text",
        "approve by input.missing",
        "credential ttl 1s as input.missing",
        "block if to_number(input.text) > 1",
        'allow if { input.text == "a"; to_number(input.text) > 1 }',
        "block if input.text unless to_number(input.text) > 1",
        "block if twice",
    ],
)
def test_errors_are_told_and_hide_nothing(statement: str) -> None:
    policy = compiled(
        HEAD + "twice := 1\n\ntwice := 2 if input.text\n\n" + f'block "before"\n{statement}\nblock "after"'
    )
    findings = policy.evaluate("postgres", {"text": "a", "nothing_of_text": 1}, CallContext())
    assert sorted(one.payload.reason for one in findings.held) == ["after", "before"]
    (failed,) = findings.errors
    assert failed.info is not None
    assert failed.info.span.line == 10
    assert failed.error.span is not None


def test_a_false_test_of_the_request_wins_over_an_error() -> None:
    policy = compiled(HEAD + 'block if { to_number(input.text) > 1; input.action == "write" }')
    assert held(policy, {"text": "a", "action": "read"}) == []


def test_kinds_are_kept_apart() -> None:
    policy = compiled(
        'package a\n\ngoverns postgres\n\nblock "sql"',
        'package b\n\ngoverns http, ssh\n\nblock "wire"',
        'package c\n\ngoverns *\n\nblock "all"',
    )
    assert sorted(one.reason for one in held(policy, {}, "postgres")) == ["all", "sql"]
    assert sorted(one.reason for one in held(policy, {}, "ssh")) == ["all", "wire"]
    assert sorted(one.reason for one in held(policy, {}, "unheard_of")) == ["all"]
    assert policy.kinds == {"postgres", "http", "ssh", "*"}
    assert [info.id for info in policy.statements("http")] == ["b:5", "c:5"]


GOVERNED = "# METADATA\n# custom:\n#   governs: [postgres]\npackage g\n\n"


@pytest.mark.parametrize(
    ("rules", "payloads"),
    [
        ("allow if input.x", [AllowPayload(None)]),
        ("default allow := false", []),
        ("allow := input.x", [AllowPayload(None)]),
        ("allow if input.missing", []),
        ('deny contains "m" if input.x', [BlockPayload("m")]),
        ('deny contains {"msg": "m", "more": 1}', [BlockPayload("m")]),
        ('block contains {"reason": "m"}', [BlockPayload("m")]),
        ('allow contains "m"', [AllowPayload("m")]),
        (
            'mask contains {"target": "t.c", "with": {"masker": "partial", "args": [4]}}',
            [MaskPayload(None, (Target("field", "t.c"),), MaskerSpec("partial", (4,)))],
        ),
        ('approve contains {"by": ["b", "a"], "within_ms": 5}', [ApprovePayload(None, ("a", "b"), 5)]),
        ('credential contains {"ttl_ms": 5, "as": "r"}', [CredentialPayload(None, 5, False, "r")]),
    ],
)
def test_governed_rules(rules: str, payloads: list[Any]) -> None:
    policy = compiled(GOVERNED + rules)
    assert held(policy, {"x": True}) == payloads
    assert policy.statements("postgres")[0].governed_rule


@pytest.mark.parametrize(
    "rules",
    [
        "allow := 1",
        'deny := "m"',
        "deny contains 1",
        'mask contains "t.c"',
        'mask contains {"with": "redact"}',
        'mask contains {"target": 1}',
        'mask contains {"target": "t.c", "with": 1}',
        "approve := true",
        'approve contains {"by": [1]}',
        'approve contains {"within_ms": 5}',
        'credential contains {"ttl_ms": "5"}',
        'credential contains {"single_use": 1}',
    ],
)
def test_governed_rules_that_say_nothing_understood_are_errors(rules: str) -> None:
    findings = compiled(GOVERNED + rules).evaluate("postgres", {}, CallContext())
    assert not findings.held
    (failed,) = findings.errors
    assert failed.error.code == "eval_type_error"


def test_statements_that_cannot_hold_are_not_touched() -> None:
    lines = "\n".join(
        f'block "r{n}" if {{ input.user == "u{n}"; to_number(input.text) > 1 }}' for n in range(50)
    )
    policy = compiled(HEAD + lines)
    assert "index input.user is one of 50 values, for 50 definitions" in policy.format_plan()
    (failed,) = policy.evaluate("postgres", {"user": "u7", "text": "a"}, CallContext()).errors
    assert failed.info is not None
    assert failed.info.payload == BlockPayload("r7")
    assert not policy.evaluate("postgres", {"user": "u50", "text": "a"}, CallContext()).errors
    assert not policy.evaluate("postgres", {"text": "a"}, CallContext()).errors


def test_plans_can_be_read() -> None:
    policy = compiled(
        HEAD + 'analyst if "analysts" in input.groups\n\n'
        'f(x) := x + 1\n\nallow if { analyst; f(input.n) > 2; not input.off; every g in input.groups { g != "" } }'
    )
    text = policy.format_plan()
    for line in [
        "complete data.p.analyst",
        'test "analysts" in v1',
        "data.p.f(v0)",
        "= data.p.analyst",
        "none of",
    ]:
        assert line in text
