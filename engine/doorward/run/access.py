"""What compiled policies call while they run: reading members, looping, filling documents.

Each function takes and gives Rego values (see `values`). None of them keeps anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from doorward.run.context import CallContext
from doorward.run.errors import ConflictError, EvaluationError
from doorward.run.values import UNDEFINED, Key, Value, compare, equal, key, ordered, unkey
from doorward_dsl.source import Span

__all__ = [
    "at",
    "builtin_failed",
    "conflict",
    "get",
    "has_member",
    "is_collection",
    "is_member",
    "order",
    "outputs",
    "pairs",
    "pairs_in_order",
    "patch",
    "put",
    "put_at",
    "put_member_at",
    "same",
    "settle_object",
    "subpart",
    "values",
    "values_in_order",
]

_NOTHING: tuple[Any, ...] = ()
_COLLECTIONS = frozenset({dict, list, tuple, set, frozenset})
_SEQUENCES = frozenset({list, tuple})
_ORDERING_STEPS = 16


def get(source: Value, index: Value) -> Value:
    """The member at a key or index; of a set, the member itself; UNDEFINED where there is none."""
    kind = type(source)
    if kind is dict:
        return source.get(index if type(index) is str else key(index), UNDEFINED)
    if kind is list or kind is tuple:
        if type(index) is not int:
            if type(index) in (str, bool) or index is None or not _is_whole(index):
                return UNDEFINED
            index = int(index)
        return source[index] if 0 <= index < len(source) else UNDEFINED
    if kind is set or kind is frozenset:
        return index if key(index) in source else UNDEFINED
    return UNDEFINED


def at(source: Value, *path: str) -> Value:
    """What stands at a path below a value, or UNDEFINED."""
    for name in path:
        source = get(source, name)
        if source is UNDEFINED:
            break
    return source


def _is_whole(index: Value) -> bool:
    return not isinstance(index, (list, tuple, dict, set, frozenset)) and index == index // 1


def values(call: CallContext, source: Value) -> Iterable[Value]:
    """The members of a collection; those of a set always in Rego's order, which no hash seed changes."""
    kind = type(source)
    if kind is list or kind is tuple:
        call.left -= len(source)  # charged in place: this is where a decision spends its time
        if call.left < 0:
            call.more()
        return source  # type: ignore[no-any-return]
    if kind is dict:
        call.charge(len(source))
        return source.values()  # type: ignore[no-any-return]
    if kind is set or kind is frozenset:
        call.charge(len(source))
        return ordered(map(unkey, source))
    return _NOTHING


def values_in_order(call: CallContext, source: Value) -> Iterable[Value]:
    """The members of a collection by Rego's order of their keys."""
    if type(source) is dict:
        return [pair[1] for pair in pairs_in_order(call, source)]
    return values(call, source)


def pairs(call: CallContext, source: Value) -> Iterable[tuple[Value, Value]]:
    """Keys and members of a collection; a member of a set is its own key."""
    kind = type(source)
    if kind is list or kind is tuple:
        call.charge(len(source))
        return enumerate(source)
    if kind is dict:
        call.charge(len(source))
        return [(k.value if type(k) is Key else k, v) for k, v in source.items()]
    if kind is set or kind is frozenset:
        call.charge(len(source))
        return [(member, member) for member in ordered(map(unkey, source))]
    return _NOTHING


def pairs_in_order(call: CallContext, source: Value) -> Iterable[tuple[Value, Value]]:
    """Keys and members of a collection by Rego's order of the keys."""
    if type(source) is dict:
        call.charge(len(source))
        return [(k, source[key(k)]) for k in ordered(map(unkey, source))]
    return pairs(call, source)


def conflict(message: str, span: Span) -> ConflictError:
    """The error of one document given two values."""
    return ConflictError(message, span)


def put(target: dict[Any, Value], index: Value, value: Value, span: Span) -> None:
    """Set a key of an object in the making; raises ConflictError when it has another value already."""
    form = key(index)
    if form in target:
        if not equal(target[form], value):
            raise ConflictError("object keys must be unique", span)
    else:
        target[form] = value


class _Leaf:
    """A finished value inside a document in the making, to tell it from the document's own levels."""

    __slots__ = ("value",)

    def __init__(self, value: Value) -> None:
        self.value = value


def put_at(target: dict[Any, Any], path: Sequence[Value], value: Value, span: Span) -> None:
    """Give a place of a document in the making its value."""
    level = _level(target, path[:-1], span)
    form = key(path[-1])
    present = level.get(form)
    if present is None:
        level[form] = _Leaf(value)
    elif type(present) is not _Leaf or not equal(present.value, value):
        raise ConflictError("object keys must be unique", span)


def put_member_at(target: dict[Any, Any], path: Sequence[Value], member: Value, span: Span) -> None:
    """Add a member to the set at a place of a document in the making."""
    level = _level(target, path[:-1], span)
    members = level.setdefault(key(path[-1]), set())
    if type(members) is not set:
        raise ConflictError("object keys must be unique", span)
    members.add(key(member))


def _level(target: dict[Any, Any], path: Sequence[Value], span: Span) -> dict[Any, Any]:
    for step in path:
        target = target.setdefault(key(step), {})
        if type(target) is not dict:
            raise ConflictError("object keys must be unique", span)
    return target


def settle_object(level: dict[Any, Any]) -> dict[Any, Value]:
    """The finished document."""
    done: dict[Any, Value] = {}
    for form, part in level.items():
        if type(part) is _Leaf:
            done[form] = part.value
        else:
            done[form] = settle_object(part) if type(part) is dict else part
    return done


def subpart(value: Value, path: Iterable[Value]) -> Value:
    """The part of a value at a path, or UNDEFINED."""
    for step in path:
        value = get(value, step)
        if value is UNDEFINED:
            break
    return value


def patch(document: Value, path: Sequence[Value], value: Value) -> Value:
    """A copy of the document with the value at the path; what stands in the way there gives way."""
    if not path:
        return value
    members = document if type(document) is dict else {}
    form = key(path[0])
    return {**members, form: patch(members.get(form, UNDEFINED), path[1:], value)}


def builtin_failed(call: CallContext, error: EvaluationError, span: Span) -> Value:
    """What a failed built-in gives: nothing, or in a strict evaluation its error, with the place added."""
    if error.span is None:
        error.span = span
    if call.strict:
        raise error
    return UNDEFINED


def outputs(call: CallContext, answers: Iterable[Value]) -> Iterator[Value]:
    """The answers of a built-in that has many, each paid for."""
    charge = call.charge
    for answer in answers:
        charge(1)
        yield answer


def is_collection(value: Value) -> bool:
    """Whether the value has members: an array, object or set."""
    return isinstance(value, (dict, list, tuple, set, frozenset))


def same(call: CallContext, left: Value, right: Value) -> bool:
    """Whether two values are equal; collections are paid for by their size."""
    if type(left) in _COLLECTIONS and type(right) in _COLLECTIONS:
        call.charge(1 + len(left))
    return equal(left, right)


def order(call: CallContext, left: Value, right: Value) -> int:
    """How two values compare in Rego's order; collections are paid for by their size."""
    if type(left) in _COLLECTIONS and type(right) in _COLLECTIONS:
        # sets and objects are put in order first
        each = 1 if type(left) in _SEQUENCES else _ORDERING_STEPS
        call.charge(1 + each * (len(left) + len(right)))
    return compare(left, right)


def is_member(call: CallContext, member: Value, collection: Value) -> bool:
    """Whether the value is a member of an array or set, or a value of an object; paid for by what is gone through."""
    kind = type(collection)
    if kind in _COLLECTIONS and (
        type(member) in _COLLECTIONS or kind is dict or kind is list or kind is tuple
    ):
        call.charge(1 + (len(collection) >> (0 if type(member) in _COLLECTIONS else 4)))
    return has_member(collection, member)


def has_member(collection: Value, member: Value) -> bool:
    """Whether an array or set has a member, or an object a value."""
    kind = type(collection)
    if kind is set or kind is frozenset:
        return key(member) in collection
    if kind is dict:
        collection = collection.values()
    elif kind is not list and kind is not tuple:
        return False
    if type(member) is str:
        return member in collection
    if type(member) is int:
        return member in collection and any(
            other == member and type(other) is not bool for other in collection
        )
    return any(equal(member, other) for other in collection)
