"""Code of units and of files, and what it rests on: reused in the next revision while that holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from doorward.compile.deciding import load_group, load_statement
from doorward.compile.decision import Governing, Group, Planned, describe, plan_group, plan_statement, refined
from doorward.compile.functions import load_unit
from doorward.compile.index import find_guards
from doorward.compile.outline import Guard, Unit
from doorward.compile.parts import Part, PartWriter
from doorward.compile.planner import Needs, Planner, UnitKey
from doorward.compile.tree import Node
from doorward_dsl.check.changes import Key
from doorward_dsl.mentions import Read, keys_of, names_input
from doorward_dsl.program import GovernedRule
from doorward_dsl.syntax import Rule, Statement

__all__ = ["ALL_KINDS", "FileCode", "References", "UnitCode", "plan_file", "plan_unit_code"]

ALL_KINDS: Final = "*"

_LARGEST_GROUP: Final = 64

_MOST_CHOICES: Final = 16
"""Of the statements of one file: which of them are looked up may differ by kind, and by revision."""

References = Callable[[Rule | Statement], Iterable[Read]]
"""What a rule or a statement refers to."""


@dataclass(frozen=True, slots=True, eq=False)
class UnitCode:
    """A unit: holds for the same rules, as long as nothing that they mention changes its form."""

    plan: Unit
    rules: tuple[Rule, ...]
    mentions: frozenset[Key]
    names_time: bool
    """Whether it may read the time of a request; not whether what it needs does."""
    needs: Needs
    part: Part

    def is_of(self, node: Node | None) -> bool:
        """Whether it is of the document that stands at a place."""
        document = None if node is None else node.document
        if document is None or document.kind != self.plan.kind:
            return False
        return self.rules == tuple(placed.rule for placed in document.rules)


def plan_unit_code(key: UnitKey, planner: Planner, references: References, *, keep: bool) -> UnitCode:
    """Plan and write a unit."""
    needs = planner.noting()
    plan = planner.plan(key)
    rules = tuple(placed.rule for placed in planner.document(key).rules)
    part = PartWriter(f"u{plan.id}_", planner.numbers, keep=keep)
    load_unit(plan, part)
    mentions = keys_of(read for rule in rules for read in references(rule))
    return UnitCode(
        plan, rules, mentions, any(names_input(rule, "time") for rule in rules), needs, part.done()
    )


@dataclass(slots=True, eq=False)
class FileCode:
    """What takes part in decisions of one file. Functions are written when some kind asks for them, once."""

    number: int
    planned: tuple[Planned, ...]
    guards: tuple[tuple[Guard, ...], ...]
    kinds: frozenset[str]
    """The kinds that some of it speaks for."""
    alike: bool
    """Whether all of it speaks for the same kinds."""
    mentions: frozenset[Key]
    names_time: bool
    """Whether some of it may read the time of a request; not whether what it needs does."""
    needs: Needs
    _alone: dict[tuple[int, ...], Part] = field(default_factory=dict)
    _groups: dict[tuple[int, ...], tuple[tuple[Group, ...], Part]] = field(default_factory=dict)
    _grouped: int = 0
    """How many times statements were grouped, for names that are new."""

    def speaking(self, kind: str) -> tuple[int, ...]:
        """The positions of the statements that speak for a kind."""
        if kind not in self.kinds and ALL_KINDS not in self.kinds:
            return ()
        if self.alike:
            return tuple(range(len(self.planned)))
        infos = [(at, info.kinds) for at, ((_, info, _), _, _) in enumerate(self.planned)]
        return tuple([at for at, kinds in infos if kind in kinds or ALL_KINDS in kinds])

    def name(self, at: int) -> str:
        """The name of the function of a statement by itself."""
        return f"s{self.number}_{at}"

    def alone(self, some: tuple[int, ...], planner: Planner, *, keep: bool) -> Part:
        """The functions of statements by themselves."""
        part = self._alone.get(some)
        if part is None:
            _bound(self._alone)
            writer = PartWriter(f"s{self.number}_", planner.numbers, keep=keep)
            for at in some:
                load_statement(refined(self.planned[at][1]), writer, self.name(at))
            part = self._alone[some] = writer.done()
        return part

    def grouped(
        self, tried: tuple[int, ...], planner: Planner, *, keep: bool
    ) -> tuple[tuple[Group, ...], Part]:
        """The functions of statements that are tried on every request."""
        known = self._groups.get(tried)
        if known is None:
            _bound(self._groups)
            name = f"g{self.number}_{self._grouped}"
            self._grouped += 1
            writer = PartWriter(f"{name}_", planner.numbers, keep=keep)
            groups = []
            for start in range(0, len(tried), _LARGEST_GROUP):
                some = [self.planned[at] for at in tried[start : start + _LARGEST_GROUP]]
                groups.append(plan_group(some, planner))
                load_group(groups[-1], writer, f"{name}_{start}")
            known = self._groups[tried] = (tuple(groups), writer.done())
        return known


def _bound(parts: dict[tuple[int, ...], Any]) -> None:
    if len(parts) >= _MOST_CHOICES:
        parts.clear()


def plan_file(
    number: int, governing: Sequence[Governing], planner: Planner, references: References
) -> FileCode:
    """Plan the statements, or the governed rules, of one file."""
    needs = planner.noting()
    planned: list[Planned] = []
    reads: list[Read] = []
    names_time = False
    for one in governing:
        described = (one, *describe(one))
        planned.append((described, *plan_statement(*described, (), planner)))
        if isinstance(one, GovernedRule):
            reads.append(Read(tuple([("str", name) for name in one.path])))
        else:
            reads += references(one.statement)
            names_time = names_time or names_input(one.statement, "time")
    guards = tuple(tuple(find_guards(statement.block)) for _, statement, _ in planned)
    kinds = {info.kinds for (_, info, _), _, _ in planned}
    every = frozenset(kind for some in kinds for kind in some)
    return FileCode(number, tuple(planned), guards, every, len(kinds) == 1, keys_of(reads), names_time, needs)
