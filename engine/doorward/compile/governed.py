"""Reading what a plain Rego rule says when its package takes part in decisions.

| rule           | says                                                                                |
| -------------- | ----------------------------------------------------------------------------------- |
| `allow`        | `true`, a set of reasons, or a set of objects with a `reason`                       |
| `block`/`deny` | the same                                                                            |
| `mask`         | a set of `{"target": "t.c", "with": "redact"}`; a masker that takes arguments is an |
|                | object: `{"masker": "partial", "args": [4]}`                                        |
| `approve`      | a set of `{"by": ["dba"], "within_ms": 900000}`                                     |
| `credential`   | a set of `{"ttl_ms": 60000, "single_use": true, "as": "readonly"}`                  |

All objects may have a `reason`; what is not named here is ignored. Anything else is an error, and errors
restrict.
"""

from __future__ import annotations

from typing import Any

from doorward.compile.findings import (
    AllowPayload,
    ApprovePayload,
    BlockPayload,
    CredentialPayload,
    Findings,
    Held,
    MaskerSpec,
    MaskPayload,
    Payload,
    StatementInfo,
)
from doorward.compile.payloads import read_target
from doorward.run.errors import TypeMismatchError
from doorward.run.values import Value, ordered, type_name, unkey
from doorward_dsl.program import Verb
from doorward_dsl.source import Span

__all__ = ["empty_payload", "report"]


def empty_payload(verb: Verb) -> Payload:
    """What is known of a governed rule before it has run."""
    match verb:
        case "allow":
            return AllowPayload(None)
        case "block":
            return BlockPayload(None)
        case "mask":
            return MaskPayload(None, (), MaskerSpec("redact"))
        case "approve":
            return ApprovePayload(None, (), None)
        case "credential":
            return CredentialPayload(None, None, False, None)


def report(findings: Findings, info: StatementInfo, value: Value) -> None:
    """Add what the value of a governed rule says. Raises TypeMismatchError when it says nothing that is
    understood."""
    if value is False:
        return
    if value is True and info.verb in ("allow", "block"):
        findings.held.append(Held(info, info.payload))
        return
    if not isinstance(value, (set, frozenset)):
        raise TypeMismatchError(f"`{info.id}` must be a set, not {type_name(value)}", info.span)
    # All members are read before any counts: a rule that is half understood is not understood.
    payloads = [_payload(info, member) for member in ordered(map(unkey, value))]
    findings.held.extend(Held(info, payload) for payload in payloads)


def _payload(info: StatementInfo, member: Value) -> Payload:
    if type(member) is str and info.verb in ("allow", "block"):
        return AllowPayload(member) if info.verb == "allow" else BlockPayload(member)
    if type(member) is not dict:
        raise TypeMismatchError(
            f"`{info.id}` has a member that is not an object but {type_name(member)}", info.span
        )
    fields = _Fields(member, info)
    reason = fields.text("reason", "msg")
    match info.verb:
        case "allow":
            return AllowPayload(reason)
        case "block":
            return BlockPayload(reason)
        case "mask":
            targets = tuple(map(read_target, fields.texts("target", "targets")))
            if not targets:
                raise fields.missing("target")
            return MaskPayload(reason, targets, fields.masker())
        case "approve":
            groups = tuple(sorted(set(fields.texts("by", "groups"))))
            if not groups:
                raise fields.missing("by")
            return ApprovePayload(reason, groups, fields.whole("within_ms"))
        case "credential":
            single_use = member.get("single_use", False)
            if type(single_use) is not bool:
                raise fields.wrong("single_use", "a boolean")
            return CredentialPayload(reason, fields.whole("ttl_ms"), single_use, fields.text("as", "role"))


class _Fields:
    """Reads the fields of one object, with errors that name the rule and the field."""

    def __init__(self, member: dict[Any, Value], info: StatementInfo) -> None:
        self._member = member
        self._id = info.id
        self._span: Span = info.span

    def wrong(self, name: str, wanted: str) -> TypeMismatchError:
        return TypeMismatchError(f"`{name}` in `{self._id}` must be {wanted}", self._span)

    def missing(self, name: str) -> TypeMismatchError:
        return TypeMismatchError(f"`{self._id}` has a member without `{name}`", self._span)

    def text(self, *names: str) -> str | None:
        for name in names:
            value = self._member.get(name)
            if value is not None:
                if type(value) is not str:
                    raise self.wrong(name, "a string")
                return value
        return None

    def texts(self, *names: str) -> list[str]:
        found: list[str] = []
        for name in names:
            value = self._member.get(name, ())
            parts = value if isinstance(value, (list, tuple)) else [value]
            if isinstance(value, (set, frozenset)):
                parts = ordered(map(unkey, value))
            for part in parts:
                if type(part) is not str:
                    raise self.wrong(name, "a string, or strings")
                found.append(part)
        return found

    def whole(self, name: str) -> int | None:
        value = self._member.get(name)
        if value is not None and (type(value) is not int or value < 0):
            raise self.wrong(name, "a whole number")
        return value

    def masker(self) -> MaskerSpec:
        stated = self._member.get("with", "redact")
        if type(stated) is str:
            return MaskerSpec(stated)
        if type(stated) is dict and type(stated.get("masker")) is str:
            args = stated.get("args", ())
            if isinstance(args, (list, tuple)) and all(type(arg) in (str, int) for arg in args):
                return MaskerSpec(stated["masker"], tuple(args))
        raise self.wrong("with", "a masker")
