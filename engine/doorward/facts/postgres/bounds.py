"""How deeply SQL text nests, told from its tokens: the parser builds deep trees by recursion and does not
guard all of them.
"""

from __future__ import annotations

from typing import Final

from pglast import parse_sql, scan

from doorward.facts.postgres.findings import Opaque
from doorward.facts.postgres.trees import Node

__all__ = ["MAX_DEPTH", "MAX_LENGTH", "MAX_STATEMENTS", "depth", "parse"]

MAX_LENGTH: Final = 1_000_000
"""Characters of one message of SQL text."""

MAX_STATEMENTS: Final = 500
"""Statements in one message."""

MAX_DEPTH: Final = 2_000
"""Levels of nesting, as `depth` counts them. The parser has been seen to take ten times as many."""

_OPENING: Final = frozenset({"ASCII_40", "ASCII_91", "CASE"})
_CLOSING: Final = frozenset({"ASCII_41", "ASCII_93", "END_P"})
_CHAINING: Final = frozenset(
    [
        "Op",
        "ASCII_42",
        "ASCII_43",
        "ASCII_45",
        "ASCII_47",
        "ASCII_37",
        "ASCII_94",
        "ASCII_60",
        "ASCII_61",
        "ASCII_62",
        "LESS_EQUALS",
        "GREATER_EQUALS",
        "NOT_EQUALS",
        "TYPECAST",
        "NOT",
        "NOT_LA",
        "IS",
        "ISNULL",
        "NOTNULL",
        "COLLATE",
        "AT",
        "OPERATOR",
        "LIKE",
        "ILIKE",
        "SIMILAR",
        "BETWEEN",
        "IN_P",
    ]
)
_LASTING: Final = frozenset({"JOIN", "UNION", "INTERSECT", "EXCEPT", "SELECT", "ASCII_46"})
_ENDING: Final = frozenset({"ASCII_44", "AND", "OR", "WHEN", "THEN", "ELSE"})


def depth(text: str) -> int:
    """An upper bound of how deep the parse tree of `text` is, in operators, brackets and sub-queries.

    A text that is shorter than it could be deep is not looked at. Raises `pglast.Error` where there are no
    tokens.
    """
    if len(text) <= MAX_DEPTH:
        return 0
    deepest = 0
    # For each open bracket: what of it lasts to its end, and what is over with the next comma.
    lasting, chained, open_ = 0, 0, 0
    stack: list[tuple[int, int]] = []
    for token in scan(text):
        name = token.name
        if name in _OPENING:
            stack.append((lasting, chained))
            open_ += lasting + chained + 1
            lasting = chained = 0
        elif name in _CLOSING:
            if stack:
                lasting, chained = stack.pop()
                open_ -= lasting + chained + 1
        elif name == "ASCII_59":
            stack.clear()
            lasting = chained = open_ = 0
        elif name in _ENDING:
            chained = 0
        elif name in _CHAINING:
            chained += 1
        elif name in _LASTING:
            lasting += 1
        deepest = max(deepest, open_ + lasting + chained)
    return deepest


def parse(text: str) -> tuple[Node, ...]:
    """The statements of a text. Raises `Opaque` where it is out of bounds, `pglast.Error` where it is not SQL."""
    if len(text) > MAX_LENGTH:
        raise Opaque(f"the text is longer than {MAX_LENGTH} characters")
    if "\0" in text:
        raise Opaque("the text holds a zero byte")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Opaque("the text is not Unicode") from error
    if depth(text) > MAX_DEPTH:
        raise Opaque("the text is nested too deeply")
    statements = parse_sql(text)
    if len(statements) > MAX_STATEMENTS:
        raise Opaque(f"there are more than {MAX_STATEMENTS} statements")
    return tuple(raw.stmt for raw in statements)
