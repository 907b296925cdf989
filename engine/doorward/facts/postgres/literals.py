"""Statements that differ in nothing but literals that no analysis looks at.

Real traffic is `… WHERE id = 17`, then `… WHERE id = 18`. `lifted` gives both the same text, so that one analysis serves them.
It reads only text in which there is no doubt where a literal starts and ends, and leaves alone every literal that
means more than its value: places in ORDER BY and GROUP BY, LIMIT, settings. Wherever in doubt it gives up, and the
statement is analysed as it is.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["lifted"]

_PLAIN: Final = re.compile(r"\s*(?:select|insert|update|delete|with|merge)\b[^;]*;?\s*", re.IGNORECASE)
"""One statement, of a kind in which literals are values."""

_DOUBTFUL: Final = re.compile(
    r"--|/\*|\$(?!\d)|\bset_config\b|\b(?:limit|offset|first|next|fetch)\s*\(", re.IGNORECASE
)
"""Comments, dollar quotes, calls whose first argument names a setting, a LIMIT in brackets."""

_PLACES: Final = re.compile(r"\b(?:by|distinct)\b", re.IGNORECASE)
"""Where a number may be the place of an output column."""

_QUOTED: Final = r""" "[^"]*" | [\w$&]+'(?:[^']|'')*' """
_STRING: Final = r""" (?P<string>'(?:[^']|'')*') """
# Of at most nine digits: a longer one is of another type, which is not allowed wherever this one is.
_AFTER_OPERATOR: Final = r""" (?P<number>(?<=[=<>])\s*\d{1,9}(?![\w.])) """
_IN_LIST: Final = r""" (?P<number>(?<=[=<>(,])\s*\d{1,9}(?![\w.])) """

_WITH_PLACES: Final = re.compile(f"{_QUOTED} | {_STRING} | {_AFTER_OPERATOR}", re.VERBOSE)
_WITHOUT_PLACES: Final = re.compile(f"{_QUOTED} | {_STRING} | {_IN_LIST}", re.VERBOSE)


def lifted(text: str) -> str | None:
    """The text with a mark for every literal that is but a value; `None` where there is doubt."""
    if not text.isascii() or "\\" in text or "\0" in text:
        return None
    pattern = _WITHOUT_PLACES if _PLACES.search(text) is None else _WITH_PLACES
    general = pattern.sub(_replace, text)
    # Asked of the text without its strings, in which anything may stand. What is in doubt opens with a sign that is
    # still there: up to the first such sign, strings have been told apart rightly.
    if _DOUBTFUL.search(general) is not None or _PLAIN.fullmatch(general) is None:
        return None
    return general


def _replace(match: re.Match[str]) -> str:
    kind = match.lastgroup
    return match[0] if kind is None else "\0s" if kind == "string" else "\0n"
