"""Generated policies on typed requests, and requests for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

__all__ = ["governed", "requests"]

Draw = Callable[[st.SearchStrategy[Any]], Any]

_CONDITIONS = [
    '"dba" in principal.groups',
    'principal.kind == "agent"',
    'resource.environment == "production"',
    'session.purpose != ""',
    "member",
    'action.name in {"query", "call"}',
    'some one in principal.groups; startswith(one, "a")',
    'every group in principal.groups { group != "dba" }',
    "count([g | some g in principal.groups]) > 1",
    "data.suspended[principal.id]",
    "time.hour < 12",
    "other := principal.groups[_]; other in data.trusted",
]
_BOUND = ["some group in principal.groups", "some group in data.trusted; group in principal.groups"]
_MASKERS = ["redact", "null", "partial(4)", "partial(2)", "hash", 'replace("x")', "format_preserving"]
_TARGETS = {
    "http": ["$.user.email", "$.items[*].card", "content(email)", "customers.ssn"],
    "postgres": ["customers.ssn", "*.email", "$.x", "public.customers.card"],
}


class _Writer:
    def __init__(self, draw: Draw, kind: str) -> None:
        self._draw = draw
        self._kind = kind

    def pick(self, *options: Any) -> Any:
        return self._draw(st.sampled_from(options))

    def body(self) -> str:
        return "; ".join(
            self._draw(st.lists(st.sampled_from(_CONDITIONS), min_size=1, max_size=2, unique=True))
        )

    def condition(self, bound: bool) -> str:
        text = f" if {{ {self.pick(*_BOUND)}; {self.pick(*_CONDITIONS[:6])} }}" if bound else ""
        if not bound and self.pick(True, True, False):
            text = f" if {{ {self.body()} }}"
        return text + (f" unless {{ {self.body()} }}" if self.pick(True, False, False) else "")

    def statement(self, number: int) -> str:
        verb = self.pick("allow", "allow", "allow", "block", "mask", "approve", "credential")
        bound = self.pick(True, False, False)
        reason = self.pick("", f' "reason {number}"', ' $"for {group}"' if bound else "")
        if verb == "mask":
            targets = ", ".join(self.pick(*_TARGETS[self._kind]) for _ in range(self.pick(1, 2)))
            verb, reason = f"mask{reason} {targets} with {self.pick(*_MASKERS)}", ""
        elif verb == "approve":
            groups = self.pick('"dba"', '"dba", "security"', *(["group"] if bound else []))
            verb, reason = f"approve{reason} by {groups}{self.pick('', ' within 15m', ' within 60s')}", ""
        elif verb == "credential":
            grants = self.pick(
                "ttl 60s", "ttl 5m single_use", 'ttl 1h as "reader"', 'ttl 2m as "writer"', "single_use"
            )
            verb, reason = f"credential{reason} {grants}", ""
        return f"{verb}{reason}{self.condition(bound)}"


@st.composite
def governed(draw: Draw) -> tuple[str, dict[str, str]]:
    """A kind of request, and policies that govern it by file name."""
    kind = draw(st.sampled_from(["http", "postgres"]))
    writer = _Writer(draw, kind)
    sources = {}
    for package in ("a", "b")[: draw(st.integers(1, 2))]:
        count = draw(st.integers(1, 5))
        statements = "\n".join(writer.statement(number) for number in range(count))
        governs = writer.pick(kind, kind, "*") if package == "a" else kind
        text = f'package {package}\n\ngoverns {governs}\n\nmember if "staff" in principal.groups\n\n{statements}\n'
        sources[f"{package}.ward"] = text
    if draw(st.booleans()):
        sources["old.rego"] = (
            "# METADATA\n# scope: package\n# custom:\n#   governs: ['*']\npackage old\n\n"
            'deny contains "on Sundays" if input.time.weekday == "Sunday"\n\n'
            'allow if input.principal.id == "root"\n'
        )
    return kind, sources


@st.composite
def requests(draw: Draw, kind: str) -> dict[str, Any]:
    """A request of a kind."""
    pick = lambda *options: draw(st.sampled_from(options))  # noqa: E731 - as short as what it is used for
    operation: dict[str, Any] = (
        {"http_request": {"method": pick("GET", "POST", ""), "target": "/users/1"}}
        if kind == "http"
        else {
            "postgres": {
                "statement": pick("select 1", "begin", "drop table t", "nonsense (", "create table u(a int)")
            }
        }
    )
    return {
        "principal": {
            "id": pick("ada", "root", "eve"),
            "kind": pick("human", "agent"),
            "groups": draw(st.lists(st.sampled_from(["dba", "staff", "analysts"]), unique=True)),
        },
        "action": {"name": pick("query", "call", "connect", "issue_credential")},
        "resource": {"kind": kind, "name": "db", "environment": pick("production", "test")},
        "session": {"purpose": pick("", "audit")},
        **operation,
    }
