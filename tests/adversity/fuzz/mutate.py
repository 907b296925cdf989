"""Changes to texts by their words, and to bytes; bounded in size, and the same for the same random numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

__all__ = ["PART", "BytesMutator", "PartsMutator", "TextMutator"]

PART: Final = "\x1e"
"""Stands between the parts of one input: a query, a request, data, modules."""

MAX_SIZE: Final = 20_000

_WORD: Final = re.compile(
    r'"(?:[^"\\\n]|\\.)*"|`[^`]*`|\'[^\']*\'|[A-Za-z_]\w*|\d[\d.eE]*|\s+|[:=!<>|&]=|.', re.DOTALL
)
_OPENING: Final = {"(": ")", "[": "]", "{": "}"}
_ODD: Final = [
    "\0",
    "\r",
    "\u2028",
    "\ufeff",
    "é",
    "\U0001f980",
    "\u202e",
    "\ud800",
    "\\u0000",
    "`",
    '"',
    "'",
    "#",
    "\t",
]


class TextMutator:
    """Mutates text of some language word by word. `words` are its keywords, operators and interesting literals."""

    def __init__(self, words: Sequence[str], seeds: Sequence[str]) -> None:
        self._words = words
        self._seeds = [seed for seed in seeds if seed]
        self._ways: tuple[Callable[[list[str], Random], list[str]], ...] = (
            *(
                self._replace,
                self._replace,
                self._insert,
                self._delete,
                self._delete,
                self._swap,
                self._borrow,
            ),
            *(self._borrow, self._double, self._move_group, self._wrap, self._odd, self._lines, self._rename),
        )

    def mutate(self, text: str, random: Random) -> str:
        """The text with a few changes."""
        words = _WORD.findall(text)
        for _ in range(random.choice((1, 1, 2, 3, 6))):
            words = random.choice(self._ways)(words, random)
        return "".join(words)[:MAX_SIZE]

    def _word(self, random: Random) -> str:
        if random.random() < 0.7:
            return random.choice(self._words)
        return random.choice(_WORD.findall(random.choice(self._seeds)) or [" "])

    def _at(self, words: list[str], random: Random) -> int:
        """A place that is not white space, where there is one."""
        for _ in range(4):
            at = random.randrange(len(words) + 1)
            if at < len(words) and not words[at].isspace():
                return at
        return random.randrange(len(words) + 1)

    def _replace(self, words: list[str], random: Random) -> list[str]:
        at = self._at(words, random)
        return [*words[:at], self._word(random), *words[at + 1 :]]

    def _insert(self, words: list[str], random: Random) -> list[str]:
        at = self._at(words, random)
        return [*words[:at], self._word(random), random.choice((" ", "", "\n")), *words[at:]]

    def _delete(self, words: list[str], random: Random) -> list[str]:
        at = self._at(words, random)
        return words[:at] + words[at + random.choice((1, 1, 2, 5, 20)) :]

    def _swap(self, words: list[str], random: Random) -> list[str]:
        first, second = sorted((self._at(words, random), self._at(words, random)))
        end = second + random.choice((1, 3))
        return words[:first] + words[second:end] + words[first:second] + words[end:]

    def _double(self, words: list[str], random: Random) -> list[str]:
        at = self._at(words, random)
        some = words[at : at + random.choice((1, 2, 5, 20))]
        return words[:at] + some * random.choice((2, 2, 3, 30)) + words[at:]

    def _borrow(self, words: list[str], random: Random) -> list[str]:
        """Put a piece of another seed in the place of a piece here; whole groups of brackets where there are any."""
        other = _WORD.findall(random.choice(self._seeds))
        if not other:
            return words
        start = random.randrange(len(other))
        piece = _group(other, start) or other[start : start + random.choice((1, 3, 10, 40))]
        at = self._at(words, random)
        gone = len(_group(words, at) or ()) or random.choice((0, 1, 3))
        return words[:at] + piece + words[at + gone :]

    def _move_group(self, words: list[str], random: Random) -> list[str]:
        openings = [at for at, word in enumerate(words) if word in _OPENING]
        if len(openings) < 2:
            return words
        first, second = random.choice(openings), random.choice(openings)
        return (
            words[:second] + (_group(words, first) or []) + words[second + len(_group(words, second) or ()) :]
        )

    def _wrap(self, words: list[str], random: Random) -> list[str]:
        at = self._at(words, random)
        many = random.choice((1, 2, 5, 100))
        opening = random.choice("([{")
        inner = words[at : at + random.choice((1, 3))]
        return words[:at] + [opening] * many + inner + [_OPENING[opening]] * many + words[at + len(inner) :]

    def _odd(self, words: list[str], random: Random) -> list[str]:
        at = random.randrange(len(words) + 1)
        return [*words[:at], random.choice(_ODD), *words[at:]]

    def _lines(self, words: list[str], random: Random) -> list[str]:
        breaks = [at for at, word in enumerate(words) if "\n" in word]
        if not breaks:
            return words
        at = random.choice(breaks)
        return [*words[:at], random.choice((" ", "; ", "\n\n", "\n", ", ", "")), *words[at + 1 :]]

    def _rename(self, words: list[str], random: Random) -> list[str]:
        names = sorted({word for word in words if word[:1].isalpha()})
        if len(names) < 2:
            return words
        old, new = random.choice(names), random.choice(names)
        return [new if word == old and random.random() < 0.7 else word for word in words]


class PartsMutator:
    """Mutates one part of an input of several: the first ones each by a mutator of its own, the rest by the last."""

    def __init__(self, mutators: Sequence[TextMutator]) -> None:
        self._mutators = mutators

    def mutate(self, text: str, random: Random) -> str:
        """The input with one part changed, more often one of the last."""
        parts = text.split(PART)
        at = len(parts) - 1 if random.random() < 0.6 else random.randrange(len(parts))
        parts[at] = self._mutators[min(at, len(self._mutators) - 1)].mutate(parts[at], random)
        return PART.join(parts)


class BytesMutator:
    """Mutates bytes: bits, lengths, cuts, and pieces of other seeds."""

    def __init__(self, seeds: Sequence[bytes]) -> None:
        self._seeds = seeds

    def mutate(self, data: bytes, random: Random) -> bytes:
        """The bytes with a few changes."""
        changed = bytearray(data)
        for _ in range(random.choice((1, 1, 2, 4, 8))):
            at = random.randrange(len(changed) + 1)
            match random.randrange(7):
                case 0:
                    changed[at : at + 1] = bytes([random.randrange(256)])
                case 1:
                    changed[at:at] = random.randbytes(random.choice((1, 2, 4, 8)))
                case 2:
                    del changed[at : at + random.choice((1, 2, 4, 16))]
                case 3:
                    edge = random.choice(
                        (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
                    )
                    changed[at : at + 4] = edge.to_bytes(4, "big")
                case 4:
                    other = random.choice(self._seeds)
                    start = random.randrange(len(other) + 1)
                    changed[at:at] = other[start : start + random.choice((1, 4, 16, 64))]
                case 5:
                    changed[at:at] = changed[at : at + random.choice((1, 4, 32))] * random.choice((1, 2, 50))
                case _:
                    if at < len(changed):
                        changed[at] ^= 1 << random.randrange(8)
        return bytes(changed[:MAX_SIZE])


def _group(words: Sequence[str], at: int) -> list[str] | None:
    """The words from the first opening bracket at or shortly after a place to its closing one."""
    for start in range(at, min(at + 8, len(words))):
        if words[start] in _OPENING:
            break
    else:
        return None
    depth = 0
    for end in range(start, len(words)):
        depth += (words[end] in _OPENING) - (words[end] in _OPENING.values())
        if depth == 0:
            return list(words[at : end + 1])
    return None
