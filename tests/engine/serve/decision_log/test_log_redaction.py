"""What must not be written is not: in no line, whatever it stood in, and whatever went wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.decision_log import SOURCES, http_request, made, postgres_request

from doorward import Engine
from doorward.serve.decision_log.counts import Counts
from doorward.serve.decision_log.lines import LineWriter
from doorward.serve.decision_log.rules import MaskFailed, rules_of
from doorward.serve.decision_log.secrets import REDACTED, Secrets

CANARY = "canary-7f3a"


def engine_with(rules: str, data: dict[str, Any] | None = None) -> Engine:
    return Engine.from_sources({**SOURCES, "log.rego": f"package system.log\n\n{rules}\n"}, data)


def line_of(
    request: Any, rules: str = "", *, secrets: Secrets | None = None, counts: Counts | None = None
) -> bytes:
    engine = engine_with(rules) if rules else Engine.from_sources(SOURCES)
    writer = LineWriter(Secrets() if secrets is None else secrets, counts or Counts())
    return writer.line(made(request, engine=engine), rules_of(engine))


# --- known secrets ---


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "Authorization",
        "proxy-authorization",
        "Cookie",
        "set-cookie",
        "x-api-key",
        "X-Vault-Token",
        "private-token",
        "x-hub-signature",
        "X-Amz-Security-Token",
        "x-goog-iap-jwt-assertion",
        "x-our-own",
    ],
)
def test_known_headers_are_written_over_everywhere(name: str) -> None:
    request = http_request(headers={name: [f"Bearer {CANARY}-quoted"], "accept": ["text/html"]})
    decided = made(request)
    assert CANARY in decided.decision.reasons[0].text  # a rule quotes it
    line = LineWriter(Secrets(["x-our-own"]), Counts()).line(decided, None)
    assert CANARY.encode() not in line
    entry = json.loads(line)
    assert entry["request"]["http_request"]["headers"] == {
        name: [REDACTED],
        "accept": ["text/html"],
    }
    assert entry["decision"]["facts"]["http"]["headers"]["accept"] == "text/html"
    assert f"/request/http_request/headers/{name}" in entry["masked"]
    assert f"/decision/facts/http/headers/{name.lower()}" in entry["masked"]
    assert "/decision" in entry["masked"]
    assert entry["decision"]["verdict"] == decided.decision.verdict
    assert CANARY in str(request)  # which others share


@pytest.mark.parametrize(
    ("target", "left"),
    [
        (f"/a?access_token={CANARY}&x=1", f"/a?access_token={REDACTED}&x=1"),
        (f"/a?x=1&API_KEY={CANARY}", f"/a?x=1&API_KEY={REDACTED}"),
        (f"/a?X-Amz-Signature={CANARY}#f", f"/a?X-Amz-Signature={REDACTED}#f"),
    ],
)
def test_known_parameters_are_written_over(target: str, left: str) -> None:
    line = line_of(http_request(target=target))
    assert CANARY.encode() not in line
    assert json.loads(line)["request"]["http_request"]["target"] == left


def test_a_parameter_in_other_letters_is_not_in_the_facts() -> None:
    entry = json.loads(line_of(http_request(target="/a?access_token=can%61ry-7f3a&tok%65n=can%61ry-7f3a")))
    assert CANARY not in str(entry["decision"])


@pytest.mark.parametrize(
    ("statement", "left"),
    [
        (f"alter role a password '{CANARY}'", f"alter role a password '{REDACTED}'"),
        (f"CREATE USER a PASSWORD E'x\\'{CANARY}' CREATEDB", f"CREATE USER a PASSWORD '{REDACTED}' CREATEDB"),
        (f"alter role a password '''{CANARY}'", None),
        (
            f"alter role a password $q${CANARY}$q$ valid until 'x'",
            f"alter role a password '{REDACTED}' valid until 'x'",
        ),
        (f"create user mapping for a server s options (password '{CANARY}', x 'y')", None),
        (f"select dblink('host=a password={CANARY} user=b', 'select 1')", None),
        (f"select dblink('host=a password=''{CANARY} x'' user=b', 'select 1')", None),
        (f"select dblink(E'host=a password=\\'{CANARY} x\\' user=b', 'select 1')", None),
        (
            f"select 1 from users where password = '{CANARY}'",
            f"select 1 from users where password = '{REDACTED}'",
        ),
        (f"alter role a password '{CANARY}", f"alter role a password '{REDACTED}'"),
    ],
)
def test_passwords_in_sql_are_written_over(statement: str, left: str | None) -> None:
    request = postgres_request(statement)
    request["postgres"]["prepared"] = {"p": statement}
    line = line_of(request)
    assert CANARY.encode() not in line
    entry = json.loads(line)
    assert left is None or entry["request"]["postgres"]["statement"] == left
    # what the parser says of half a statement quotes it
    of_decision = ["/decision"] if statement.endswith(CANARY) else []
    assert entry["masked"] == [*of_decision, "/request/postgres/prepared", "/request/postgres/statement"]


@pytest.mark.parametrize(
    "statement",
    [
        "select password from users where password = $1",
        "select u.password = v.password from users u, users v",
        "select password_hash, 'x' from users",
        "set password_encryption = 'scram-sha-256'",
    ],
)
def test_what_only_looks_like_a_password_stays(statement: str) -> None:
    entry = json.loads(line_of(postgres_request(statement)))
    assert entry["request"]["postgres"]["statement"] == statement


def test_nothing_is_written_over_where_that_is_not_wanted() -> None:
    request = http_request(headers={"authorization": [CANARY]})
    line = LineWriter(None, Counts()).line(made(request), None)
    assert json.loads(line)["request"] == request


@settings(max_examples=50)
@given(
    st.recursive(
        st.text() | st.none() | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_sections_of_any_shape_are_no_trouble(section: Any) -> None:
    secrets = Secrets()
    for request in (
        section,
        {"http_request": section, "postgres": section},
        {"http_request": {"headers": section, "target": section}},
    ):
        secrets.hide(request, {"http": section})
        secrets.hide({"postgres": {"statement": section, "prepared": section}}, {})


# --- masks ---


def test_masks_erase_and_write_over_as_opa_has_them() -> None:
    rules = f"""
mask contains "/request/principal/claims/ssn"
mask contains {{"op": "upsert", "path": "/request/principal/id", "value": "x"}} if input.decision.verdict == "allow"
mask contains {{"op": "remove", "path": "/request/session"}}
mask contains "/request/nowhere/at/all"
mask contains "/decision/operation_hash"
mask contains "/request/principal/id" if input.request.principal.id == "{CANARY}"
"""
    request = postgres_request(id="ana", claims={"ssn": CANARY, "name": "Ana"})
    request["session"] = {"id": CANARY}
    counts = Counts()
    entry = json.loads(line_of(request, rules, counts=counts))
    assert CANARY not in str(entry)
    assert entry["request"]["principal"] == {
        "id": "x",
        "kind": "human",
        "groups": ["analysts"],
        "claims": {"name": "Ana"},
    }
    assert "session" not in entry["request"]
    assert "operation_hash" not in entry["decision"]
    assert entry["erased"] == [
        "/decision/operation_hash",
        "/request/principal/claims/ssn",
        "/request/session",
    ]
    assert entry["masked"] == ["/request/principal/id"]
    assert (counts.redacted, counts.redaction_failed) == (1, 0)


def test_what_is_masked_in_the_request_is_masked_where_the_decision_says_it() -> None:
    rules = 'mask contains "/request/principal/claims/quoted"'
    request = postgres_request(claims={"quoted": f"{CANARY} and more"})
    assert CANARY in made(request).decision.reasons[0].text
    entry = json.loads(line_of(request, rules))
    assert CANARY not in str(entry)
    assert entry["decision"]["reasons"][0]["text"] == f"{REDACTED} is wrong"


def test_facts_go_with_the_operation_that_they_were_made_of() -> None:
    body = json.dumps({"card": CANARY.replace("-", "\u002d")}).replace("-", "\\u002d")
    request = http_request(method="POST", headers={"content-type": ["application/json"]}, body=body)
    assert CANARY in str(made(request).decision.facts)
    entry = json.loads(line_of(request, 'mask contains "/request/http_request/body"'))
    assert CANARY not in str(entry)
    assert entry["decision"]["facts"] == {}
    assert entry["erased"] == ["/decision/facts", "/request/http_request/body"]


def test_the_whole_request_can_be_erased() -> None:
    entry = json.loads(line_of(postgres_request(id=CANARY), 'mask contains "/request"'))
    assert CANARY not in str(entry)
    assert "request" not in entry
    assert "/request" in entry["erased"]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            'mask contains "/request/principal" if to_number(input.request.principal.claims.secret) > 3',
            "eval_builtin_error",
        ),
        ('mask contains "/input/principal/claims/secret"', "a place begins with `/request` or `/decision`"),
        ('mask contains "request"', "a place begins with `/`"),
        ("mask contains 7", "a mask is a place, or an object with `op` and `path`"),
        (
            'mask contains {"op": "move", "path": "/request"}',
            "`op` of a mask is neither `remove` nor `upsert`",
        ),
        ('mask contains {"op": "upsert", "path": "/request/principal"}', "an `upsert` has no `value`"),
        ("mask := true", "`data.system.log.mask` is not a set"),
        ("mask := 1\nmask := 2 if input.request", "eval_conflict_error"),
        (
            'mask contains sprintf("/request/%d", [i]) if some i in numbers.range(1, 2000)',
            "more than 1000 masks",
        ),
    ],
)
def test_a_mask_that_cannot_be_followed_takes_the_request_away(rule: str, said: str) -> None:
    request = postgres_request(claims={"secret": CANARY, "quoted": CANARY}, id=CANARY)
    counts = Counts()
    line = line_of(request, rule, counts=counts)
    assert CANARY.encode() not in line
    entry = json.loads(line)
    assert entry["redaction_error"] == said
    assert "/request" in entry["erased"]
    assert entry["decision"]["verdict"] == "block"
    assert entry["decision"]["reasons"][0]["id"]
    assert (counts.redacted, counts.redaction_failed) == (0, 1)


def test_rules_that_cannot_be_compiled_take_every_request_away() -> None:
    writer = LineWriter(Secrets(), Counts())
    entry = json.loads(
        writer.line(made(postgres_request(id=CANARY)), MaskFailed("the rules cannot be asked"))
    )
    assert CANARY not in str(entry)
    assert entry["redaction_error"] == "the rules cannot be asked"


def test_a_fault_of_ours_takes_the_request_away() -> None:
    class Broken:
        def drops(self, event: Any) -> bool:
            raise KeyError(CANARY)

    line = LineWriter(Secrets(), Counts()).line(made(postgres_request(id=CANARY)), Broken())  # type: ignore[arg-type]
    assert CANARY.encode() not in line
    assert json.loads(line)["redaction_error"] == "internal error: KeyError"


def test_decisions_are_dropped_by_rule_and_never_by_mistake() -> None:
    rules = 'drop if input.request.principal.id == "ana"\n'
    counts = Counts()
    assert line_of(postgres_request(), rules, counts=counts) == b""
    assert line_of(postgres_request(id="eve"), rules) != b""
    assert counts.dropped_by_rule == 1
    assert line_of(postgres_request(), "drop := 1\ndrop := 2 if input.request") != b""
    assert line_of(postgres_request(), "drop := 1") != b""


def test_rules_may_be_data_and_where_there_are_none_nothing_is_asked() -> None:
    assert rules_of(Engine.from_sources(SOURCES)) is None
    assert (
        rules_of(Engine.from_sources({**SOURCES, "other.rego": "package system.other\n\nx := 1\n"})) is None
    )
    engine = Engine.from_sources(SOURCES, {"system": {"log": {"mask": ["/request/principal/id"]}}})
    entry = json.loads(
        LineWriter(None, Counts()).line(made(postgres_request(id=CANARY), engine=engine), rules_of(engine))
    )
    assert entry["erased"] == ["/request/principal/id"]


def test_masks_see_no_known_secret() -> None:
    rules = """mask contains {"op": "upsert", "path": "/request/principal/id", "value": header} if {
    some header in input.request.http_request.headers.authorization
}"""
    entry = json.loads(line_of(http_request(headers={"authorization": [CANARY]}), rules))
    assert entry["request"]["principal"]["id"] == REDACTED


def test_items_of_lists_keep_their_numbers() -> None:
    rules = """mask contains sprintf("/request/principal/groups/%d", [i]) if {
    some i, group in input.request.principal.groups
    startswith(group, "canary")
}"""
    entry = json.loads(line_of(postgres_request(groups=[CANARY, "a", CANARY]), rules))
    assert entry["request"]["principal"]["groups"] == [None, "a", None]
