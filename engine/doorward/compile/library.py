"""The code of a whole program: what each file and each unit becomes, as far as possible out of an earlier revision's.

What governs requests is asked for first; it asks for units, and those for others. At the end all parts are linked into
one namespace, new for each revision: linking costs next to nothing, compiling what has not changed would not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from doorward.compile.changes import Change, change, replaced_keys
from doorward.compile.code import ALL_KINDS, FileCode, References, UnitCode, plan_file, plan_unit_code
from doorward.compile.deciding import DECIDING_HELPERS, Decide, load_decision
from doorward.compile.decision import Group, KindPlan, refined
from doorward.compile.findings import StatementInfo
from doorward.compile.index import make_tables
from doorward.compile.linker import Linker
from doorward.compile.parts import Part, PartWriter
from doorward.compile.planner import Needs, Numbers, Planner, UnitKey, replaced_in
from doorward.compile.tree import Node, build_tree
from doorward_dsl.check.changes import DEEPEST
from doorward_dsl.check.tree import RuleTree
from doorward_dsl.program import GovernedRule, GovernedStatement, Path, Program
from doorward_dsl.syntax import Module

__all__ = ["ALL_KINDS", "Library", "ProgramCode", "gather", "join"]


@dataclass(frozen=True, slots=True, eq=False)
class ProgramCode:
    """All code of a program, and what the next revision has to know to go on from it."""

    rules: RuleTree
    tree: Node
    replaced: Mapping[Module, frozenset[Path]]
    """What the `with`s of each module replace."""
    numbers: Numbers
    units: Mapping[UnitKey, UnitCode]
    files: Mapping[tuple[GovernedStatement | GovernedRule, ...], FileCode]
    following: int
    """The number of the next file."""


class Library:
    """Puts the code of a program together.

    `indexed`: statements are looked up where they can be; `whole`: with all documents, needed or not; `keep`: with the
    syntax of all functions. `replaced_too` are dotted names that something else may stand in for.
    """

    def __init__(
        self,
        program: Program,
        *,
        indexed: bool,
        whole: bool,
        replaced_too: frozenset[str] = frozenset(),
        earlier: ProgramCode | None = None,
        keep: bool = False,
    ) -> None:
        self.tree = build_tree(program)
        self._keep = keep
        replaced = _replaced(program, earlier)
        paths = frozenset[Path]().union(*filter(None, replaced.values()))
        self.mocked = frozenset(map(".".join, paths)) | replaced_too
        changed = None if earlier is None else _change(earlier, program, self.tree, paths)
        known = earlier if changed is not None else None
        self._changed = Change(frozenset(), frozenset()) if changed is None else changed
        numbers = Numbers() if known is None else known.numbers
        self.planner = Planner(self.tree, self.mocked, indexed=indexed, numbers=numbers)
        self.references = program.references
        self._following = 0 if known is None else known.following
        self.files = {governing: self._file(governing, known) for governing in program.governing}
        needs = [file.needs for file in self.files.values()]
        if whole:
            needs.append(Needs(below={(): None}))
        self.units = gather(needs, self.planner, self.references, self._reusable(known), keep=keep)
        self.kinds: list[KindPlan] = []
        self.parts: list[Part] = [unit.part for unit in self.units.values()]
        self.linker = Linker(self.tree)
        self.linker.namespace.update(DECIDING_HELPERS)
        for unit in self.units.values():
            self.linker.add(unit.part)
        kinds = sorted({ALL_KINDS}.union(*(file.kinds for file in self.files.values())))
        names = {kind: self._decision(kind, at) for at, kind in enumerate(kinds)}
        join(self.linker, self.units, self.planner.numbers)
        self.deciders: dict[str, Decide] = {kind: self.linker.namespace[name] for kind, name in names.items()}
        self.planner.numbers.keep(self.units)
        self.code = ProgramCode(
            program.tree, self.tree, replaced, self.planner.numbers, self.units, self.files, self._following
        )

    @property
    def infos(self) -> tuple[StatementInfo, ...]:
        """What is known of all statements and governed rules."""
        return tuple([info for file in self.files.values() for (_, info, _), _, _ in file.planned])

    def _file(
        self, governing: tuple[GovernedStatement | GovernedRule, ...], known: ProgramCode | None
    ) -> FileCode:
        file = None if known is None else known.files.get(governing)
        if file is None or not file.mentions.isdisjoint(self._changed.touched):
            file = plan_file(self._following, governing, self.planner, self.references)
            self._following += 1
        return file

    def _reusable(self, known: ProgramCode | None) -> Mapping[UnitKey, UnitCode]:
        """The units that still hold."""
        if known is None:
            return {}
        touched, places = self._changed.touched, self._changed.places
        if not places:
            return known.units
        return {
            key: unit
            for key, unit in known.units.items()
            if unit.mentions.isdisjoint(touched)
            and (key[0][:DEEPEST] not in places or unit.is_of(self.tree.find(key[0])))
        }

    def _decision(self, kind: str, number: int) -> str:
        """Add the decision function of a kind; its name."""
        members = [(file, at) for file in self.files.values() for at in file.speaking(kind)]
        tables = make_tables([file.guards[at] for file, at in members]) if self.planner.indexed else ()
        looked_up = frozenset[int]().union(*(table.positions for table in tables))
        tried: dict[FileCode, list[int]] = {}
        alone: dict[FileCode, list[int]] = {}
        for position, (file, at) in enumerate(members):
            (alone if position in looked_up else tried).setdefault(file, []).append(at)
        groups: list[Group] = []
        called: list[str] = []
        for file, some in tried.items():
            planned, part = file.grouped(tuple(some), self.planner, keep=self._keep)
            groups += planned
            called += [name for name, _ in part.functions]
            self._add(part)
        for file, some in alone.items():
            self._add(file.alone(tuple(some), self.planner, keep=self._keep))
        functions = {position: members[position][0].name(members[position][1]) for position in looked_up}
        if self._keep:
            statements = tuple([refined(file.planned[at][1]) for file, at in members])
            self.kinds.append(KindPlan(kind, tuple(groups), statements, tables))
        if len(called) == 1 and not tables:
            return called[0]
        name = f"d{number}"
        writer = PartWriter(f"{name}_", self.planner.numbers, keep=self._keep)
        load_decision(called, [(table, functions) for table in tables], writer, name)
        self._add(writer.done())
        return name

    def _add(self, part: Part) -> None:
        if self._keep:
            self.parts.append(part)
        self.linker.add(part)


def gather(
    needs: Iterable[Needs],
    planner: Planner,
    references: References,
    known: Mapping[UnitKey, UnitCode],
    there: Mapping[UnitKey, UnitCode] | None = None,
    *,
    keep: bool = False,
) -> dict[UnitKey, UnitCode]:
    """All units that are needed, and those that these need, but for those that are `there`; out of `known` if they are
    in it."""
    there = there or {}
    found: dict[UnitKey, UnitCode] = {}
    waiting = list(needs)
    waiting.reverse()
    below: set[Path] = set()
    while waiting:
        some = waiting.pop()
        keys = [*some.units]
        for path in some.below:
            if path not in below:
                below.add(path)
                keys += planner.asked_below(path)
        for key in keys:
            if key in found or key in there:
                continue
            unit = known.get(key)
            if unit is None:
                unit = plan_unit_code(key, planner, references, keep=keep)
            found[key] = unit
            waiting.append(unit.needs)
    return found


def join(linker: Linker, units: Mapping[UnitKey, UnitCode], numbers: Numbers) -> None:
    """Settle what the parts of a linker leave open, with these units."""
    linker.join(
        (
            unit.plan.id,
            numbers.names[unit.plan.id],
            unit.plan.path,
            unit.plan.kind,
            len(key[1]) == len(unit.rules),
        )
        for key, unit in units.items()
    )


def _replaced(program: Program, earlier: ProgramCode | None) -> dict[Module, frozenset[Path]]:
    known: Mapping[Module, frozenset[Path]] = {} if earlier is None else earlier.replaced
    found = {}
    for module in program.modules:
        names = known.get(module)
        found[module] = replaced_in(module) if names is None else names
    return found


def _change(earlier: ProgramCode, program: Program, tree: Node, replaced: frozenset[Path]) -> Change | None:
    """What differs from an earlier revision; None where that may be anything."""
    before = frozenset[Path]().union(*filter(None, earlier.replaced.values()))
    keys = replaced_keys(before ^ replaced, [earlier.tree, tree])
    if keys is None:
        return None
    found = change(earlier.rules, program.tree)
    return Change(found.touched | keys, found.places)
