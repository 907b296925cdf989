"""Globs: `glob.match`, and the intersection of two glob-like expressions for `regex.globs_match`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import re2

from doorward.run.errors import BuiltinError, TypeMismatchError
from doorward.run.values import Value

from .builtin import Meter, contextual, pure
from .operands import ARRAYS, string, wrong_element, wrong_type
from .patterns import compile_pattern, encodable, is_found

__all__ = ["BUILTINS", "glob_pattern", "intersect"]

_SPECIAL: Final = frozenset("*?\\[]{}")
_MAX_PATTERN: Final = 32 * 1024
_SHORT: Final = 256
"""Characters of a pattern that costs next to nothing to compile."""
_SEARCH_SHIFT: Final = 10
"""Two to this power are the characters of a pattern, times those of a text, that take a step at the worst."""


class _Syntax(ValueError):
    """A glob that is not well-formed, with the place where that shows."""

    def __init__(self, place: int, reason: str) -> None:
        super().__init__(f"glob: syntax error at {place}: {reason}")


def glob_pattern(pattern: str, separators: Sequence[str]) -> str:
    """The glob as a regular expression of RE2; raises ValueError where it is not well-formed.

    `*` and `?` stop at separators, `**` does not; `[a-z]`, `[abc]` and `[!…]` are classes, `{a,b}`
    alternatives, and a backslash makes any character literal.
    """
    stop = "".join(map(_in_class, separators))
    one = f"[^{stop}]" if stop else "(?s:.)"
    parts: list[str] = []
    place, depth = 0, 0
    while place < len(pattern):
        char = pattern[place]
        place += 1
        if char == "*":
            double = pattern[place : place + 1] == "*"
            parts.append("(?s:.*)" if double else f"{one}*")
            place += double
        elif char == "?":
            parts.append(one)
        elif char == "[":
            shown, place = _class(pattern, place)
            parts.append(shown)
        elif char == "{":
            parts.append("(?:")
            depth += 1
        elif char == "," and depth:
            parts.append("|")
        elif char == "}" and depth:
            parts.append(")")
            depth -= 1
        else:
            if char == "\\":
                char = pattern[place : place + 1]
                place += 1
                if not char:
                    raise _Syntax(len(pattern), "trailing backslash")
            parts.append(re2.escape(char))
    if depth:
        raise _Syntax(len(pattern), "unclosed `{`")
    return rf"\A{''.join(parts)}\z"


def _class(pattern: str, place: int) -> tuple[str, int]:
    """A class from after its `[`, and the place after its `]`."""
    negated = "^" if pattern[place : place + 1] == "!" else ""
    place += bool(negated)
    if pattern[place + 1 : place + 2] == "-":
        low, high, close = pattern[place], pattern[place + 2 : place + 3], pattern[place + 3 : place + 4]
        if not high or not close:
            raise _Syntax(len(pattern), "unexpected end of input")
        if high < low:
            raise _Syntax(place + 4, "range hi character is less than lo")
        if close != "]":
            raise _Syntax(place + 4, "expected close range character")
        return f"[{negated}{_in_class(low)}-{_in_class(high)}]", place + 4
    members: list[str] = []
    while True:
        char = pattern[place : place + 1]
        place += 1
        if char == "\\":
            char = pattern[place : place + 1]
            place += 1
        elif char == "]":
            break
        if not char:
            raise _Syntax(len(pattern), "unexpected end of input")
        members.append(_in_class(char))
    if not members:
        raise _Syntax(place, "could not parse range")
    return f"[{negated}{''.join(members)}]", place


def _in_class(char: str) -> str:
    return f"\\x{{{ord(char):x}}}"


@lru_cache(maxsize=1024)
def _translated(pattern: str, separators: tuple[str, ...]) -> str:
    if len(pattern) * (1 + len(separators)) > _MAX_PATTERN:
        raise ValueError(f"glob: longer than {_MAX_PATTERN} characters")
    return glob_pattern(pattern, separators)


def _compiled(pattern: str, separators: tuple[str, ...]) -> Any:
    try:
        return compile_pattern(_translated(pattern, separators))
    except re2.error:
        raise ValueError("glob: the pattern is too large") from None


def match(meter: Meter, pattern: Value, delimiters: Value, text: Value) -> bool:
    name = "glob.match"
    glob, separators = string(name, 1, pattern), _separators(name, delimiters)
    subject = string(name, 3, text)
    work = len(glob) * (1 + len(separators)) * (len(glob) + len(subject)) >> _SEARCH_SHIFT
    if work:
        meter.charge(work)
    try:
        expression = _compiled(encodable(glob), separators)
    except ValueError as error:
        raise BuiltinError(f"{name}: {error}") from None
    return is_found(expression, subject)


def _separators(name: str, delimiters: Value) -> tuple[str, ...]:
    if delimiters is None:
        return ()
    if type(delimiters) not in ARRAYS:
        raise wrong_type(name, 2, delimiters, "array", "null")
    for one in delimiters:
        if type(one) is not str:
            raise wrong_element(name, 2, delimiters, one, "string")
        if len(one) != 1:
            raise wrong_element(name, 2, delimiters, one, "rune")
    return tuple(delimiters) or (".",)


def bind(pattern: Value, delimiters: Value) -> Callable[[Meter, str], bool] | None:
    """`glob.match` of one pattern. What it compiles to is remembered elsewhere, within bounds."""
    try:
        glob, separators = string("glob.match", 1, pattern), _separators("glob.match", delimiters)
        if len(glob) > _SHORT:
            return None
        _compiled(encodable(glob), separators)
        expression = _translated(encodable(glob), separators)
    except (BuiltinError, TypeMismatchError, ValueError):
        return None
    size = len(glob)
    factor = size * (1 + len(separators))

    def found(meter: Meter, text: str) -> bool:
        work = factor * (size + len(text)) >> _SEARCH_SHIFT
        if work:
            meter.charge(work)
        return is_found(compile_pattern(expression), text)

    return found


def quote_meta(pattern: Value) -> Value:
    text = string("glob.quote_meta", 1, pattern)
    return "".join([f"\\{char}" if char in _SPECIAL else char for char in text])


@dataclass(frozen=True, slots=True)
class _Token:
    """A character class as sorted ranges of code points, and how often it may stand: once, `*` or `+`."""

    ranges: tuple[tuple[int, int], ...]
    repeat: str = ""

    def meets(self, other: _Token) -> bool:
        return any(a <= d and c <= b for a, b in self.ranges for c, d in other.ranges)


_ANY: Final = ((0, 0x10FFFF),)
_MAX_EXPRESSION: Final = 1_000


def intersect(left: str, right: str) -> bool:
    """Whether some text matches both expressions, a text that is not empty unless both are.

    Only `.`, `[…]`, `*`, `+` and the backslash are special. The search goes over pairs of places, each at
    most once.
    """
    first, second = _tokens(left), _tokens(right)
    if not first and not second:
        return True
    # places in both expressions, and whether a character was taken on the way there
    waiting = [(0, 0, False)]
    seen = set(waiting)
    while waiting:
        i, j, taken = waiting.pop()
        if i == len(first) and j == len(second) and taken:
            return True
        steps = []
        if i < len(first) and first[i].repeat == "*":
            steps.append((i + 1, j, taken))
        if j < len(second) and second[j].repeat == "*":
            steps.append((i, j + 1, taken))
        if i < len(first) and j < len(second) and first[i].meets(second[j]):
            steps.extend((x, y, True) for x in _after(first, i) for y in _after(second, j))
        waiting.extend(step for step in steps if step not in seen)
        seen.update(steps)
    return False


def _after(tokens: list[_Token], place: int) -> tuple[int, ...]:
    """The places where the match goes on after a token took a character."""
    return (place, place + 1) if tokens[place].repeat else (place + 1,)


def _tokens(expression: str) -> list[_Token]:
    if len(expression) > _MAX_EXPRESSION:
        raise ValueError(f"an expression of more than {_MAX_EXPRESSION} characters is refused")
    found: list[_Token] = []
    place = 0
    while place < len(expression):
        char, escaped, place = _next(expression, place)
        if escaped or char not in ".[]*+":
            ranges: tuple[tuple[int, int], ...] = ((ord(char), ord(char)),)
        elif char == ".":
            ranges = _ANY
        elif char == "[":
            ranges, place = _set(expression, place)
        elif char == "]":
            raise _invalid(expression, place, "set-close ']' with no preceding '['")
        else:
            raise _invalid(expression, place, f"flag '{char}' must be preceded by a non-flag")
        repeat = expression[place : place + 1]
        repeat = repeat if repeat in ("*", "+") else ""
        place += len(repeat)
        found.append(_Token(ranges, repeat))
    return found


def _set(expression: str, place: int) -> tuple[tuple[tuple[int, int], ...], int]:
    ranges: list[tuple[int, int]] = []
    previous: int | None = None
    while place < len(expression):
        char, escaped, place = _next(expression, place)
        if not escaped and char == "]":
            return tuple(sorted(ranges)), place
        if not escaped and char == "-":
            if previous is None:
                raise _invalid(
                    expression, place, "range character '-' must be preceded by a Unicode character"
                )
            if place >= len(expression) - 1:
                raise _invalid(
                    expression, place, "range character '-' must be followed by a Unicode character"
                )
            char, escaped, place = _next(expression, place)
            if not escaped and char in "]-":
                raise _invalid(
                    expression, place, "range character '-' cannot be followed by a special symbol"
                )
            if ord(char) < previous:
                order = f"'{char}' comes before '{chr(previous)}' in Unicode"
                raise _invalid(expression, place, f"range is out of order: {order}")
            ranges.append((previous, ord(char)))
            previous = None
        else:
            previous = ord(char)
            ranges.append((previous, previous))
    raise _invalid(expression, place, "found [ without matching ]")


def _next(expression: str, place: int) -> tuple[str, bool, int]:
    """The character at a place, whether it was escaped, and the place after it."""
    if expression[place] != "\\":
        return expression[place], False, place + 1
    if place + 1 == len(expression):
        raise _invalid(expression, place, "input ends with a \\ (escape) character")
    return expression[place + 1], True, place + 2


def _invalid(expression: str, place: int, problem: str) -> ValueError:
    return ValueError(f"input:{expression}, pos:{place}, {problem}: the input provided is invalid")


BUILTINS: Final = {
    **contextual({"glob.match": match}, bind={"glob.match": bind}),
    **pure({"glob.quote_meta": quote_meta}),
}
