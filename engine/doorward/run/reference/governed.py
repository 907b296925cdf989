"""What a plain Rego rule says that takes part in decisions."""

from __future__ import annotations

from typing import Any

from doorward.run.errors import TypeMismatchError
from doorward.run.reference.targets import read_target
from doorward.run.values import UNDEFINED, Value, ordered, unkey
from doorward_dsl.program import GovernedRule

__all__ = ["read_rule"]


def read_rule(rule: GovernedRule, value: Value) -> list[tuple[Any, ...]]:
    """The payloads that the value of a rule stands for, as `Outcome` describes them.

    Raises TypeMismatchError when any of it is not understood.
    """
    simple = rule.verb in ("allow", "block")
    if value is False:
        return []
    if value is True and simple:
        return [(None,)]
    if not isinstance(value, (set, frozenset)):
        raise _not_understood(rule)
    return [_payload(rule, member, simple) for member in ordered(map(unkey, value))]


def _payload(rule: GovernedRule, member: Value, simple: bool) -> tuple[Any, ...]:
    if simple and isinstance(member, str):
        return (member,)
    if not isinstance(member, dict):
        raise _not_understood(rule)
    reason = _one(rule, member, str, "reason", "msg")
    match rule.verb:
        case "mask":
            targets = tuple(read_target(text) for text in _texts(rule, member, "target", "targets"))
            return reason, targets, _masker(rule, member.get("with", "redact"))
        case "approve":
            groups = tuple(sorted(set(_texts(rule, member, "by", "groups"))))
            return reason, groups, _whole(rule, member, "within_ms")
        case "credential":
            single_use = member.get("single_use", False)
            if not isinstance(single_use, bool):
                raise _not_understood(rule)
            return reason, _whole(rule, member, "ttl_ms"), single_use, _one(rule, member, str, "as", "role")
    return (reason,)


def _one(rule: GovernedRule, member: dict[Any, Value], kind: type, *names: str) -> Any:
    """The first of the fields that has a value, which must be of a type; None where none has."""
    for name in names:
        value = member.get(name)
        if value is not None:
            if type(value) is not kind:
                raise _not_understood(rule)
            return value
    return None


def _whole(rule: GovernedRule, member: dict[Any, Value], name: str) -> int | None:
    value: int | None = _one(rule, member, int, name)
    if value is not None and value < 0:
        raise _not_understood(rule)
    return value


def _texts(rule: GovernedRule, member: dict[Any, Value], *names: str) -> list[str]:
    """The strings under all of the names, of which there must be some."""
    found: list[str] = []
    for name in names:
        value = member.get(name, UNDEFINED)
        if value is UNDEFINED:
            continue
        if isinstance(value, (set, frozenset)):
            value = ordered(map(unkey, value))
        found.extend(value if isinstance(value, (list, tuple)) else [value])
    if not found or not all(isinstance(text, str) for text in found):
        raise _not_understood(rule)
    return found


def _masker(rule: GovernedRule, stated: Value) -> tuple[str, tuple[str | int, ...]]:
    if isinstance(stated, str):
        return stated, ()
    if isinstance(stated, dict) and isinstance(stated.get("masker"), str):
        args = stated.get("args", [])
        if isinstance(args, (list, tuple)) and all(type(arg) in (str, int) for arg in args):
            return stated["masker"], tuple(args)
    raise _not_understood(rule)


def _not_understood(rule: GovernedRule) -> TypeMismatchError:
    return TypeMismatchError(f"`{rule.id}` says nothing that is understood", rule.span)
