"""Regular expressions on RE2: linear time whatever the pattern, with the finding rules of Go's `regexp`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import re2

from doorward.run.errors import BuiltinError
from doorward.run.values import Value

from .builtin import Meter, contextual, pure
from .globs import intersect
from .operands import bounded, integer, string
from .patterns import compile_pattern, encodable, is_found
from .terms import quoted

__all__ = ["BUILTINS", "compiled"]

_MAX_PATTERN: Final = 32 * 1024
_MAX_GROUPS: Final = 500
"""RE2 keeps the places of all groups for each way on which a match may still be found."""
# `\C` would take characters apart into bytes
_ONE_BYTE: Final = re.compile(r"(?<!\\)(?:\\\\)*\\C")
_REFERENCE: Final = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))")
_GROUP: Final = re.compile(r"0|[1-9][0-9]{0,5}")
_PROBLEMS: Final = {
    "missing ]": "missing closing ]",
    "missing )": "missing closing )",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid repetition size": "invalid repeat count",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
}


def compiled(pattern: str, *, captures: bool = False) -> Any:
    """The compiled pattern; raises ValueError with what is wrong. Without `captures` it has no groups."""
    if len(pattern) > _MAX_PATTERN:
        raise ValueError(f"error parsing regexp: longer than {_MAX_PATTERN} characters")
    if "\\C" in pattern and _ONE_BYTE.search(pattern):
        raise ValueError("error parsing regexp: invalid escape sequence: `\\C`")
    try:
        found = compile_pattern(encodable(pattern), captures=captures)
    except re2.error as error:
        raise ValueError(f"error parsing regexp: {_problem(error)}") from None
    if captures and found.groups > _MAX_GROUPS:
        raise ValueError(f"error parsing regexp: more than {_MAX_GROUPS} groups")
    return found


def _problem(error: Exception) -> str:
    said = error.args[0] if error.args else b""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    if text.startswith("trailing \\"):
        return "trailing backslash at end of expression: ``"
    kind, colon, where = text.partition(": ")
    return f"{_PROBLEMS.get(kind, kind)}: `{where}`" if colon else text


def _pattern(name: str, position: int, value: Value, *, captures: bool = False) -> Any:
    try:
        return compiled(string(name, position, value), captures=captures)
    except ValueError as error:
        raise BuiltinError(f"{name}: {error}") from None


_COMPILE_STEPS: Final = 500
"""What compiling a pattern takes, for those who compile many in one go."""
_MATCH_STEPS: Final = 8
"""What a match takes. That it may take a look at all of the rest of the text is left to the limit on time."""


def _matches(meter: Meter, pattern: Any, text: str) -> Iterator[Any]:
    """The successive matches; an empty one does not follow directly on another match."""
    end = -1
    steps = _MATCH_STEPS + pattern.groups
    for match in pattern.finditer(text):
        meter.charge(steps)
        if match.end() == end == match.start():
            continue
        end = match.end()
        yield match


def _limited(meter: Meter, pattern: Any, text: str, limit: int) -> Iterator[Any]:
    if limit == 0:
        return
    for count, match in enumerate(_matches(meter, pattern, text), start=1):
        yield match
        if count == limit:
            return


def matches(meter: Meter, pattern: Value, text: Value) -> bool:
    return _matches_in(meter, "regex.match", pattern, text)


def re_match(meter: Meter, pattern: Value, text: Value) -> bool:
    return _matches_in(meter, "re_match", pattern, text)


_SHORT: Final = 256
"""Characters of a pattern that costs next to nothing to compile."""
_SEARCH_SHIFT: Final = 10
"""Two to this power are the instructions of a pattern, times the characters of a text, that take a step at worst."""


def _matches_in(meter: Meter, name: str, pattern: Value, text: Value) -> bool:
    wanted, subject = string(name, 1, pattern), string(name, 2, text)
    meter.charge(len(wanted) ** 2 >> _SEARCH_SHIFT)
    expression = _pattern(name, 1, wanted)
    meter.charge(expression.programsize * len(subject) >> _SEARCH_SHIFT)
    return is_found(expression, subject)


def bind(pattern: Value) -> Callable[[Meter, str], bool] | None:
    """`regex.match` of one pattern. What it compiles to is remembered elsewhere, within bounds."""
    if type(pattern) is not str or len(pattern) > _SHORT:
        return None
    try:
        size = compiled(pattern).programsize
    except ValueError:
        return None
    expression = encodable(pattern)

    def found(meter: Meter, text: str) -> bool:
        work = size * len(text) >> _SEARCH_SHIFT
        if work:
            meter.charge(work)
        return is_found(compile_pattern(expression), text)

    return found


def is_valid(meter: Meter, pattern: Value) -> bool:
    if type(pattern) is not str:
        return False
    meter.charge(len(pattern) ** 2 >> _SEARCH_SHIFT)
    try:
        compiled(pattern)
    except ValueError:
        return False
    return True


def find_n(meter: Meter, pattern: Value, text: Value, limit: Value) -> Value:
    name = "regex.find_n"
    string(name, 1, pattern)
    subject, most = encodable(string(name, 2, text)), integer(name, 3, limit)
    return [
        match.group() for match in _limited(meter, _pattern(name, 1, pattern, captures=True), subject, most)
    ]


def find_submatches(meter: Meter, pattern: Value, text: Value, limit: Value) -> Value:
    name = "regex.find_all_string_submatch_n"
    string(name, 1, pattern)
    subject, most = encodable(string(name, 2, text)), integer(name, 3, limit)
    found = _limited(meter, _pattern(name, 1, pattern, captures=True), subject, most)
    return [[match.group(), *match.groups(default="")] for match in found]


def split(meter: Meter, pattern: Value, text: Value) -> Value:
    name = "regex.split"
    wanted, subject = string(name, 1, pattern), encodable(string(name, 2, text))
    expression = _pattern(name, 1, wanted, captures=True)
    if wanted and not subject:
        return [""]
    parts, begin, end = [], 0, 0
    for match in _matches(meter, expression, subject):
        end = match.start()
        if match.end() != 0:
            parts.append(subject[begin:end])
        begin = match.end()
    if end != len(subject):
        parts.append(subject[begin:])
    return parts


def replace(meter: Meter, text: Value, pattern: Value, replacement: Value) -> Value:
    name = "regex.replace"
    subject, wanted = encodable(string(name, 1, text)), string(name, 2, pattern)
    template = string(name, 3, replacement)
    expression = _pattern(name, 2, wanted, captures=True)
    pieces = _pieces(template, expression.groupindex, expression.groups)
    parts: list[str] = []
    end = size = 0
    for match in _matches(meter, expression, subject):
        parts.append(subject[end : match.start()])
        meter.charge(len(pieces))
        put = [piece if isinstance(piece, str) else match.group(piece) or "" for piece in pieces]
        parts.append("".join(put))
        size += len(parts[-1]) + len(parts[-2])
        bounded(name, size)
        end = match.end()
    return "".join([*parts, subject[end:]])


def _pieces(template: str, names: dict[str, int], groups: int) -> list[str | int]:
    """The template as texts and numbers of groups: `$1`, `${1}`, `${name}`. What names no group stands for nothing."""
    pieces: list[str | int] = []
    end = 0
    for reference in _REFERENCE.finditer(template):
        pieces.append(template[end : reference.start()])
        end = reference.end()
        if reference[1]:
            pieces.append("$")
            continue
        name = reference[2] or reference[3]
        index = int(name) if _GROUP.fullmatch(name) else names.get(name, -1)
        if 0 <= index <= groups:
            pieces.append(index)
    pieces.append(template[end:])
    return [piece for piece in pieces if piece != ""]


def template_match(meter: Meter, template: Value, text: Value, start: Value, end: Value) -> bool:
    name = "regex.template_match"
    shape, subject = string(name, 1, template), string(name, 2, text)
    opening, closing = string(name, 3, start), string(name, 4, end)
    for which, delimiter in (("start", opening), ("end", closing)):
        if len(delimiter.encode("utf-8", "replace")) != 1:
            length = len(opening.encode("utf-8", "replace"))
            raise BuiltinError(
                f"{name}: {which} delimiter has to be exactly one character long but is {length} long"
            )
    if len(shape) > _MAX_PATTERN:
        raise BuiltinError(f"{name}: a template of more than {_MAX_PATTERN} characters is refused")
    meter.charge(_COMPILE_STEPS * (1 + shape.count(opening)))
    expression = _pattern(name, 1, _from_template(name, shape, opening, closing))
    return is_found(expression, subject)


def _from_template(name: str, template: str, opening: str, closing: str) -> str:
    """The regular expression of a template: literal text with expressions between delimiters."""
    parts, level, begin = ["^"], 0, 0
    for place, char in enumerate(template):
        if char == opening:
            level += 1
            if level == 1:
                parts.append(re2.escape(template[begin:place]))
                begin = place + 1
        elif char == closing:
            level -= 1
            if level < 0:
                break
            if level == 0:
                inner = template[begin:place]
                _pattern(name, 1, f"^{inner}$")
                parts.append(f"({inner})")
                begin = place + 1
    if level != 0:
        raise BuiltinError(f"{name}: unbalanced braces in {quoted(template)}")
    return "".join([*parts, re2.escape(template[begin:]), "$"])


def globs_match(left: Value, right: Value) -> bool:
    name = "regex.globs_match"
    first, second = string(name, 1, left), string(name, 2, right)
    try:
        return intersect(first, second)
    except ValueError as error:
        raise BuiltinError(f"{name}: {error}") from None


_PURE: Final = pure(
    {
        "regex.globs_match": globs_match,
    }
)

BUILTINS: Final = {
    **_PURE,
    **contextual(
        {
            "regex.find_n": find_n,
            "regex.find_all_string_submatch_n": find_submatches,
            "regex.split": split,
            "regex.replace": replace,
            "regex.template_match": template_match,
            "regex.is_valid": is_valid,
            "regex.match": matches,
            "re_match": re_match,
        },
        bind={"regex.match": bind},
    ),
}
