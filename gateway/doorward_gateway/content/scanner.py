"""Masking what detectors find in a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from doorward_gateway.content.detectors import Detector

__all__ = ["Scanner", "TextMasker"]

TextMasker: TypeAlias = Callable[[str], str]
"""What stands instead of a text that was found."""


class Scanner:
    """Masks what any of its detectors finds; where two find the same, the earlier one of the list counts."""

    def __init__(self, looking: Sequence[tuple[Detector, TextMasker]]) -> None:
        self._looking = tuple(looking)

    def finds(self, text: str) -> bool:
        """Whether there is anything to be masked."""
        return any(next(detector(text), None) is not None for detector, _ in self._looking)

    def mask(self, text: str) -> str:
        """The text without what was found; the very text if nothing was."""
        taken: list[tuple[int, int, TextMasker]] = []
        for detector, masker in self._looking:
            for begin, end in detector(text):
                if all(end <= other or begin >= until for other, until, _ in taken):
                    taken.append((begin, end, masker))
                else:
                    taken = _widened(taken, begin, end)
        if not taken:
            return text
        parts: list[str] = []
        after = 0
        for begin, end, masker in sorted(taken, key=lambda each: each[0]):
            parts += (text[after:begin], masker(text[begin:end]))
            after = end
        return "".join((*parts, text[after:]))


def _widened(
    taken: list[tuple[int, int, TextMasker]], begin: int, end: int
) -> list[tuple[int, int, TextMasker]]:
    """What overlaps is masked as one, by the masker that counts: no rest of the other finding stays."""
    touching = [each for each in taken if each[1] > begin and each[0] < end]
    first = touching[0]
    whole = (min(begin, *(each[0] for each in touching)), max(end, *(each[1] for each in touching)), first[2])
    return [whole, *(each for each in taken if each not in touching)]
