"""What may read the time that stands in a request, and what cannot.

Besides that, policies learn the time from built-ins, which ask the evaluation's context for it; that is noted there.
"""

from __future__ import annotations

from doorward.compile.library import ALL_KINDS, ProgramCode
from doorward_dsl.program import Path

__all__ = ["is_timeless"]


def is_timeless(code: ProgramCode, kind: str) -> bool:
    """Whether nothing that decides on requests of a kind reads `input.time`.

    Told of whole files, and of the documents that they need: True is certain, False is not.
    """
    files = [file for file in code.files.values() if not file.kinds.isdisjoint((kind, ALL_KINDS))]
    if any(file.names_time for file in files):
        return False
    if not any(unit.names_time for unit in code.units.values()):
        return True
    waiting = [file.needs for file in files]
    seen = set()
    below: set[Path] = set()
    while waiting:
        needs = waiting.pop()
        keys = list(needs.units)
        for path in needs.below.keys() - below:
            below.add(path)
            keys += [key for key in code.units if _at_or_below(key[0], path)]
        for key in keys:
            if key in seen:
                continue
            seen.add(key)
            unit = code.units[key]
            if unit.names_time:
                return False
            waiting.append(unit.needs)
    return True


def _at_or_below(path: Path, other: Path) -> bool:
    return path[: len(other)] == other
