"""Which statements of a kind are looked up in tables, and which are tried on every request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from doorward.compile.code import FileCode
from doorward.compile.index import make_tables
from doorward.compile.outline import Guard, How, Place, Table

__all__ = ["Choice", "choose"]

_SETTLED: Final = 8
"""A choice is made anew once one in this many files came or went since."""


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """What is looked up, and what is tried. Statements have numbers; those of earlier files are not given again."""

    files: Mapping[FileCode, int]
    """Those that speak for the kind, with their places in the order."""
    looked_up: Mapping[FileCode, Mapping[int, int]]
    """Of each file, the statements that stand in a table, with their numbers."""
    tried: Mapping[FileCode, tuple[int, ...]]
    tables: tuple[Table, ...]
    names: Mapping[int, str]
    """Of the functions of what is looked up."""
    members: Mapping[int, tuple[FileCode, int]]
    following: int
    """The number of the next statement."""
    changes: int = 0
    """Files that came or went since the choice was made."""

    def followed(self, files: Sequence[FileCode], kind: str) -> Choice | None:
        """The choice for files of which some came and some went; None where it is better made anew."""
        places = {file: at for at, file in enumerate(files)}
        gone, fresh = self.files.keys() - places.keys(), places.keys() - self.files.keys()
        changes = self.changes + len(gone) + len(fresh)
        if changes * _SETTLED > len(files):
            return None
        following = _Following(self, places)
        for file in gone:
            following.remove(file)
        for file in sorted(fresh, key=places.__getitem__):
            following.add(file, kind)
        return following.done(changes)


class _Following:
    """A choice in the making, out of an earlier one: what has a guard on the place of a table goes into that table."""

    def __init__(self, earlier: Choice, places: Mapping[FileCode, int]) -> None:
        self._places = places
        self._tables: dict[tuple[Place, How], dict[Any, tuple[int, ...]]] = {
            (table.place, table.how): dict(table.buckets) for table in earlier.tables
        }
        self._looked_up = dict(earlier.looked_up)
        self._tried = dict(earlier.tried)
        self._names = dict(earlier.names)
        self._members = dict(earlier.members)
        self._following = earlier.following

    def remove(self, file: FileCode) -> None:
        """Take out the statements of a file."""
        self._tried.pop(file, None)
        for one, number in self._looked_up.pop(file, {}).items():
            del self._names[number], self._members[number]
            for guard in file.guards[one]:
                buckets = self._tables.get((guard.place, guard.how), {})
                for value in guard.values:
                    left = tuple([other for other in buckets.get(value, ()) if other != number])
                    if left:
                        buckets[value] = left
                    else:
                        buckets.pop(value, None)

    def add(self, file: FileCode, kind: str) -> None:
        """Put in the statements of a file that speak for the kind."""
        tried: list[int] = []
        looked_up: dict[int, int] = {}
        for one in file.speaking(kind):
            guards = [guard for guard in file.guards[one] if (guard.place, guard.how) in self._tables]
            if not guards:
                tried.append(one)
                continue
            number = looked_up[one] = self._following
            self._following += 1
            self._names[number] = file.name(one)
            self._members[number] = file, one
            guard = min(guards, key=self._crowd)
            buckets = self._tables[guard.place, guard.how]
            for value in guard.values:
                buckets[value] = tuple(sorted((*buckets.get(value, ()), number), key=self._order))
        if tried:
            self._tried[file] = tuple(tried)
        if looked_up:
            self._looked_up[file] = looked_up

    def _crowd(self, guard: Guard) -> int:
        buckets = self._tables[guard.place, guard.how]
        return max([len(buckets.get(value, ())) for value in guard.values])

    def _order(self, number: int) -> tuple[int, int]:
        file, one = self._members[number]
        return self._places[file], one

    def done(self, changes: int) -> Choice:
        """The choice."""
        return Choice(
            files=self._places,
            looked_up=self._looked_up,
            tried={file: self._tried[file] for file in sorted(self._tried, key=self._places.__getitem__)},
            tables=tuple([Table(place, how, buckets) for (place, how), buckets in self._tables.items()]),
            names=self._names,
            members=self._members,
            following=self._following,
            changes=changes,
        )


def choose(files: Sequence[FileCode], kind: str, *, indexed: bool) -> Choice:
    """Choose by what statements need: a look-up is worth its cost where many need something of the same place.

    All statements that speak for the kind are numbered through.
    """
    members = [(file, one) for file in files for one in file.speaking(kind)]
    tables = make_tables([file.guards[one] for file, one in members]) if indexed else ()
    positions = frozenset[int]().union(*(table.positions for table in tables))
    looked_up: dict[FileCode, dict[int, int]] = {}
    tried: dict[FileCode, list[int]] = {}
    for number, (file, one) in enumerate(members):
        if number in positions:
            looked_up.setdefault(file, {})[one] = number
        else:
            tried.setdefault(file, []).append(one)
    return Choice(
        files={file: at for at, file in enumerate(files)},
        looked_up=looked_up,
        tried={file: tuple(some) for file, some in tried.items()},
        tables=tables,
        names={number: members[number][0].name(members[number][1]) for number in positions},
        members={number: members[number] for number in positions},
        following=len(members),
    )
