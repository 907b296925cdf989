"""How findings become one decision: by algebra (for all findings) and by example."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward.compile.findings import (
    AllowPayload,
    ApprovePayload,
    BlockPayload,
    CredentialPayload,
    Failed,
    Findings,
    Held,
    MaskerSpec,
    MaskPayload,
    Payload,
    StatementInfo,
    Target,
)
from doorward.decide.combine import approvals_of, credential_of, gather, masker_strength, verdict_of
from doorward.decide.decision import Credential, Reason
from doorward.run.errors import BuiltinError
from doorward_dsl.source import Source, Span

SOURCE = Source("p.ward", "\n" * 50)
ORDER = ["allow", "approve", "block"]


def info(line: int, verb: Any, payload: Payload, *, complete: bool = True) -> StatementInfo:
    span = Span(SOURCE, line, line)
    return StatementInfo(f"p:{line}", verb, ("postgres",), span, payload, complete, False)


def held(line: int, verb: str, payload: Payload) -> Held:
    return Held(info(line, verb, payload), payload)


def failed(line: int, verb: str, payload: Payload, *, complete: bool = True) -> Failed:
    return Failed(info(line, verb, payload, complete=complete), BuiltinError("no"))


def findings(*parts: Held | Failed) -> Findings:
    found = Findings()
    for part in parts:
        (found.held if isinstance(part, Held) else found.errors).append(part)  # type: ignore[arg-type]
    return found


def outcome(found: Findings, *, issuing: bool = False) -> Any:
    """Everything that the combination says, as one comparable value."""
    gathered = gather(found, issuing=issuing)
    verdict, reasons = verdict_of(gathered)
    return (
        verdict,
        frozenset(reasons),
        frozenset(gathered.masks.items()),
        approvals_of(gathered),
        credential_of(gathered),
        frozenset(gathered.errors),
        frozenset(gathered.others),
    )


reasons = st.sampled_from([None, "a", "b"])
maskers = st.one_of(
    st.sampled_from([MaskerSpec(n) for n in ("redact", "null", "hash", "format_preserving")]),
    st.builds(lambda n: MaskerSpec("partial", (n,)), st.integers(0, 4)),
    st.builds(lambda t: MaskerSpec("replace", (t,)), st.sampled_from(["x", "y"])),
)
targets = st.lists(
    st.sampled_from([Target("field", t) for t in ("c.ssn", "*.ssn", "c.card")]), min_size=1
).map(tuple)
groups = st.sets(st.sampled_from(["dba", "sec"])).map(lambda g: tuple(sorted(g)))
payloads = st.one_of(
    st.tuples(st.just("allow"), st.builds(AllowPayload, reasons)),
    st.tuples(st.just("block"), st.builds(BlockPayload, reasons)),
    st.tuples(st.just("mask"), st.builds(MaskPayload, reasons, targets, maskers)),
    st.tuples(
        st.just("approve"),
        st.builds(ApprovePayload, reasons, groups, st.sampled_from([None, 1000, 9000])),
    ),
    st.tuples(
        st.just("credential"),
        st.builds(
            CredentialPayload,
            reasons,
            st.sampled_from([None, 1000, 60000]),
            st.booleans(),
            st.sampled_from([None, "ro", "rw"]),
        ),
    ),
)
parts = st.one_of(
    st.builds(lambda line, p: held(line, *p), st.integers(1, 6), payloads),
    st.builds(lambda line, p, c: failed(line, *p, complete=c), st.integers(1, 6), payloads, st.booleans()),
)


@settings(deadline=None)
@given(st.lists(parts, max_size=8), st.randoms(use_true_random=False), st.booleans())
def test_neither_order_nor_repetition_shows(
    all_parts: list[Any], chance: random.Random, issuing: bool
) -> None:
    shuffled = all_parts + chance.sample(all_parts, k=chance.randint(0, len(all_parts)))
    chance.shuffle(shuffled)
    assert outcome(findings(*shuffled), issuing=issuing) == outcome(findings(*all_parts), issuing=issuing)


@settings(deadline=None)
@given(st.lists(parts, max_size=6), parts)
def test_only_an_allow_that_holds_can_loosen(all_parts: list[Any], one_more: Held | Failed) -> None:
    before, after = outcome(findings(*all_parts))[0], outcome(findings(*all_parts, one_more))[0]
    loosens = isinstance(one_more, Held) and one_more.info.verb == "allow"
    assert loosens or ORDER.index(after) >= ORDER.index(before)


@settings(deadline=None)
@given(st.lists(parts, max_size=6), parts)
def test_a_mask_is_never_weakened(all_parts: list[Any], one_more: Held | Failed) -> None:
    before = gather(findings(*all_parts), issuing=False).masks
    after = gather(findings(*all_parts, one_more), issuing=False).masks
    assert all(after[target].strength >= masking.strength for target, masking in before.items())


@settings(deadline=None)
@given(st.lists(parts, max_size=8))
def test_allow_needs_an_allow_and_nothing_against_it(all_parts: list[Any]) -> None:
    verdict = outcome(findings(*all_parts))[0]
    if verdict == "allow":
        assert any(isinstance(p, Held) and p.info.verb == "allow" for p in all_parts)
        assert not any(p.info.verb in ("block", "approve") for p in all_parts)


ALLOW = held(1, "allow", AllowPayload("fine"))
APPROVE = ApprovePayload("ask", ("dba",), 9000)
MASK = MaskPayload("hide", (Target("field", "c.ssn"),), MaskerSpec("redact"))


@pytest.mark.parametrize(
    ("all_parts", "verdict", "texts"),
    [
        ([], "block", {"no statement allows this"}),
        ([ALLOW], "allow", {"fine"}),
        ([held(2, "mask", MASK)], "block", {"no statement allows this"}),
        ([held(2, "approve", APPROVE)], "block", {"no statement allows this"}),
        ([ALLOW, held(2, "approve", APPROVE)], "approve", {"ask"}),
        ([ALLOW, held(2, "approve", APPROVE), held(3, "block", BlockPayload("no"))], "block", {"no"}),
        ([ALLOW, held(3, "block", BlockPayload(None))], "block", {"blocked by p.ward:4:1"}),
        ([ALLOW, failed(1, "allow", AllowPayload("fine"))], "allow", {"fine"}),
        ([failed(1, "allow", AllowPayload("fine"))], "block", {"no statement allows this"}),
        (
            [ALLOW, failed(2, "block", BlockPayload("no"))],
            "block",
            {"no (its condition could not be evaluated)"},
        ),
        (
            [ALLOW, failed(2, "block", BlockPayload(None), complete=False)],
            "block",
            {"blocked by p.ward:3:1: its condition could not be evaluated"},
        ),
        (
            [ALLOW, failed(2, "approve", APPROVE)],
            "approve",
            {"ask (its condition could not be evaluated)"},
        ),
        ([ALLOW, failed(2, "mask", MASK)], "allow", {"fine"}),
        (
            [ALLOW, failed(2, "mask", MASK, complete=False)],
            "block",
            {"hide: its condition could not be evaluated"},
        ),
        (
            [ALLOW, failed(2, "approve", ApprovePayload("ask", (), None), complete=False)],
            "block",
            {"ask: its condition could not be evaluated"},
        ),
        (
            [ALLOW, held(2, "approve", ApprovePayload("ask", (), None))],
            "block",
            {"ask: nobody is named who could consent"},
        ),
        ([ALLOW, Failed(None, BuiltinError("x"))], "block", {"the policies could not be evaluated"}),
        ([ALLOW, failed(2, "credential", CredentialPayload(None, 1, False, None))], "allow", {"fine"}),
    ],
)
def test_verdicts(all_parts: list[Any], verdict: str, texts: set[str]) -> None:
    said, why = verdict_of(gather(findings(*all_parts), issuing=False))
    assert (said, {reason.text for reason in why}) == (verdict, texts)


def test_a_failed_mask_still_masks() -> None:
    gathered = gather(findings(ALLOW, failed(2, "mask", MASK)), issuing=False)
    assert [m.method for m in gathered.masks.values()] == ["redact"]
    assert {e.code for e in gathered.errors} == {"eval_builtin_error"}


def test_strength_of_maskers() -> None:
    rising = [
        MaskerSpec("partial", (8,)),
        MaskerSpec("partial", (4,)),
        MaskerSpec("partial", (0,)),
        MaskerSpec("format_preserving"),
        MaskerSpec("hash"),
        MaskerSpec("replace", ("a",)),
        MaskerSpec("replace", ("b",)),
        MaskerSpec("null"),
        MaskerSpec("redact"),
    ]
    strengths = [masker_strength(masker) for masker in rising]
    assert strengths == sorted(set(strengths))
    assert masker_strength(MaskerSpec("nobody_knows")) == masker_strength(MaskerSpec("redact"))


def grant(ttl_ms: int | None = None, single_use: bool = False, role: str | None = None) -> Held:
    return held(
        abs(hash((ttl_ms, single_use, role))) % 40,
        "credential",
        CredentialPayload(None, ttl_ms, single_use, role),
    )


@pytest.mark.parametrize(
    ("grants", "given_credential"),
    [
        ([], "no statement grants a credential"),
        ([grant(single_use=True)], "no statement says how long the credential may live"),
        ([grant(60_000)], Credential(60_000, False, "")),
        ([grant(60_000), grant(1_000)], Credential(1_000, False, "")),
        ([grant(60_000), grant(single_use=True)], Credential(60_000, True, "")),
        ([grant(60_000, role="ro"), grant(90_000)], Credential(60_000, False, "ro")),
        (
            [grant(1, role="ro"), grant(1, role="rw")],
            "statements grant a credential for different roles: `ro`, `rw`",
        ),
    ],
)
def test_credentials(grants: list[Held], given_credential: Credential | str) -> None:
    got = credential_of(gather(findings(*grants), issuing=True))
    assert (got.text if isinstance(got, Reason) else got) == given_credential


def test_a_credential_statement_that_fails_refuses_the_credential() -> None:
    found = findings(ALLOW, grant(60_000), failed(3, "credential", CredentialPayload(None, 1, False, None)))
    verdict, why = verdict_of(gather(found, issuing=True))
    assert verdict == "block"
    assert {r.text for r in why} == {
        "the credential is granted by p.ward:4:1: its condition could not be evaluated"
    }


def test_approvals_are_united_under_the_shortest_wait() -> None:
    gathered = gather(
        findings(
            held(2, "approve", ApprovePayload("b", ("dba",), 9000)),
            held(2, "approve", ApprovePayload("a", ("dba",), None)),
            held(3, "approve", ApprovePayload("c", ("sec",), 1000)),
        ),
        issuing=False,
    )
    united = approvals_of(gathered)
    assert [(a.statement_id, a.groups, a.within_ms, a.reason) for a in united] == [
        ("p:2", ("dba",), 1000, "a"),
        ("p:3", ("sec",), 1000, "c"),
    ]


def test_one_statement_that_asks_two_groups_apart_needs_both() -> None:
    gathered = gather(
        findings(
            held(2, "approve", ApprovePayload("ask", ("dba",), None)),
            held(2, "approve", ApprovePayload("ask", ("sec",), None)),
        ),
        issuing=False,
    )
    assert [a.statement_id for a in approvals_of(gathered)] == ["p:2(dba)", "p:2(sec)"]
