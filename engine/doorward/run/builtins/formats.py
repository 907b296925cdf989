"""Text made from values: `sprintf`, `format_int`, template strings, and what `print` receives."""

from __future__ import annotations

from typing import Final

from doorward.run.errors import ConflictError
from doorward.run.values import Value, unkey

from . import fmt
from .builtin import Meter, contextual, pure
from .numeric import Number, sized, wide
from .operands import SETS, array, bounded, number, operand_error, string
from .terms import bare

__all__ = ["BUILTINS"]

_RADIXES: Final = {2: "b", 8: "o", 10: "d", 16: "x"}


def sprintf(meter: Meter, template: Value, values: Value) -> Value:
    text = string("sprintf", 1, template)
    meter.charge(text.count("%"))
    return fmt.sprintf(text, list(array("sprintf", 2, values)))


def format_int(value: Value, base: Value) -> Value:
    given, radix = number("format_int", 1, value), number("format_int", 2, base)
    if type(radix) is not int or radix not in _RADIXES:
        raise operand_error("format_int", 2, "must be one of {2, 8, 10, 16}")
    return format(sized("format_int", _whole(given)), _RADIXES[radix])


def _whole(value: Number) -> int:
    return value if type(value) is int else wide(value).truncated()


def template_string(parts: Value) -> Value:
    """The parts joined; a part that is computed comes as the set of its values, which is empty where it is
    undefined.
    """
    texts = [_part(part) for part in array("internal.template_string", 1, parts)]
    bounded("internal.template_string", sum(map(len, texts)))
    return "".join(texts)


def _part(part: Value) -> str:
    if type(part) not in SETS:
        return bare(part)
    if len(part) > 1:
        raise ConflictError("template-strings must not produce multiple outputs")
    return next((bare(unkey(form)) for form in part), "<undefined>")


def note(*_values: Value) -> bool:
    """What only helps whoever debugs a policy always holds; the evaluator shows it where it is wanted."""
    return True


_PURE: Final = pure(
    {
        "format_int": format_int,
        "internal.template_string": template_string,
        "internal.print": note,
        "internal.test_case": note,
        "print": note,
        "trace": note,
    }
)

BUILTINS: Final = {**_PURE, **contextual({"sprintf": sprintf})}
