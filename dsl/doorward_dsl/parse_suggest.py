"""Near misses: which known word the user may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["near_miss"]


def near_miss(word: str, known: Iterable[str]) -> str | None:
    """``did you mean `x`?`` for the known word nearest to `word`, if one is near; None otherwise."""
    if not 1 < len(word) <= 64:
        return None
    candidates = [candidate for candidate in known if candidate != word]
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    cutoff = 0.65 if len(word) > 2 else 0.5
    found = get_close_matches(word.lower(), list(by_lower), n=1, cutoff=cutoff)
    return f"did you mean `{by_lower[found[0]]}`?" if found else None
