"""`strings.render_template`: the common part of Go's `text/template`.

Text with actions in double braces: fields (`.a.b`), variables, `if`, `else`, `with`, `range`, pipelines, and
the functions of `_FUNCTIONS`. What a missing key would print is `<undefined>`. Nested templates are not
known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from doorward.run.errors import BuiltinError
from doorward.run.values import Value, compare, equal

from . import fmt
from .builtin import Meter, contextual
from .json_text import plain
from .metering import unfolded
from .numeric import number_text
from .operands import ARRAYS, MAX_TEXT, NUMBERS, SETS, items, mapping, members, string
from .terms import MAX_NESTING, term_text

__all__ = ["BUILTINS"]

_NAME: Final = "strings.render_template"
_MAX_STEPS: Final = 1_000_000
_PIECE: Final = re.compile(r"\"(?:[^\"\\]|\\.)*\"|`[^`]*`|\}\}|[^\"`}]+|.", re.DOTALL)
_COMMENT: Final = re.compile(r"[- \t\r\n]*/\*")
_ACTION_STEPS: Final = 16
"""What reading an action takes, and running it."""
_NESTS: Final = {"(": 1, ")": -1}
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>\"(?:[^\"\\]|\\.)*\"|`[^`]*`)|(?P<number>-?[0-9]+(?:\.[0-9]+)?)"
    r"|(?P<path>\$?\w*(?:\.\w+)+|\.|\$\w*)|(?P<word>\w+)|(?P<mark>:=|[=|(),]))"
)


@dataclass(slots=True)
class _Block:
    """An action with a body: `if`, `with`, `range`, or the whole template."""

    kind: str = ""
    pipe: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    body: list[Any] = field(default_factory=list)
    otherwise: list[Any] | None = None


def _wrong(problem: str) -> BuiltinError:
    return BuiltinError(f"{_NAME}: template: template:1: {problem}")


def _parsed(source: str, charge: Callable[[int], None]) -> list[Any]:
    root = _Block()
    stack, place, trim = [root], 0, False
    target = [root.body]
    while (start := source.find("{{", place)) >= 0:
        charge(_ACTION_STEPS)
        text = source[place:start]
        text = text.lstrip() if trim else text
        inside, place = _inside(source, start + 2)
        target[-1].append(text.rstrip() if inside[:2] in ("- ", "-\n", "-\t") else text)
        trim = inside[-2:] in (" -", "\n-", "\t-")
        action = inside[1 if inside[:2] in ("- ", "-\n", "-\t") else 0 : -1 if trim else None].strip()
        if not action.startswith("/*"):
            _take(_tokens(action), stack, target)
    if len(stack) > 1:
        raise _wrong("unexpected EOF")
    root.body.append(source[place:].lstrip() if trim else source[place:])
    return root.body


def _inside(source: str, start: int) -> tuple[str, int]:
    """What stands in an action from after its opening, and the place after its closing."""
    place = start
    if _COMMENT.match(source, start) is not None:
        place = max(source.find("*/", start), start)
    while (match := _PIECE.match(source, place)) is not None:
        place = match.end()
        if match.group() == "}}":
            return source[start : place - 2], place
        if match.group() in ('"', "`"):
            raise _wrong("unterminated quoted string")
    raise _wrong("unclosed action")


def _tokens(action: str) -> list[str]:
    found, place = [], 0
    while place < len(action):
        match = _TOKEN.match(action, place)
        if match is None:
            raise _wrong(f"unexpected {action[place:].strip()[:1]!r} in command")
        found.append(match.group().strip())
        place = match.end()
    return found


def _take(tokens: list[str], stack: list[_Block], target: list[list[Any]]) -> None:
    word = tokens[0] if tokens else ""
    if word in ("if", "with", "range"):
        if len(stack) > MAX_NESTING:
            raise _wrong("nested too deeply")
        names, pipe = _declared(tokens[1:])
        block = _Block(word, pipe, names)
        target[-1].append(block)
        stack.append(block)
        target.append(block.body)
    elif word == "else" and len(stack) > 1 and stack[-1].otherwise is None and len(tokens) == 1:
        stack[-1].otherwise = target[-1] = []
    elif word == "else" and len(stack) > 1 and tokens[1:2] == ["if"]:
        inner = _Block("else if", tokens[2:])
        stack[-1].otherwise = [inner]
        inner.kind = "if"
        stack[-1] = inner
        target[-1] = inner.body
    elif word == "end" and len(stack) > 1:
        stack.pop()
        target.pop()
    elif word in ("else", "end", "define", "template", "block", "break", "continue", ""):
        raise _wrong(f"unexpected {{{{{word}}}}}")
    else:
        names, pipe = _declared(tokens)
        target[-1].append(_Block("print", pipe, names))


def _declared(tokens: list[str]) -> tuple[list[str], list[str]]:
    for mark in (":=", "="):
        if mark in tokens:
            place = tokens.index(mark)
            return [token for token in tokens[:place] if token.startswith("$")], tokens[place + 1 :]
    return [], tokens


class _Run:
    """One rendering: the variables and how much was done."""

    def __init__(self, data: Any, charge: Callable[[int], None]) -> None:
        self.charge = charge
        self.names: dict[str, Any] = {"$": data}
        self.steps = 0
        self.size = 0

    def render(self, nodes: list[Any], dot: Any) -> Iterator[str]:
        for node in nodes:
            self.steps += 1
            if self.steps > _MAX_STEPS or self.size > MAX_TEXT:
                raise _wrong("the result is too large")
            for part in [node] if isinstance(node, str) else self.block(node, dot):
                self.size += len(part)
                self.charge(_ACTION_STEPS + len(part) // 8)
                yield part

    def block(self, block: _Block, dot: Any) -> Iterator[str]:
        value = self.pipeline(block.pipe, dot)
        if block.kind == "print":
            for name in block.names:
                self.names[name] = value
            if not block.names:
                yield _shown(value)
            return
        outer = dict(self.names)
        if block.kind == "range":
            yield from self.each(block, value, dot)
        else:
            for name in block.names:
                self.names[name] = value
            if _truth(value):
                yield from self.render(block.body, value if block.kind == "with" else dot)
            else:
                yield from self.render(block.otherwise or [], dot)
        self.names = {name: self.names[name] for name in outer}

    def each(self, block: _Block, value: Any, dot: Any) -> Iterator[str]:
        if isinstance(value, dict):
            pairs: list[tuple[Any, Any]] = sorted(value.items())
        elif isinstance(value, list):
            pairs = list(enumerate(value))
        elif value is None or value is _MISSING:
            pairs = []
        else:
            raise _wrong(f"range can't iterate over {_shown(value)}")
        for index, item in pairs:
            for name, bound in zip(
                block.names, (item,) if len(block.names) == 1 else (index, item), strict=False
            ):
                self.names[name] = bound
            yield from self.render(block.body, item)
        if not pairs:
            yield from self.render(block.otherwise or [], dot)

    def pipeline(self, tokens: list[str], dot: Any) -> Any:
        result: list[Any] = []
        while True:
            self.charge(_ACTION_STEPS + len(tokens))
            place = _outside(tokens, "|")
            command = tokens if place is None else tokens[:place]
            result = [self.command(command, dot, result)]
            if place is None:
                return result[0]
            tokens = tokens[place + 1 :]

    def command(self, tokens: list[str], dot: Any, piped: list[Any]) -> Any:
        if not tokens:
            raise _wrong("missing value for command")
        if tokens[0] in _FUNCTIONS:
            arguments = [*self.operands(tokens[1:], dot), *piped]
            self.charge(sum(unfolded(one) // 16 for one in arguments if isinstance(one, (list, dict))))
            try:
                return _FUNCTIONS[tokens[0]](*arguments)
            except (TypeError, ValueError, IndexError, KeyError):
                raise _wrong(f"error calling {tokens[0]}") from None
        values = self.operands(tokens, dot)
        if len(values) != 1 or piped:
            raise _wrong("can't give argument to non-function")
        return values[0]

    def operands(self, tokens: list[str], dot: Any) -> list[Any]:
        values = []
        place = 0
        while place < len(tokens):
            if tokens[place] == "(":
                end = _closing(tokens, place)
                values.append(self.pipeline(tokens[place + 1 : end], dot))
                place = end
            else:
                values.append(self.operand(tokens[place], dot))
            place += 1
        return values

    def operand(self, token: str, dot: Any) -> Any:
        if token[0] == '"':
            try:
                return json.loads(token)
            except ValueError:
                raise _wrong("invalid syntax in a quoted string") from None
        if token[0] == "`":
            return token[1:-1]
        if token in ("true", "false", "nil"):
            return {"true": True, "false": False, "nil": None}[token]
        if token[0] in "-0123456789":
            return float(token) if "." in token else int(token)
        name, *steps = token.split(".")
        if name and name not in self.names:
            raise _wrong(f"undefined variable or function {name!r}")
        here = self.names[name] if name else dot
        for step in filter(None, steps):
            if here is _MISSING or here is None:
                return _MISSING
            if not isinstance(here, dict):
                raise _wrong(f"can't evaluate field {step}")
            here = here.get(step, _MISSING)
        return here


_MISSING: Final = object()


def _outside(tokens: list[str], mark: str) -> int | None:
    depth = 0
    for place, token in enumerate(tokens):
        depth += _NESTS.get(token, 0)
        if token == mark and depth == 0:
            return place
    return None


def _closing(tokens: list[str], start: int) -> int:
    depth = 0
    for place in range(start, len(tokens)):
        depth += _NESTS.get(tokens[place], 0)
        if depth == 0:
            return place
    raise _wrong("unclosed left paren")


def _truth(value: Any) -> bool:
    return value is not _MISSING and bool(value)


def _shown(value: Any) -> str:
    """The value as Go prints it: `[a b]`, `map[k:v]`."""
    if value is _MISSING or value is None:
        return "<undefined>"
    return _nested(value)


def _nested(value: Any) -> str:
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{name}:{_nested(value[name])}" for name in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(map(_nested, value)) + "]"
    return number_text(value) if type(value) in NUMBERS else str(value)


def _index(value: Any, *steps: Any) -> Any:
    for step in steps:
        value = value.get(step, _MISSING) if isinstance(value, dict) else value[step]
    return value


def _and(*values: Any) -> Any:
    return next((value for value in values if not _truth(value)), values[-1])


def _or(*values: Any) -> Any:
    return next((value for value in values if _truth(value)), values[-1])


_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "and": _and,
    "or": _or,
    "not": lambda value: not _truth(value),
    "len": len,
    "index": _index,
    "eq": lambda first, *others: any(equal(first, other) for other in others),
    "ne": lambda first, second: not equal(first, second),
    "lt": lambda first, second: compare(first, second) < 0,
    "le": lambda first, second: compare(first, second) <= 0,
    "gt": lambda first, second: compare(first, second) > 0,
    "ge": lambda first, second: compare(first, second) >= 0,
    "print": lambda *values: "".join(map(_shown, values)),
    "println": lambda *values: " ".join(map(_shown, values)) + "\n",
    "printf": lambda template, *values: fmt.sprintf(template, list(values)),
}


def render_template(meter: Meter, template: Value, variables: Value) -> Value:
    source = string(_NAME, 1, template)
    given = mapping(_NAME, 2, variables)
    data = plain(given)
    _check_json(given)
    return "".join(_Run(data, meter.charge).render(_parsed(source, meter.charge), data))


def _check_json(value: Value) -> None:
    """Raise BuiltinError for sets and for keys that are no strings: OPA reads the variables as JSON, from their text."""
    kind = type(value)
    if kind is dict:
        for name, part in items(value):
            if type(name) is not str:
                raise _no_key(name)
            _check_json(part)
    elif kind in ARRAYS:
        for part in value:
            _check_json(part)
    elif kind in SETS:
        if not value:
            raise BuiltinError(f"{_NAME}: invalid character 's' looking for beginning of value")
        first = next(iter(members(value)))
        if type(first) is not str:
            raise _no_key(first)
        after = "}" if len(value) == 1 else ","
        raise BuiltinError(f"{_NAME}: invalid character '{after}' after object key")


def _no_key(value: Value) -> BuiltinError:
    return BuiltinError(
        f"{_NAME}: invalid character '{term_text(value)[0]}' looking for beginning of object key string"
    )


BUILTINS: Final = contextual({_NAME: render_template})
