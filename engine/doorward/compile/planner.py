"""Planning a whole program: which units there are, and what `with` replaces."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from doorward.compile.free import alias, constant, dotted
from doorward.compile.outline import Unit
from doorward.compile.plan import Const, Overlay
from doorward.compile.tree import Document, Node, fits
from doorward.compile.units import plan_unit
from doorward_dsl.program import Path
from doorward_dsl.signatures import signatures
from doorward_dsl.syntax import Body, Module, Term
from doorward_dsl.walk import deep_withs, head_terms, rule_chain, statement_terms

__all__ = ["Needs", "Numbers", "Planner", "UnitKey", "overlap", "replaced", "replaced_in"]


_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9]")
_LONGEST: Final = 80

UnitKey: TypeAlias = tuple[Path, tuple[int, ...]]
"""A document's path, and which of its rules are in the unit, by position."""


@dataclass(slots=True)
class Numbers:
    """The numbers by which generated code knows units. Those given out are given to nothing else, ever."""

    of: dict[UnitKey, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    """The names of their functions, after what they stand for."""
    taken: set[str] = field(default_factory=set)
    following: int = 0

    def copy(self) -> Numbers:
        """The same, to go on from."""
        return Numbers(dict(self.of), dict(self.names), set(self.taken), self.following)

    def number(self, key: UnitKey) -> int:
        """The number of a unit."""
        number = self.of.get(key)
        if number is None:
            number = self.of[key] = self.following
            self.following += 1
            name = "_".join(("data", *(_NOT_IN_NAMES.sub("_", step) for step in key[0])))[:_LONGEST]
            if name in self.taken:
                name = f"{name}_{number}"
            self.taken.add(name)
            self.names[number] = name
        return number

    def keep(self, keys: Collection[UnitKey]) -> None:
        """Forget the numbers of all other units."""
        if len(self.of) > len(keys):
            self.of = {key: number for key, number in self.of.items() if key in keys}
            self.names = {number: self.names[number] for number in self.of.values()}
            self.taken = set(self.names.values())


@dataclass(slots=True)
class Needs:
    """What a plan needs to be there when it runs."""

    units: dict[UnitKey, None] = field(default_factory=dict)
    below: dict[Path, None] = field(default_factory=dict)
    """Places whose documents may all be reached."""


class Planner:
    """Knows what is asked for of a program, and by which number; `needs` notes it.

    A query has a planner of its own on top of (`base`) the program's, which it leaves as it is.
    """

    def __init__(
        self,
        tree: Node,
        mocked: frozenset[str],
        *,
        indexed: bool,
        base: Planner | None = None,
        numbers: Numbers | None = None,
    ) -> None:
        self.tree = tree
        self.indexed = indexed
        self.needs = Needs()
        known = base.numbers if base is not None else numbers
        self.numbers: Numbers = Numbers() if known is None else known.copy()
        self._mocked = mocked
        self._constants: dict[Document, Const | None] = {}

    def unit_of(self, document: Document, prefix: tuple[Any, ...]) -> int:
        """The number of the unit that holds what the document has at and below a constant path into it."""
        chosen = tuple(range(len(document.rules)))
        if document.kind == "object" and prefix:
            chosen = tuple(at for at, placed in enumerate(document.rules) if fits(placed.suffix, prefix))
        key = (document.path, chosen)
        self.needs.units[key] = None
        return self.numbers.number(key)

    def plan_below(self, node: Node) -> None:
        """Ask for every document at and below a place of the tree."""
        self.needs.below[node.path] = None

    def asked_below(self, path: Path) -> Iterator[UnitKey]:
        """The units of every document at and below a place."""
        node = self.tree.find(path)
        for document in () if node is None else node.documents():
            if document.kind != "function":
                yield document.path, tuple(range(len(document.rules)))

    def document(self, key: UnitKey) -> Document:
        """The document of a unit."""
        node = self.tree.find(key[0])
        if node is None or node.document is None:
            raise AssertionError(f"not a document: {key[0]}")
        return node.document

    def plan(self, key: UnitKey) -> Unit:
        """The plan of a unit."""
        document = self.document(key)
        rules = [document.rules[at] for at in key[1]]
        return plan_unit(self.numbers.number(key), document, document.path, rules, self)

    def noting(self) -> Needs:
        """Note from now on, in what is returned, what is asked for."""
        self.needs = Needs()
        return self.needs

    def constant_of(self, document: Document) -> Const | None:
        """The value of a document that never changes: one definition, all literals, that no `with` replaces."""
        if document not in self._constants:
            self._constants[document] = fixed = _fixed(document)
            if fixed is not None and self._is_replaced(document.path):
                self._constants[document] = None
        return self._constants[document]

    def alias_of(self, document: Document) -> tuple[str, ...] | None:
        """The place of the input that a document is another name for, in every evaluation: no `with` replaces it."""
        place = (
            alias(document.rules[0].rule)
            if document.kind == "complete" and len(document.rules) == 1
            else None
        )
        return None if place is None or self._is_replaced(document.path) else place

    def is_always_a_set(self, document: Document) -> bool:
        """Whether nothing stands in for a document of members that could be anything else."""
        return not self._is_replaced(document.path)

    def may_fold(self, name: str) -> bool:
        """Whether plans may take for granted what a document at, above or below a dotted name is: that it is a constant,
        a set, or a place of the input."""
        node: Node | None = self.tree
        for step in name.split(".")[1:]:
            node = node.children.get(step) if node is not None else None
            if node is not None and node.document is not None and self._may_rely_on(node.document):
                return True
        return node is not None and any(map(self._may_rely_on, node.documents()))

    def _may_rely_on(self, document: Document) -> bool:
        if document.kind == "set" or self.constant_of(document) is not None:
            return True
        return self.alias_of(document) is not None

    def _is_replaced(self, path: tuple[str, ...]) -> bool:
        return any(overlap(".".join(("data", *path)), name) for name in self._mocked)

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
        """The documents at and below a path that a `with` replaces."""
        return Overlay(path)


def overlap(one: str, other: str) -> bool:
    """Whether one dotted name is at, above or below another."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _fixed(document: Document) -> Const | None:
    if document.kind != "complete" or len(document.rules) > 1:
        return None
    rule = document.rules[0].rule
    if rule.body or rule.else_ is not None or rule.default:
        return None
    return constant(rule.head.value) if rule.head.value is not None else Const(True)


def replaced_in(module: Module) -> frozenset[Path]:
    """All that some `with` of a module replaces, other than parts of `input`: `data` or a built-in's name first."""
    names: set[Path] = set()
    for rule in module.rules:
        for link in rule_chain(rule):
            names |= replaced(*head_terms(link.head), body=link.body)
    for statement in module.statements:
        names |= replaced(
            *statement_terms(statement), body=(*(statement.when or ()), *(statement.unless or ()))
        )
    return frozenset(names)


def replaced(*terms: Term, body: Body = ()) -> frozenset[Path]:
    """All that a `with` in the terms or the body replaces, other than parts of `input`."""
    targets = (dotted(modifier.target) for modifier in deep_withs(*terms, bodies=(body,)))
    return frozenset((head, *path) for head, path in targets if head != "input")
