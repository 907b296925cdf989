"""Where in a text the cursor stands, from its words alone: so it can be told of text that does not parse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from doorward_dsl.lex import Token
from doorward_dsl.lex_ahead import VERBS

__all__ = ["CallContext", "Context", "Place", "call_at", "context_at", "path_before", "statement_tokens"]

Place: TypeAlias = Literal[
    "top",
    "body",
    "import",
    "package",
    "governs",
    "masker",
    "detector",
    "statement",
    "kind",
    "test",
    "expect",
    "none",
]
"""`top`: where a statement may begin; `body`: where an expression may stand; `statement`: in the head of a decision
statement; `kind`: after `when`; `test`: where a line of a test begins; `expect`: after `expect`; `none`: in a comment or text."""

_LATER: Final = frozenset(("IF", "ELSE", "ASSIGN", "UNIFY"))
_IN_TESTS: Final = frozenset(("given", "when", "expect"))


@dataclass(frozen=True, slots=True)
class Context:
    """What the words before the cursor say."""

    place: Place
    path: tuple[str | None, ...]
    """The elements before the last dot: of `input.user.na` they are `input`, `user`; None for what is not constant."""
    prefix: str
    """The beginning of the word at the cursor."""
    start: int
    """Where that word begins."""
    verb: str
    """The word that begins the statement, if it is one of Ward's."""
    tokens: tuple[Token, ...]
    """The words of the statement before the cursor."""


@dataclass(frozen=True, slots=True)
class CallContext:
    """The innermost call that the cursor stands in."""

    name: tuple[str, ...]
    argument: int
    """Which argument, from 0."""


def context_at(
    text: str, tokens: Sequence[Token], comments: Sequence[tuple[int, int]], offset: int
) -> Context:
    """The context at a place; `comments` are the ranges of comments."""
    if any(start < offset <= end for start, end in comments):
        return Context("none", (), "", offset, "", ())
    before = [token for token in tokens if token.start < offset]
    if before and before[-1].kind in ("STRING", "TEMPLATE") and offset < before[-1].end:
        return Context("none", (), "", offset, "", ())
    prefix, start = "", offset
    path: tuple[str | None, ...] = ()
    if before and before[-1].end >= offset and _is_word(before[-1]):
        last = before[-1]
        start = last.start + (last.kind == "ATTR")
        prefix = text[start:offset]
        if last.kind == "ATTR":
            path = path_before(before[:-1])
            before = before[: len(before) - 1]
        else:
            before = before[:-1]
    elif before and text[offset - 1 : offset] == "." and before[-1].end in (offset, offset - 1):
        if before[-1].end == offset:
            before = before[:-1]
        path = path_before(before)
    statement = statement_tokens(text, before)
    fresh_line = text.rfind("\n", 0, start) + 1 == start
    verb = statement[0].text if statement and statement[0].kind == "IDENT" else ""
    if fresh_line and not path and not _open(statement):
        return Context("top", (), prefix, start, "", ())
    place = _place(text, statement, verb, start)
    return Context(place, path, prefix, start, verb, tuple(statement))


def statement_tokens(text: str, tokens: Sequence[Token]) -> list[Token]:
    """The words from the beginning of the last statement on: the last one in the first column that no bracket encloses."""
    begin = 0
    for at in range(len(tokens) - 1, -1, -1):
        token = tokens[at]
        if (token.start == 0 or text[token.start - 1] == "\n") and _is_word(token):
            begin = at
            break
    return list(tokens[begin:])


def path_before(tokens: Sequence[Token]) -> tuple[str | None, ...]:
    """The reference that ends with the last of some words: `a.b["c"][i]` is `a`, `b`, `c`, None."""
    found: list[str | None] = []
    at = len(tokens) - 1
    while at >= 0:
        token = tokens[at]
        if token.kind == "ATTR":
            found.append(token.text[1:])
            at -= 1
        elif token.text == "]":
            opening = _opening(tokens, at)
            inner = tokens[opening + 1 : at]
            plain = len(inner) == 1 and inner[0].kind == "STRING"
            found.append(inner[0].text[1:-1] if plain else None)
            at = opening - 1
        elif _is_word(token):
            found.append(token.text)
            return tuple(reversed(found))
        else:
            break
    return (None, *reversed(found))


def call_at(tokens: Sequence[Token], offset: int) -> CallContext | None:
    """The call whose arguments the cursor stands in."""
    depth = commas = 0
    before = [token for token in tokens if token.end <= offset]
    for at in range(len(before) - 1, -1, -1):
        text = before[at].text
        if text in (")", "]", "}"):
            depth += 1
        elif text in ("(", "[", "{"):
            if depth:
                depth -= 1
                continue
            if text == "(" and before[at].tight and at:
                name = path_before(before[:at])
                constant = tuple(part for part in name if part is not None)
                if constant and len(constant) == len(name):
                    return CallContext(constant, commas)
            commas = 0
        elif text == "," and depth == 0:
            commas += 1
    return None


def _is_word(token: Token) -> bool:
    return token.kind in ("IDENT", "ATTR") or (token.text[:1].isalpha() and token.text.isidentifier())


def _opening(tokens: Sequence[Token], closing: int) -> int:
    depth = 0
    for at in range(closing, -1, -1):
        if tokens[at].text in (")", "]", "}"):
            depth += 1
        elif tokens[at].text in ("(", "[", "{"):
            depth -= 1
            if not depth:
                return at
    return 0


def _open(tokens: Sequence[Token]) -> bool:
    """Whether a bracket is open at the end of some words."""
    depth = 0
    for token in tokens:
        depth += token.text in ("(", "[", "{")
        depth -= token.text in (")", "]", "}")
    return depth > 0


def _place(text: str, tokens: Sequence[Token], verb: str, start: int) -> Place:
    """Where in a statement the next word is to stand."""
    if not tokens:
        return "top"
    words = [token.text for token in tokens]
    previous = words[-1]
    if words[0] in ("import", "package"):
        return "import" if words[0] == "import" else "package"
    if verb == "governs":
        return "governs"
    if verb in ("test", *_IN_TESTS) and (verb != "test" or _open(tokens)):
        return _in_test(text, words, previous, start)
    if previous == "(" and len(words) > 1 and words[-2] == "content":
        return "detector"
    if verb in VERBS and not any(word in ("if", "unless") for word in words):
        return "masker" if verb == "mask" and previous == "with" else "statement"
    return "body"


def _in_test(text: str, words: Sequence[str], previous: str, start: int) -> Place:
    line = text[text.rfind("\n", 0, start) + 1 : start].split()
    if not line and previous not in (",", ":=", "(", "["):
        return "test"
    if line == ["when"]:
        return "kind"
    if line[:1] == ["expect"] and "if" not in line:
        if previous == "with":
            return "masker"
        return "detector" if previous == "(" and words[-2] == "content" else "expect"
    return "body"
