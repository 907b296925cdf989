"""Changes of a request document: one fact each, applied to a copy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypeAlias

from doorward.decide.explain.shown import path_text, value_text
from doorward.run.convert import to_json
from doorward.run.values import UNDEFINED, Value, equal

__all__ = ["REQUESTED", "Change", "InputPath", "apply", "at", "instant"]

InputPath: TypeAlias = tuple[str | int, ...]
"""Keys and indices below `input`."""

REQUESTED: Final = frozenset({"principal", "action", "resource", "session", "time"})
"""Sections that say who asks for what and when; all others are, or follow from, the operation."""


@dataclass(frozen=True, slots=True)
class Change:
    """One fact that would have to differ: set to a value, or with or without a member."""

    op: Literal["set", "add", "remove"]
    path: InputPath
    value: Value = field(hash=False)
    """JSON: the new value; for `add` and `remove` the member."""
    instead_of: Value = field(default=UNDEFINED, hash=False)
    """For `set`: the value that must not be, where any other would do and `value` is one of them."""

    @property
    def derived(self) -> bool:
        """Whether the fact follows from the operation, so that another operation is what it takes."""
        return self.path[0] not in REQUESTED

    @property
    def text(self) -> str:
        """In words: `"analysts" in principal.groups`."""
        place, value = path_text(self.path), value_text(self.value)
        match self.op:
            case "set" if self.instead_of is None:
                return f"{place} is there, such as {value}"
            case "set" if self.instead_of is not UNDEFINED:
                return f"{place} is not {value_text(self.instead_of)}, but such as {value}"
            case "set":
                return f"{place} is {value}"
            case "add":
                return f"{value} in {place}"
        return f"{value} not in {place}"

    def to_dict(self) -> dict[str, Any]:
        """The change as JSON-ready data."""
        return {
            "op": self.op,
            "path": list(self.path),
            "value": to_json(self.value),
            **({} if self.instead_of is UNDEFINED else {"instead_of": to_json(self.instead_of)}),
            "text": self.text,
            "derived": self.derived,
        }


def at(document: Value, path: InputPath) -> Value:
    """The value at a path; None where there is none."""
    for step in path:
        if isinstance(document, dict):
            document = document.get(step)
        elif isinstance(document, list) and isinstance(step, int) and 0 <= step < len(document):
            document = document[step]
        else:
            return None
    return document


def apply(document: dict[str, Any], changes: Iterable[Change]) -> dict[str, Any]:
    """A copy of the document with the changes; those of `time` are left out (see `instant`)."""
    for change in changes:
        if change.path[0] != "time":
            document = _with(document, change.path, change)
    return document


def _with(value: Any, path: InputPath, change: Change) -> Any:
    if not path:
        return _changed(value, change)
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        items = list(value) if isinstance(value, list) else []
        if 0 <= step < len(items):
            items[step] = _with(items[step], rest, change)
        return items
    fields = dict(value) if isinstance(value, dict) else {}
    fields[step] = _with(fields.get(step), rest, change)
    return fields


def _changed(value: Any, change: Change) -> Any:
    if change.op == "set":
        return change.value
    if isinstance(value, dict):
        kept = {key: member for key, member in value.items() if key != change.value}
        return {**kept, change.value: True} if change.op == "add" else kept
    members = list(value) if isinstance(value, list) else []
    if change.op == "add":
        return [*members, change.value]
    return [member for member in members if not equal(member, change.value)]


_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def instant(now_ns: int, changes: Iterable[Change]) -> int:
    """The instant at which the clock shows what changes of `time` ask for, as near after `now_ns` as can be.

    What no clock shows changes nothing.
    """
    seconds, fraction = divmod(now_ns, 1_000_000_000)
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
        for change in changes:
            if change.path[0] != "time" or change.op != "set":
                continue
            name, value = change.path[-1], change.value
            if name == "ns":
                moment, fraction = datetime.fromtimestamp(value // 1_000_000_000, UTC), value % 1_000_000_000
            elif name in ("hour", "minute"):
                moment = moment.replace(**{str(name): value})
            elif name == "weekday":
                moment += timedelta(days=(_DAYS.index(value) - moment.weekday()) % 7)
            elif name == "date":
                day = datetime.fromisoformat(value)
                moment = moment.replace(year=day.year, month=day.month, day=day.day)
    except (ValueError, TypeError, OverflowError, OSError):
        return now_ns
    return int(moment.timestamp()) * 1_000_000_000 + fraction
