"""Near misses: which known word the user may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

__all__ = ["near_miss", "nearest"]

_LONGEST: Final = 64
"""Characters of words that are compared: the time it takes grows with their square."""

_MOST: Final = 500
"""Known words that are compared with one; generated policies have more names than anybody could mistake."""


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known word nearest to `word`, if one is near; None otherwise.

    `cutoff` is the least likeness, from 0 (anything) to 1 (the same word).
    """
    if len(word) > _LONGEST:
        return None
    spare = 2 + len(word) // 2
    candidates = [other for other in known if len(other) <= _LONGEST and abs(len(other) - len(word)) <= spare]
    if len(candidates) > _MOST:
        candidates.sort(key=lambda other: (other[:1] != word[:1], other))
    found = get_close_matches(word, candidates[:_MOST], 1, cutoff)
    return found[0] if found else None


def near_miss(word: str, known: Iterable[str]) -> str | None:
    """``did you mean `x`?`` for the known word nearest to `word`, upper and lower case alike; None if none is near."""
    if len(word) < 2:
        return None
    by_lower = {candidate.lower(): candidate for candidate in known if candidate != word}
    found = nearest(word.lower(), by_lower, 0.65 if len(word) > 2 else 0.5)
    return None if found is None else f"did you mean `{by_lower[found]}`?"
