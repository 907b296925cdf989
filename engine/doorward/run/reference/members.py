"""The parts of a value."""

from __future__ import annotations

from doorward.run.values import UNDEFINED, Value, key, ordered, unkey

__all__ = ["is_collection", "member", "members"]


def is_collection(value: Value) -> bool:
    """Whether the value is an array, an object or a set."""
    return isinstance(value, (list, tuple, dict, set, frozenset))


def members(value: Value) -> list[tuple[Value, Value]]:
    """The keys and members of a collection in Rego's order; of anything else none. A set's member is its own
    key.
    """
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    if isinstance(value, dict):
        return [(name, value[key(name)]) for name in ordered(map(unkey, value))]
    if isinstance(value, (set, frozenset)):
        return [(one, one) for one in ordered(map(unkey, value))]
    return []


def member(value: Value, index: Value) -> Value:
    """The member of a collection at a key, or UNDEFINED."""
    if isinstance(value, (list, tuple)):
        # A dict of the positions answers `1.0` as it does `1`, and nothing to `true` or `"1"`.
        return dict(enumerate(value)).get(key(index), UNDEFINED)
    if isinstance(value, dict):
        return value.get(key(index), UNDEFINED)
    if isinstance(value, (set, frozenset)):
        return index if key(index) in value else UNDEFINED
    return UNDEFINED
