"""What requests of HTTP, Kubernetes, models, MCP and SSH do, by tables; and that no bytes of a caller's get further."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from doorward import Engine
from doorward.decide.document import complete
from doorward.decide.request import DOCUMENTS, OPERATIONS, REQUESTS
from doorward.facts import READERS

CASES = [
    pytest.param(kind, case, id=f"{kind}: {case['name']}")
    for kind in READERS
    for case in yaml.safe_load((Path(__file__).parent / f"cases/{kind}.yaml").read_text())
]
DEFAULTS: dict[str, dict[str, Any]] = {
    "http": {"method": "GET"},
    "kubernetes": {"method": "GET"},
    "llm": {"method": "POST"},
    "mcp": {"method": "POST", "target": "/mcp"},
    "ssh": {"request": "exec"},
}


def operation(kind: str, case: dict[str, Any]) -> dict[str, Any]:
    """The raw operation of a case, as a caller sends it."""
    given_fields = {
        name: value for name, value in case.items() if name not in ("name", "facts", "opaque", "json")
    }
    if "json" in case:
        given_fields["body"] = json.dumps(case["json"])
        given_fields["headers"] = {"Content-Type": ["application/json"]}
    return {**DEFAULTS[kind], **given_fields}


def read(kind: str, sent: Any):
    whole = complete({"resource": {"kind": kind}, OPERATIONS[kind]: sent}, {})
    return READERS[kind](whole[OPERATIONS[kind]])


@pytest.mark.parametrize(("kind", "case"), CASES)
def test_operations(kind: str, case: dict[str, Any]) -> None:
    reading = read(kind, operation(kind, case))
    if "opaque" in case:
        assert case["opaque"] in reading.opaque
        assert reading.facts == {}
        return
    assert reading.opaque == ""
    facts = reading.facts[kind]
    assert {name: facts[name] for name in case["facts"]} == case["facts"]
    for section, found in reading.facts.items():
        model = DOCUMENTS[kind].model_fields[section].annotation
        assert model.model_validate(found).model_dump() == found, "facts are total and as their schema says"


@pytest.mark.parametrize("kind", READERS)
@given(data=st.data())
def test_whatever_is_sent_is_read_or_opaque(kind: str, data: st.DataObject) -> None:
    sent = {**DEFAULTS[kind], **data.draw(OPERATIONS_OF[kind])}
    reading = read(kind, sent)
    assert bool(reading.opaque) is not bool(reading.facts)
    for section, found in reading.facts.items():
        DOCUMENTS[kind].model_fields[section].annotation.model_validate(found)


_SPELLING = st.lists(
    st.sampled_from([*"ab/.%25;\\?&=+#:@ ", "\0", "é", "%2e", "%2F", "//"]), max_size=12
).map("".join)
_WORDS = st.lists(st.sampled_from([*"ab ;|&'\"$`\\=(){}<>*\n", "&&", "||", "if"]), max_size=14).map("".join)
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["tools/call", "m", "2.0"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "model",
                    "messages",
                    "content",
                    "role",
                    "tools",
                    "name",
                    "jsonrpc",
                    "id",
                    "method",
                    "params",
                    "parts",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
_HTTP = st.fixed_dictionaries(
    {"target": _SPELLING.map("/".__add__) | _SPELLING},
    optional={
        "method": st.sampled_from(["GET", "POST", "DELETE", "get", "", "PURGE"]),
        "headers": st.dictionaries(
            st.sampled_from(["Host", "content-type", "X", "x"]), st.lists(_SPELLING, max_size=2)
        ),
        "body": _JSON.map(json.dumps) | _SPELLING,
    },
).map(lambda sent: {**sent, "headers": {**sent.get("headers", {}), "Content-Type": ["application/json"]}})
_SSH = st.fixed_dictionaries(
    {},
    optional={
        "command": _WORDS,
        "request": st.sampled_from(["exec", "shell", "sftp", "x"]),
        "path": _SPELLING,
    },
)
OPERATIONS_OF = {kind: _SSH if kind == "ssh" else _HTTP for kind in READERS}


def test_every_kind_has_its_reader() -> None:
    assert READERS.keys() | {"postgres"} == DOCUMENTS.keys() == REQUESTS.keys()


ALL = 'package p\ngoverns *\nallow "all"\nmask $.user.email, content(card_number) with redact\n'


@pytest.mark.parametrize("kind", READERS)
def test_an_operation_that_is_opaque_is_blocked_and_another_one_masked_by_path_and_content(kind: str) -> None:
    engine = Engine.from_sources({"p.ward": ALL})
    good = {"request": "shell"} if kind == "ssh" else {"method": "GET", "target": "/mcp"}
    request = {"resource": {"kind": kind}, "action": {"name": "call"}}
    decision = engine.decide({**request, OPERATIONS[kind]: good})
    assert decision.verdict == "allow"
    assert [mask.target for mask in decision.masks] == ["$.user.email", "content(card_number)"]
    assert (
        decision.facts.keys()
        == READERS[kind](complete({**request, OPERATIONS[kind]: good}, {})[OPERATIONS[kind]]).facts.keys()
    )
    decision = engine.decide({**request, OPERATIONS[kind]: {}})
    assert decision.verdict == "block"
    assert decision.reasons[0].text.startswith("the request cannot be analysed: ")
    assert decision.facts == {}


def test_a_mask_on_a_column_cannot_be_carried_out_on_a_document() -> None:
    engine = Engine.from_sources(
        {"p.ward": 'package p\ngoverns *\nallow "all"\nmask customers.ssn with redact\n'}
    )
    document = {
        "resource": {"kind": "http"},
        "action": {"name": "call"},
        "http_request": {"method": "GET", "target": "/"},
    }
    decision = engine.decide(document)
    assert (decision.verdict, decision.reasons[0].text) == (
        "block",
        "`customers.ssn` is a column, and this answer has none",
    )


def test_a_consent_is_bound_to_the_raw_operation() -> None:
    engine = Engine.from_sources(
        {"p.ward": 'package p\ngoverns http\nallow "all"\napprove "wait" by "dba"\n'}
    )

    def bound(target: str) -> str:
        sent = {"http_request": {"method": "GET", "target": target}}
        return engine.decide(
            {"resource": {"kind": "http"}, "action": {"name": "call"}, **sent}
        ).operation_hash

    assert bound("/a") == bound("/a") != bound("/b")
