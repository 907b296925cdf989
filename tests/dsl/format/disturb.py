"""Policies as people leave them: the same words, with other line ends, empty lines and comments between them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

from doorward_dsl import Source, parse_module
from doorward_dsl.lex import Token, lex

__all__ = ["anchors", "disturb"]

_SOME = re.compile(r"\bsome [^{};\n]*\Z")
"""A declaration stands on one line: a comment within goes behind it."""


def disturb(text: str, name: str, random: Random, *, inside: bool) -> str:
    """The text with comments and empty lines at line ends; with `inside` after commas and brackets too."""
    tokens = lex(Source(name, text)).tokens
    numbers = iter(range(1_000_000))
    pieces: list[str] = []
    at = 0
    for previous, token in zip([None, *tokens], tokens, strict=False):
        gap = text[at : token.start]
        if previous is not None and not _in_template(previous, token):
            if "\n" in gap:
                gap = _at_line_end(gap, random, numbers)
            elif inside and not _SOME.search(text, 0, at):
                gap = _inside(gap, previous, token, random, numbers)
        pieces += gap, text[token.start : token.end]
        at = token.end
    return "".join([*pieces, text[at:]])


def _in_template(previous: Token, token: Token) -> bool:
    return previous.kind.startswith("TEMPLATE") or token.kind.startswith("TEMPLATE")


def _at_line_end(gap: str, random: Random, numbers: Iterator[int]) -> str:
    chance = random.random()
    if chance < 0.12:
        return f" # behind {next(numbers)}{gap}"
    if chance < 0.2:
        return f"{gap}# above {next(numbers)}\n{random.choice(['', '  ', chr(9)])}"
    if chance < 0.25:
        return f"\n\n{gap}"
    if chance < 0.28:
        return f" # behind {next(numbers)}\n\n# alone {next(numbers)}\n# alone {next(numbers)}\n\n"
    return gap


def _inside(gap: str, previous: Token, token: Token, random: Random, numbers: Iterator[int]) -> str:
    index = previous.text == "[" and previous.tight
    if index or (previous.text not in tuple(",{[(") and token.text not in tuple("})")):
        return gap
    chance = random.random()
    if chance < 0.05:
        return "\n  "
    if chance < 0.08:
        return f" # within {next(numbers)}\n "
    if chance < 0.1:
        return f"\n # within {next(numbers)}\n "
    return gap


def anchors(source: Source) -> list[tuple[str, int]]:
    """For each comment, how many names and texts stand before it; without those that move with their imports."""
    module = parse_module(source)
    rows = {node.span.line for node in module.imports}
    words = [
        token.start
        for token in lex(source).tokens
        if token.kind in ("IDENT", "STRING", "ATTR") and token.text not in ("true", "if", "contains")
    ]
    return [
        (comment.text.strip(), sum(start < comment.span.start for start in words))
        for comment in module.comments
        if comment.span.line not in rows
    ]
