"""Aggregates: count, sum, product, extremes, sorting, and the old `any` and `all`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import reduce
from typing import Final

from doorward.run.values import UNDEFINED, Value, compare, ordered

from .builtin import Meter, contextual, pure
from .numeric import Wide, sized, wide
from .operands import ARRAYS, NUMBERS, SETS, exact_integer, members, wrong_element, wrong_type

__all__ = ["BUILTINS"]


def count(collection: Value) -> Value:
    kind = type(collection)
    if kind is str or kind is dict or kind in ARRAYS or kind in SETS:
        return len(collection)
    raise wrong_type("count", 1, collection, "array", "object", "set", "string")


def _listed(name: str, collection: Value, *expected: str) -> Sequence[Value]:
    if type(collection) in ARRAYS:
        return collection  # type: ignore[no-any-return]
    if type(collection) in SETS:
        return members(collection)
    raise wrong_type(name, 1, collection, *(expected or ("set", "array")))


def _numbers(name: str, collection: Value) -> tuple[Sequence[Value], list[int] | None]:
    """The numbers, and the same as exact integers where they all are."""
    values = _listed(name, collection)
    exact: list[int] | None = []
    for value in values:
        if type(value) not in NUMBERS:
            raise wrong_element(name, 1, collection, value, "number")
        whole = exact_integer(value) if exact is not None else None
        if exact is not None and whole is not None:
            exact.append(whole)
        else:
            exact = None
    return values, exact


def _charge(meter: Meter, values: Sequence[Value]) -> None:
    """Take what calculating with these numbers is worth: those with a fraction are read digit by digit."""
    meter.charge(sum(_STEPS.get(type(value), 1) for value in values))


_STEPS: Final[dict[type, int]] = {float: 4, Decimal: 64}


def total(meter: Meter, collection: Value) -> Value:
    values, exact = _numbers("sum", collection)
    _charge(meter, values)
    if exact is not None:
        return sized("sum", sum(exact))
    return reduce(Wide.__add__, map(wide, values), Wide(0, 0)).number()


def product(meter: Meter, collection: Value) -> Value:
    values, exact = _numbers("product", collection)
    _charge(meter, values)
    if exact is not None:
        return reduce(lambda x, y: sized("product", x * y), exact, 1)
    return reduce(Wide.__mul__, map(wide, values), Wide(1, 0, bits=53)).number()


def _extreme(name: str, sign: int) -> Callable[[Value], Value]:
    def extreme(collection: Value) -> Value:
        values = _listed(name, collection)
        if not values:
            return UNDEFINED
        return reduce(lambda best, value: value if compare(value, best) * sign > 0 else best, values)

    return extreme


def in_order(collection: Value) -> Value:
    if type(collection) in ARRAYS or type(collection) in SETS:
        return ordered(_listed("sort", collection))
    raise wrong_type("sort", 1, collection, "set", "array")


def every_true(collection: Value) -> bool:
    return all(value is True for value in _listed("all", collection, "array", "set"))


def some_true(collection: Value) -> bool:
    return any(value is True for value in _listed("any", collection, "array", "set"))


_PURE: Final = pure(
    {
        "count": count,
        "max": _extreme("max", 1),
        "min": _extreme("min", -1),
        "sort": in_order,
        "all": every_true,
        "any": some_true,
    }
)

BUILTINS: Final = {**_PURE, **contextual({"sum": total, "product": product})}
