"""Planning a whole program: which units there are, and what `with` replaces."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from doorward.compile.free import constant, dotted
from doorward.compile.outline import Unit
from doorward.compile.plan import Const, Overlay
from doorward.compile.tree import Document, Node, fits
from doorward.compile.units import plan_unit
from doorward_dsl.program import Program
from doorward_dsl.signatures import signatures
from doorward_dsl.syntax import Body, Term
from doorward_dsl.walk import deep_withs, head_terms, rule_chain, statement_terms

__all__ = ["Planner", "mocked_functions", "replaced"]


class Planner:
    """Gives out the numbers of units, and plans each once.

    A query has a planner of its own on top of (`base`) the program's, which it leaves as it is.
    """

    def __init__(
        self, tree: Node, mocked: frozenset[str], *, indexed: bool, base: Planner | None = None
    ) -> None:
        self.tree = tree
        self.indexed = indexed
        self.units: list[Unit] = []
        self._base = base
        self._first = 0 if base is None else base.count
        self._mocked = mocked
        self._numbers: dict[tuple[Document, tuple[int, ...]], int] = (
            {} if base is None else dict(base._numbers)
        )
        self._waiting: deque[tuple[int, Document, tuple[Any, ...], tuple[int, ...]]] = deque()
        self._overlays: list[Overlay] = []
        self._constants: dict[Document, Const | None] = {}
        self._relied_on: set[Document] = set()
        """Documents of which the plan takes for granted what only a `with` could make otherwise."""

    @property
    def count(self) -> int:
        """How many units there are, with those of the base."""
        return self._first + len(self.units)

    def all_units(self) -> Iterator[Unit]:
        """All units, with those of the base."""
        if self._base is not None:
            yield from self._base.all_units()
        yield from self.units

    def unit_of(self, document: Document, prefix: tuple[Any, ...]) -> int:
        """The number of the unit that holds what the document has at and below a constant path into it."""
        chosen = tuple(range(len(document.rules)))
        if document.kind == "object" and prefix:
            some = tuple(at for at, placed in enumerate(document.rules) if fits(placed.suffix, prefix))
            chosen = some
        identity = (document, chosen)
        number = self._numbers.get(identity)
        if number is None:
            number = self._numbers[identity] = self._first + len(self._numbers)
            self._waiting.append((number, document, prefix, chosen))
        return number

    def plan_below(self, node: Node) -> None:
        """Ask for every document at and below a place of the tree."""
        for document in node.documents():
            if document.kind != "function":
                self.unit_of(document, ())

    def documents(self) -> Iterator[tuple[tuple[str, ...], int]]:
        """The paths of all documents that were asked for as a whole, with the numbers of their units."""
        for (document, chosen), number in self._numbers.items():
            if document.kind != "function" and len(chosen) == len(document.rules):
                yield document.path, number

    def constant_of(self, document: Document) -> Const | None:
        """The value of a document that never changes: one definition, all literals, that no `with` replaces."""
        if document not in self._constants:
            self._constants[document] = fixed = _fixed(document)
            if fixed is not None and self._is_replaced(document.path):
                self._constants[document] = None
            elif fixed is not None:
                self._relied_on.add(document)
        return self._constants[document]

    def is_always_a_set(self, document: Document) -> bool:
        """Whether nothing stands in for a document of members that could be anything else."""
        if self._is_replaced(document.path):
            return False
        self._relied_on.add(document)
        return True

    def _is_replaced(self, path: tuple[str, ...]) -> bool:
        return any(_overlap(".".join(("data", *path)), name) for name in self._mocked)

    def has_folded(self, name: str) -> bool:
        """Whether the plan relies on what a document at, above or below a dotted name is."""
        return any(_overlap(".".join(("data", *document.path)), name) for document in self._relied_on)

    def finish(self) -> None:
        """Plan every unit that was asked for, and what those ask for."""
        while self._waiting:
            number, document, prefix, chosen = self._waiting.popleft()
            whole = len(chosen) == len(document.rules)
            path = document.path if whole else (*document.path, *prefix)
            rules = [document.rules[at] for at in chosen]
            self.units.append(plan_unit(number, document, path, rules, self))
        for overlay in self._overlays:
            overlay.units = tuple(
                (unit.id, unit.path[len(overlay.path) :])
                for unit in self.all_units()
                if unit.kind != "function" and unit.path[: len(overlay.path)] == overlay.path
            )

    def builtin_arity(self, name: str) -> int | None:
        """How many arguments a built-in takes; None when there is none of that name, -1 when it varies."""
        signature = signatures().get(name)
        if signature is None:
            return None
        return -1 if signature.arity is None else signature.arity

    def is_relation(self, name: str) -> bool:
        """Whether the built-in has many outputs for one input."""
        return signatures()[name].relation

    def is_mocked(self, name: str) -> bool:
        """Whether some `with` of the program replaces the function."""
        return name in self._mocked

    def overlay(self, path: tuple[str, ...]) -> Overlay:
        """The documents at and below a path that a `with` replaces; known when all is planned."""
        self._overlays.append(Overlay(path))
        return self._overlays[-1]


def _overlap(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _fixed(document: Document) -> Const | None:
    if document.kind != "complete" or len(document.rules) > 1:
        return None
    rule = document.rules[0].rule
    if rule.body or rule.else_ is not None or rule.default:
        return None
    return constant(rule.head.value) if rule.head.value is not None else Const(True)


def mocked_functions(program: Program) -> frozenset[str]:
    """The dotted names of all that some `with` of the program replaces, other than parts of `input`."""
    names: set[str] = set()
    for module in program.modules:
        for rule in module.rules:
            for link in rule_chain(rule):
                names |= replaced(*head_terms(link.head), body=link.body)
        for statement in module.statements:
            names |= replaced(
                *statement_terms(statement), body=(*(statement.when or ()), *(statement.unless or ()))
            )
    return frozenset(names)


def replaced(*terms: Term, body: Body = ()) -> frozenset[str]:
    """The dotted names of all that a `with` in the terms or the body replaces, other than parts of
    `input`."""
    targets = (dotted(modifier.target) for modifier in deep_withs(*terms, bodies=(body,)))
    return frozenset(".".join((head, *path)) for head, path in targets if head != "input")
