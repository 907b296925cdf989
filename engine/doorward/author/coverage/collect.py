"""Watching which expressions a run reaches.

What decides is the compiled policy, whose code is moved about, joined and indexed: it has no expressions left that could be
counted one by one. So while the tests run, everything they ask is asked again of the reference evaluator, which walks the
text as it is written, and that one is watched.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, TypeAlias

from doorward.author.coverage.coverage import Coverage, FileCoverage, Region
from doorward.author.coverage.regions import Key, head_span, key_of, regions_of
from doorward.compile import FunctionName, Replacements
from doorward.engine.granted import granted_to_decisions, granted_to_queries
from doorward.run.budget import Limits
from doorward.run.context import CallContext
from doorward.run.errors import EvaluationError
from doorward.run.reference.deciding import decide
from doorward.run.reference.evaluator import Evaluator
from doorward.run.reference.tree import make_tree
from doorward.run.reference.world import Constant, Named, World
from doorward.run.values import UNDEFINED, Value
from doorward_dsl.capabilities import Capabilities
from doorward_dsl.program import Path, Program
from doorward_dsl.source import NOWHERE, Source
from doorward_dsl.syntax import Literal, Ref, Rule, Scalar, Statement, Var

__all__ = ["Collector", "Counts", "replaced_world"]

Counts: TypeAlias = tuple[dict[Key, int], dict[Key, int]]
"""How often each region was reached, and how often it held."""


class _Watched(Evaluator):
    """The reference evaluator, counting."""

    def __init__(self, program: Program) -> None:
        super().__init__(make_tree(program))
        self.reaches: Counter[Key] = Counter()
        self.holds: Counter[Key] = Counter()
        self._heads: dict[int, Key] = {}

    def reached(self, literal: Literal) -> None:
        self.reaches[key_of(literal.span)] += 1

    def held(self, literal: Literal) -> None:
        self.holds[key_of(literal.span)] += 1

    def answered(self, what: Rule | Statement) -> None:
        known = self._heads.get(id(what))
        if known is None:
            known = self._heads[id(what)] = key_of(head_span(what))
        self.reaches[known] += 1
        self.holds[known] += 1


def replaced_world(world: World, replacements: Replacements) -> World:
    """A world of the reference evaluator with the replacements that a decision was taken under."""
    for name, value in replacements.functions.items():
        if isinstance(value, FunctionName):
            path = value.path if value.path[0] == "data" else tuple(value.path[0].split("."))
            world = world.with_function(tuple(name.split(".")), Named(path))
        else:
            world = world.with_function(tuple(name.split(".")), Constant(value))
    for path, value in replacements.data.items():
        world = world.with_data(path, value)
    return world


class Collector:
    """Counts for one policy set. `program` holds all that tests ask; `counted` what is to be reached."""

    def __init__(
        self,
        program: Program,
        counted: Program,
        data: dict[str, Value],
        *,
        limits: Limits,
        capabilities: Capabilities | None = None,
        seed: int | None = None,
    ) -> None:
        self._program = program
        self._data = data
        self._limits = limits
        self._capabilities = capabilities
        self._seed = seed
        self._evaluator = _Watched(program)
        self._regions = regions_of(counted)

    def decided(self, kind: str, document: dict[str, Any], now_ns: int, replacements: Replacements) -> None:
        """A request was decided: try every statement on it."""
        grants = granted_to_decisions(self._capabilities)
        call = CallContext(now_ns, self._limits, grants=grants)
        world = replaced_world(World(call, document, self._data), replacements)
        decide(self._evaluator, self._program, kind, world)

    def queried(self, path: Path, now_ns: int) -> None:
        """A document was asked for."""
        grants = granted_to_queries(self._capabilities)
        call = CallContext(now_ns, self._limits, strict=False, grants=grants, seed=self._seed)
        term = Ref(Var("data", NOWHERE), tuple(Scalar(part, NOWHERE) for part in path), NOWHERE)
        try:
            for _ in self._evaluator.values(term, {}, World(call, UNDEFINED, self._data)):
                pass
        except (EvaluationError, RecursionError):
            pass  # what was reached until then counts

    def add(self, reaches: dict[Key, int], holds: dict[Key, int]) -> None:
        """Take what another process has counted."""
        self._evaluator.reaches.update(reaches)
        self._evaluator.holds.update(holds)

    def take(self) -> Counts:
        """What was counted since the last time, to be sent to another process."""
        counts = dict(self._evaluator.reaches), dict(self._evaluator.holds)
        self._evaluator.reaches.clear()
        self._evaluator.holds.clear()
        return counts

    def coverage(self) -> Coverage:
        """What was reached of all there is, by file."""
        regions: dict[Source, list[Region]] = {}
        for key, (span, head) in self._regions.items():
            region = Region(
                span.start, span.end, head, self._evaluator.reaches[key], self._evaluator.holds[key]
            )
            regions.setdefault(span.source, []).append(region)
        files = [
            FileCoverage(source, tuple(sorted(found, key=lambda r: (r.start, -r.end))))
            for source, found in regions.items()
        ]
        return Coverage(tuple(sorted(files, key=lambda file: file.source.name)))
