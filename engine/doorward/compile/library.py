"""The code of a whole program: what each file and each unit becomes, as far as possible out of an earlier revision's.

What governs requests is asked for first; it asks for units, and those for others. At the end all parts are linked into
one namespace, new for each revision: linking costs next to nothing, compiling what has not changed would not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from doorward.compile.changes import Change, change, replaced_keys
from doorward.compile.choice import Choice, choose
from doorward.compile.code import ALL_KINDS, FileCode, References, UnitCode, plan_file, plan_unit_code
from doorward.compile.deciding import DECIDING_HELPERS, Decide, load_decision
from doorward.compile.decision import Group, KindPlan, refined
from doorward.compile.linker import Linker
from doorward.compile.parts import Part, PartWriter
from doorward.compile.planner import Needs, Numbers, Planner, UnitKey, replaced_in
from doorward.compile.tree import Node, build_tree
from doorward_dsl.check.changes import DEEPEST
from doorward_dsl.check.tree import RuleTree
from doorward_dsl.program import GovernedRule, GovernedStatement, Path, Program
from doorward_dsl.syntax import Module

__all__ = ["ALL_KINDS", "Library", "ProgramCode", "gather", "link"]


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
    linker: Linker
    choices: Mapping[str, Choice]
    """What is looked up and what is tried, by kind."""
    following: int
    """The number of the next file."""
    spread: bool
    """Whether something needs whatever there is at and below a place."""


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
        self.files = self._read(program.governing, known)
        self._files = list(self.files.values())
        self.units = self._gathered(known, whole=whole)
        self.kinds: list[KindPlan] = []
        self.parts: list[Part] = [unit.part for unit in self.units.values()]
        self.linker = Linker(self.tree, earlier=None if known is None else known.linker)
        self.linker.namespace.update(DECIDING_HELPERS)
        kinds = sorted({ALL_KINDS}.union(*{file.kinds for file in self._files}))
        self._choices: dict[str, Choice] = {}
        choices = {} if known is None else known.choices
        names = {kind: self._decision(kind, at, choices.get(kind)) for at, kind in enumerate(kinds)}
        self.linker.add(self.parts)
        link(self.linker, self.units, self.planner.numbers)
        self.deciders: dict[str, Decide] = {kind: self.linker.function(name) for kind, name in names.items()}
        self.planner.numbers.keep(self.units)
        self.code = ProgramCode(
            program.tree,
            self.tree,
            replaced,
            self.planner.numbers,
            self.units,
            self.files,
            self.linker,
            self._choices,
            self._following,
            self._spread,
        )

    def _read(
        self, governing: Iterable[tuple[GovernedStatement | GovernedRule, ...]], known: ProgramCode | None
    ) -> dict[tuple[GovernedStatement | GovernedRule, ...], FileCode]:
        """The code of all files, in order."""
        earlier, touched = {} if known is None else known.files, self._changed.touched
        found = {}
        for one in governing:
            file = earlier.get(one)
            if file is None or not file.mentions.isdisjoint(touched):
                file = plan_file(self._following, one, self.planner, self.references)
                self._following += 1
            found[one] = file
        return found

    def _gathered(self, known: ProgramCode | None, *, whole: bool) -> Mapping[UnitKey, UnitCode]:
        """All units that files need, and those that these need."""
        needs = [file.needs for file in self._files]
        if whole:
            needs.append(Needs(below={(): None}))
        if known is None:
            units = gather(needs, self.planner, self.references, {}, keep=self._keep)
            self._spread = _is_spread(needs, units)
            return units
        reusable, stale = self._reusable(known)
        before, now = set(known.files.values()), set(self._files)
        fresh = [file.needs for file in self._files if file not in before]
        lost = [file.needs for file in before - now] + [known.units[key].needs for key in stale]
        # What nobody needs any more is found only by asking for everything: not so if what came needs what went needed.
        asked = {key for some in lost for key in some.units}
        others = Needs(units=dict.fromkeys([key for key in stale if key not in asked]))
        spread = known.spread or any(some.below for some in fresh)
        found: Mapping[UnitKey, UnitCode] = {}
        if not spread and not whole:
            found = gather([*fresh, others], self.planner, self.references, reusable, keep=self._keep)
            fresh += [unit.needs for key, unit in found.items() if key not in reusable]
            spread = any(some.below for some in fresh)
            reusable = {**reusable, **found}
            if not spread and asked <= {key for some in fresh for key in some.units}:
                self._spread = False
                return reusable
        units = gather(needs, self.planner, self.references, reusable, keep=self._keep)
        self._spread = _is_spread(needs, units)
        return units

    def _reusable(self, known: ProgramCode) -> tuple[Mapping[UnitKey, UnitCode], list[UnitKey]]:
        """The units that still hold, and those that do not."""
        touched, places = self._changed.touched, self._changed.places
        if not places:
            return known.units, []
        stale = [
            key
            for key, unit in known.units.items()
            if not unit.mentions.isdisjoint(touched)
            or (key[0][:DEEPEST] in places and not unit.is_of(self.tree.find(key[0])))
        ]
        left = dict(known.units)
        for key in stale:
            del left[key]
        return left, stale

    def _decision(self, kind: str, number: int, earlier: Choice | None) -> str:
        """Add the decision function of a kind; its name."""
        files = [file for file in self._files if kind in file.kinds or ALL_KINDS in file.kinds]
        choice = None if earlier is None else earlier.followed(files, kind)
        if choice is None:
            choice = choose(files, kind, indexed=self.planner.indexed)
        self._choices[kind] = choice
        groups: list[Group] = []
        called: list[str] = []
        for file, some in choice.tried.items():
            planned, part = file.grouped(some, self.planner, keep=self._keep)
            groups += planned
            called += [name for name, _ in part.functions]
            self.parts.append(part)
        self.parts += [
            file.alone(tuple(positions), self.planner, keep=self._keep)
            for file, positions in choice.looked_up.items()
        ]
        if self._keep:
            statements = [refined(file.planned[at][1]) for file in files for at in file.speaking(kind)]
            self.kinds.append(KindPlan(kind, tuple(groups), tuple(statements), choice.tables))
        if len(called) == 1 and not choice.tables:
            return called[0]
        name = f"d{number}"
        writer = PartWriter(f"{name}_", self.planner.numbers, keep=self._keep)
        load_decision(called, [(table, choice.names) for table in choice.tables], writer, name)
        self.parts.append(writer.done())
        return name


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


def _is_spread(needs: Iterable[Needs], units: Mapping[UnitKey, UnitCode]) -> bool:
    return any(some.below for some in needs) or any(unit.needs.below for unit in units.values())


def link(linker: Linker, units: Mapping[UnitKey, UnitCode], numbers: Numbers) -> None:
    """Link the parts that a linker was given, among these units."""
    linker.link(
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
