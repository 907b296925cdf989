"""Arrays, sets and objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

from doorward.run.errors import TypeMismatchError
from doorward.run.values import Value, equal, key, unkey

from .builtin import Meter, contextual, pure
from .operands import (
    ARRAYS,
    MAX_ITEMS,
    NUMBERS,
    SETS,
    array,
    bounded,
    exact_integer,
    integer,
    mapping,
    members,
    set_of,
    wrong_element,
    wrong_type,
)

__all__ = ["BUILTINS", "child"]


def child(value: Value, step: Value) -> Value | None:
    """The part of a collection at a step as a list of one, None where there is none."""
    kind = type(value)
    if kind is dict:
        form = key(step)
        return [value[form]] if form in value else None
    if kind in ARRAYS:
        index = exact_integer(step) if type(step) in NUMBERS else None
        return [value[index]] if index is not None and 0 <= index < len(value) else None
    if kind in SETS:
        return [step] if key(step) in value else None
    return None


def concat(left: Value, right: Value) -> Value:
    first, second = array("array.concat", 1, left), array("array.concat", 2, right)
    bounded("array.concat", len(first) + len(second), MAX_ITEMS)
    return [*first, *second]


def flatten(value: Value) -> Value:
    flat: list[Value] = []
    for item in array("array.flatten", 1, value):
        if type(item) in ARRAYS:
            bounded("array.flatten", len(flat) + len(item), MAX_ITEMS)
            flat.extend(item)
        else:
            flat.append(item)
    return flat


def part(value: Value, start: Value, stop: Value) -> Value:
    values = array("array.slice", 1, value)
    first, last = integer("array.slice", 2, start), integer("array.slice", 3, stop)
    last = min(max(last, 0), len(values))
    return values[min(max(first, 0), last) : last]


def backwards(value: Value) -> Value:
    return array("array.reverse", 1, value)[::-1]


def difference(left: Value, right: Value) -> Value:
    return set_of("set_diff", 1, left) - set_of("set_diff", 2, right)


def intersection(meter: Meter, sets: Value) -> Value:
    found = _sets(meter, "intersection", sets)
    return frozenset.intersection(*map(frozenset, found)) if found else frozenset()


def union(meter: Meter, sets: Value) -> Value:
    found = _sets(meter, "union", sets)
    bounded("union", sum(map(len, found)), MAX_ITEMS)
    return frozenset().union(*found)


def _sets(meter: Meter, name: str, sets: Value) -> list[AbstractSet[Any]]:
    found = list(map(unkey, set_of(name, 1, sets)))
    if not all(type(item) in SETS for item in found):
        found = [set_of(name, 1, item) for item in members(sets)]  # in order, for always the same error
    meter.charge(sum(map(len, found)))
    return found


def keys_of(value: Value) -> Value:
    return frozenset(mapping("object.keys", 1, value))


def get(value: Value, path: Value, default: Value) -> Value:
    mapping("object.get", 1, value)
    here = value
    for step in path if type(path) in ARRAYS else (path,):
        found = child(here, step)
        if found is None:
            return default
        here = found[0]
    return here


def _key_forms(name: str, keys: Value) -> AbstractSet[Any]:
    if type(keys) in ARRAYS:
        return set(map(key, keys))
    if type(keys) in SETS:
        return keys  # type: ignore[no-any-return]
    if type(keys) is dict:
        return keys.keys()
    raise wrong_type(name, 2, keys, "object", "set", "array")


def keep(value: Value, keys: Value) -> Value:
    source, forms = mapping("object.filter", 1, value), _key_forms("object.filter", keys)
    return {form: item for form, item in source.items() if form in forms}


def remove(value: Value, keys: Value) -> Value:
    source, forms = mapping("object.remove", 1, value), _key_forms("object.remove", keys)
    return {form: item for form, item in source.items() if form not in forms}


def _merged(left: dict[Any, Value], right: dict[Any, Value]) -> dict[Any, Value]:
    merged = dict(left)
    for form, item in right.items():
        old = merged.get(form)
        merged[form] = _merged(old, item) if type(old) is dict and type(item) is dict else item
    return merged


def merge(left: Value, right: Value) -> Value:
    return _merged(mapping("object.union", 1, left), mapping("object.union", 2, right))


def merge_all(objects: Value) -> Value:
    merged: dict[Any, Value] = {}
    own: set[int] = set()
    for item in array("object.union_n", 1, objects):
        if type(item) is not dict:
            raise wrong_element("object.union_n", 1, objects, item, "object")
        _merge_into(merged, item, own)
    return merged


def _merge_into(target: dict[Any, Value], other: dict[Any, Value], own: set[int]) -> None:
    """Merge in place. `own` are the identities of the objects inside that were made here and may be changed."""
    for form, item in other.items():
        old = target.get(form)
        if type(old) is not dict or type(item) is not dict:
            target[form] = item
            continue
        if id(old) not in own:
            old = target[form] = dict(old)
            own.add(id(old))
        _merge_into(old, item, own)


def subset(whole: Value, inner: Value) -> bool:
    if type(whole) in ARRAYS and type(inner) in SETS:
        # like OPA: items are counted, repeated ones too, and an empty array contains no set, not even the
        # empty one
        return bool(whole) and sum(key(item) in inner for item in whole) >= len(inner)
    contained = _SUBSETS.get((_kind(whole), _kind(inner)))
    if contained is None:
        raise TypeMismatchError(
            "object.subset: both arguments object.subset must be of the same type or array and set"
        )
    return contained(whole, inner)


def _kind(value: Value) -> str:
    kind = type(value)
    return "object" if kind is dict else "array" if kind in ARRAYS else "set" if kind in SETS else ""


def _within_object(whole: dict[Any, Value], inner: dict[Any, Value]) -> bool:
    for form, item in inner.items():
        if form not in whole:
            return False
        if not equal(whole[form], item):
            contained = _SUBSETS.get((_kind(whole[form]), _kind(item)))
            if contained is None or not contained(whole[form], item):
                return False
    return True


def _within_set(whole: AbstractSet[Any], inner: AbstractSet[Any]) -> bool:
    return inner <= whole


def _within_array(whole: Sequence[Value], inner: Sequence[Value]) -> bool:
    """Whether the items of `inner` stand in `whole` one after the other.

    As Knuth, Morris and Pratt do it: no item is looked at again and again.
    """
    wanted = list(map(key, inner))
    if not wanted:
        return True
    # by how many items a match of so many can be shorter and still be one
    shorter = [0] * len(wanted)
    size = 0
    for place in range(1, len(wanted)):
        while size and wanted[place] != wanted[size]:
            size = shorter[size - 1]
        size += wanted[place] == wanted[size]
        shorter[place] = size
    size = 0
    for form in map(key, whole):
        while size and form != wanted[size]:
            size = shorter[size - 1]
        size += form == wanted[size]
        if size == len(wanted):
            return True
    return False


_SUBSETS: Final[dict[tuple[str, str], Callable[[Any, Any], bool]]] = {
    ("object", "object"): _within_object,
    ("set", "set"): _within_set,
    ("array", "array"): _within_array,
}


_PURE: Final = pure(
    {
        "array.concat": concat,
        "array.flatten": flatten,
        "array.slice": part,
        "array.reverse": backwards,
        "set_diff": difference,
        "object.keys": keys_of,
        "object.get": get,
        "object.filter": keep,
        "object.remove": remove,
        "object.union": merge,
        "object.union_n": merge_all,
        "object.subset": subset,
    }
)

BUILTINS: Final = {**_PURE, **contextual({"intersection": intersection, "union": union})}
