"""Compiling patterns for RE2, and remembering those that hold little memory."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import re2

__all__ = ["compile_pattern", "encodable", "is_found"]

_REMEMBERED: Final = 512
_SMALL: Final = 1 << 20
"""Bytes that a remembered pattern may hold, what it builds while it searches included."""


class _Large(Exception):
    """Carries a pattern past the memory for patterns."""

    def __init__(self, pattern: Any) -> None:
        super().__init__()
        self.pattern = pattern


def compile_pattern(text: str, *, captures: bool = False) -> Any:
    """The compiled pattern. Raises `re2.error`. Few patterns of a policy vary, so they are remembered.

    Without `captures` it only says whether there is a match, and takes a fraction of the time and memory.
    """
    try:
        return _remembered(text, captures)
    except _Large as large:
        return large.pattern


@lru_cache(maxsize=_REMEMBERED)
def _remembered(text: str, captures: bool) -> Any:
    options = re2.Options()
    options.never_capture = not captures
    options.log_errors = False
    usual = options.max_mem
    options.max_mem = _SMALL
    try:
        return re2.compile(text, options)
    except re2.error:
        options.max_mem = usual
        pattern = re2.compile(text, options)
    raise _Large(pattern)  # what is raised is not remembered


def encodable(value: str) -> str:
    """The text without lone surrogates, which RE2 has no way to see."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def is_found(pattern: Any, text: str) -> bool:
    """Whether a compiled pattern matches somewhere in a text.

    Asked of its bytes: for the places of characters, which nobody wants here, the binding takes three times as long.
    """
    return pattern.search(text.encode("utf-8", "replace")) is not None
