"""Which statements of a kind are looked up in tables, and which are tried on every request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from doorward.compile.code import FileCode
from doorward.compile.index import make_tables
from doorward.compile.outline import Table

__all__ = ["Choice", "choose"]


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """What is looked up, and what is tried, of files by position.

    All statements of the files that speak for the kind are numbered through.
    """

    files: Sequence[FileCode]
    looked_up: Mapping[int, Mapping[int, int]]
    """Of each file, the statements that stand in a table, with their numbers."""
    tried: Mapping[int, tuple[int, ...]]
    tables: tuple[Table, ...]

    def suits(self, files: Sequence[FileCode], kind: str) -> bool:
        """Whether the choice is the same for other files, since they need the same for their statements to hold."""
        return len(files) == len(self.files) and all(
            one is other or (one.guards == other.guards and one.speaking(kind) == other.speaking(kind))
            for one, other in zip(files, self.files, strict=True)
        )


def choose(files: Sequence[FileCode], kind: str, *, indexed: bool) -> Choice:
    """Choose by what statements need: a look-up is worth its cost where many need something of the same place."""
    members = [(at, one) for at, file in enumerate(files) for one in file.speaking(kind)]
    tables = make_tables([files[at].guards[one] for at, one in members]) if indexed else ()
    positions = frozenset[int]().union(*(table.positions for table in tables))
    looked_up: dict[int, dict[int, int]] = {}
    tried: dict[int, list[int]] = {}
    for number, (at, one) in enumerate(members):
        if number in positions:
            looked_up.setdefault(at, {})[one] = number
        else:
            tried.setdefault(at, []).append(one)
    return Choice(files, looked_up, {at: tuple(some) for at, some in tried.items()}, tables)
