"""Values and expressions as people read them: on one line, and no longer than is useful."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from doorward.run.builtins.terms import quoted
from doorward.run.values import UNDEFINED, Value, unkey

__all__ = ["cut", "one_line", "path_text", "value_text"]

_LONGEST: Final = 160
"""Characters of a value or an expression that are shown."""

_MOST_MEMBERS: Final = 24
_DEEPEST: Final = 6

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_BREAK: Final = re.compile(r"\s*\n\s*")
_COMMENT: Final = re.compile(r"(?m)(^|\s)#[^\n\"`]*$")


def cut(text: str, longest: int = _LONGEST) -> str:
    """The text, with what is too much of it replaced by `…`."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def one_line(text: str) -> str:
    """Policy text on one line: comments left out, lines joined, what does not print as `·`."""
    lines = [line for line in _BREAK.split(_COMMENT.sub("", text).strip()) if line]
    joined = lines[0] if lines else ""
    for line in lines[1:]:
        # the ends of lines of a body stand for semicolons
        glue = " " if joined[-1] in "{[(,;|&+-*/%=<>" or line[0] in "}])|&+-*/%=<>" else "; "
        joined += glue + line
    return cut("".join(c if c.isprintable() else "·" for c in joined.replace("\t", " ")))


def value_text(value: Value, longest: int = _LONGEST) -> str:
    """The value as Rego writes it, at most `longest` characters of it; `undefined` for none."""
    return cut(_text(value, longest, _DEEPEST), longest)


def _text(value: Value, room: int, depth: int) -> str:
    """Works out no more of the value than there is room for: it may be larger than any memory holds as text."""
    kind = type(value)
    if value is UNDEFINED:
        return "undefined"
    if kind is str:
        return quoted(value[:room]) if len(value) <= room else quoted(value[:room])[:-1] + "…"
    if value is None or kind is bool:
        return {None: "null", True: "true", False: "false"}[value]
    if kind in (int, float, Decimal):
        return _number(value)
    if depth == 0:
        return "…"
    members: list[Value] = list(value)[:_MOST_MEMBERS] if kind is not dict else []
    parts: list[str] = []
    if kind is dict:
        for form in list(value)[:_MOST_MEMBERS]:
            if room <= 0:
                break
            parts.append(f"{_text(unkey(form), room, depth - 1)}: {_text(value[form], room, depth - 1)}")
            room -= len(parts[-1]) + 2
    elif kind in (set, frozenset):
        texts = sorted(_text(unkey(form), room, depth - 1) for form in members)
        parts = texts
    else:
        for member in members:
            if room <= 0:
                break
            parts.append(_text(member, room, depth - 1))
            room -= len(parts[-1]) + 2
    if len(parts) < len(value):
        parts.append(f"… {len(value) - len(parts)} more")
    inside = ", ".join(parts)
    if kind in (set, frozenset):
        return "{" + inside + "}" if value else "set()"
    return "{" + inside + "}" if kind is dict else "[" + inside + "]"


def _number(value: int | float | Decimal) -> str:
    if type(value) is int and value.bit_length() > 4000:
        return f"a number of about {value.bit_length() * 30103 // 100000} digits"
    return str(value)


def path_text(path: Sequence[Value]) -> str:
    """A place below `input` as policies write it: `resource.labels["cost centre"]`, `principal.groups[0]`."""
    text = ""
    for step in path:
        if isinstance(step, str) and _NAME.match(step):
            text += f".{step}" if text else step
        else:
            text += f"[{value_text(step)}]"
    return text
