"""Who is asking, which sessions are live, and to what an access belongs."""

from __future__ import annotations

import pytest
import structlog.testing

from doorward_gateway.attribution import Attribution
from doorward_gateway.clock import rfc3339
from doorward_gateway.errors import IdentityRefused
from doorward_gateway.identity import Identities, Identity, StaticIdentities, StaticIdentity
from doorward_gateway.sessions import LiveSession, SessionRegistry
from doorward_gateway.text import one_line, printable

ADA = StaticIdentity("ada", "human", frozenset({"b", "a"}), "token-a")
BOT = StaticIdentity("bot", "agent", frozenset(), "token-b")


async def test_a_token_names_its_owner() -> None:
    identities = Identities([StaticIdentities([ADA, BOT], clock=lambda: 5)])
    ada = await identities.authenticate("token-a")
    assert ada.document() == {
        "id": "ada",
        "kind": "human",
        "groups": ["a", "b"],
        "issuer": "doorward:static",
        "claims": {},
        "authenticated_at": "1970-01-01T00:00:00.000000005Z",
    }
    assert (await identities.authenticate("token-b")).id == "bot"


@pytest.mark.parametrize("token", ["", "token", "token-a ", "TOKEN-A", "\ud800", "x" * 20_000])
async def test_any_other_token_is_refused(token: str) -> None:
    with pytest.raises(IdentityRefused):
        await Identities([StaticIdentities([ADA])]).authenticate(token)


async def test_providers_are_asked_in_order() -> None:
    class Other:
        async def authenticate(self, token: str) -> Identity | None:
            return Identity("other", "service") if token.startswith("o") else None

    identities = Identities([StaticIdentities([ADA]), Other()])
    assert (await identities.authenticate("other-token")).id == "other"
    assert (await identities.authenticate("token-a")).id == "ada"
    with pytest.raises(IdentityRefused):
        await identities.authenticate("x")


def test_static_identities_are_loud_and_keep_no_token() -> None:
    with structlog.testing.capture_logs() as logs:
        provider = StaticIdentities([ADA])
    assert logs[0]["log_level"] == "warning"
    assert "token-a" not in repr(logs) + repr(vars(provider)) + repr(ADA)


def session(id_: str, told: list[str], **changed: object) -> LiveSession:
    values: dict[str, object] = {
        "id": id_,
        "kind": "postgres",
        "principal": {"id": "ada", "kind": "human", "groups": []},
        "resource": "warehouse",
        "started_at_ns": 1,
        "client_address": "127.0.0.1",
        "end": lambda why: told.append(f"{id_}: {why}"),
        "attribution": Attribution(run="r1"),
        "credential_id": "crd_1",
    }
    return LiveSession(**(values | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("criteria", "ended"),
    [
        ({"session_id": "s2"}, ["s2"]),
        ({"principal": "ada"}, ["s1", "s2"]),
        ({"credential_id": "crd_2"}, ["s3"]),
        ({"resource": "other"}, ["s2"]),
        ({"run": "r1"}, ["s1", "s3"]),
        ({"principal": "ada", "run": "r1"}, ["s1"]),
        ({"principal": "nobody"}, []),
    ],
)
def test_sessions_are_ended_by_what_they_are(criteria: dict[str, str], ended: list[str]) -> None:
    told: list[str] = []
    registry = SessionRegistry()
    registry.add(session("s1", told))
    registry.add(session("s2", told, resource="other", attribution=Attribution(), started_at_ns=2))
    registry.add(session("s3", told, principal={"id": "bob"}, credential_id="crd_2", started_at_ns=3))
    assert [entry.id for entry in registry.end("stop", **criteria)] == ended  # type: ignore[arg-type]
    assert told == [f"{id_}: stop" for id_ in ended]


def test_the_registry_knows_each_session_once() -> None:
    registry = SessionRegistry()
    registry.add(session("s1", []))
    with pytest.raises(ValueError, match="already live"):
        registry.add(session("s1", []))
    with pytest.raises(ValueError, match="which sessions"):
        registry.end("stop")
    registry.remove("s1")
    registry.remove("s1")
    assert (len(registry), registry.get("s1")) == (0, None)


def test_attribution_is_checked_and_merged() -> None:
    given = Attribution.of({"run": "r", "step": "", "branch": None, "other": 1})
    assert given.document() == {"run": "r"}
    assert given.or_else(Attribution(run="x", step="2")).document() == {"run": "r", "step": "2"}
    for bad in ("a\nb", "x" * 513, "\x1b"):
        with pytest.raises(ValueError, match="printable"):
            Attribution(step=bad)


def test_times_are_written_with_nine_digits() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00.000000000Z"
    assert rfc3339(1_700_000_000_123_456_789) == "2023-11-14T22:13:20.123456789Z"


def test_text_of_callers_cannot_steer_a_terminal() -> None:
    assert printable("plain é") == "plain é"
    assert printable("a\x1b[2J\tb\n\u202ec\x9b") == "a\\x1b[2J    b\n\\u202ec\\x9b"
    assert one_line("a\n  b\x07" + "c" * 100, 10) == "a b\\x07ccc"[:9] + "…"
