"""Operands as Python expressions: reading members, comparing; what a value's type makes plain is written plain."""

from __future__ import annotations

import ast
from typing import Final

from doorward.compile import plan
from doorward.compile.kinds import Domain, Kind, all_texts, kind_of
from doorward.compile.names import Names
from doorward.compile.plan import Const, Local, Operand, Step
from doorward.compile.python import Writer
from doorward.run.values import Value

__all__ = ["OperandWriter"]

_FEW: Final = 8
"""So many strings are written out where they are looked for."""


class OperandWriter:
    """Writes the expressions of one Python function; `domains` tell what locals can be, where that is known."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.write = Writer()
        self.domains: dict[int, Domain] = {}
        self._temporaries = 0

    def temporary(self) -> str:
        """A new name."""
        self._temporaries += 1
        return f"t{self._temporaries}"

    def operand(self, operand: Operand) -> ast.expr:
        """A local or a constant."""
        if isinstance(operand, Local):
            return self.write.load(f"v{operand.id}")
        return self.constant(operand.value)

    def constant(self, value: Value) -> ast.expr:
        """A constant: written out where Python has the very same one, else by name."""
        if value is None or type(value) in (bool, int, str) or (type(value) is float and value == value):
            return self.write.constant(value)
        return self.write.load(self.names.constant(value))

    def key(self, operand: Operand) -> ast.expr:
        """The key form of an operand."""
        w = self.write
        if isinstance(operand, Const):
            if type(operand.value) is str:
                return w.constant(operand.value)
            return w.call("h_key", self.operand(operand))
        value = self.operand(operand)
        return w.choose(w.has_type(value, "str"), value, w.call("h_key", value))

    def domain(self, operand: Operand) -> Domain:
        """What an operand can be, where it is known."""
        return (operand.value,) if isinstance(operand, Const) else self.domains.get(operand.id, ())

    def kind(self, operand: Operand) -> Kind | None:
        """The Python type of an operand, where it is known."""
        return kind_of(self.domain(operand))

    def learn(self, local: Local | None, domain: Domain) -> None:
        """Note what a local can be."""
        if local is not None and domain:
            self.domains[local.id] = domain

    def span(self, step: Step | plan.Unit) -> ast.expr:
        """The place in the policy, for messages."""
        return self.write.load(self.names.constant(step.span))

    def is_undefined(self, name: str) -> ast.expr:
        """Whether a variable is undefined."""
        return self.write.same(self.write.load(name), self.write.load("U"))

    def member(self, source: ast.expr, name: str, kind: Kind | None = None) -> ast.expr:
        """The member at a string key; undefined where there is none. `source` is a variable, of a `kind`."""
        w = self.write
        key = w.constant(name)
        plain = w.method(source, "get", key, w.load("U"))
        if kind == "dict":
            return plain
        return w.choose(w.has_type(source, "dict"), plain, w.call("h_get", source, key))

    def comparison(self, operator: plan.Operator, left: Operand, right: Operand) -> ast.expr:
        """A comparison as a Python expression."""
        w = self.write
        if operator == "in":
            return self._membership(left, right)
        if operator in ("equal", "neq"):
            same = self._equality(left, right)
            return same if operator == "equal" else w.negate(same)
        python = {"lt": ast.Lt, "lte": ast.LtE, "gt": ast.Gt, "gte": ast.GtE}[operator]()
        one, other = self.operand(left), self.operand(right)
        general = w.compare(w.call("h_compare", one, other), python, w.constant(0))
        for constant, variable in ((right, one), (left, other)):
            if isinstance(constant, Const) and type(constant.value) in (int, str):
                kind = type(constant.value).__name__
                return w.choose(w.has_type(variable, kind), w.compare(one, python, other), general)
        return general

    def _equality(self, left: Operand, right: Operand) -> ast.expr:
        w = self.write
        if isinstance(left, Const):
            left, right = right, left
        one, other = self.operand(left), self.operand(right)
        if isinstance(right, Const):
            if right.value is None or type(right.value) is bool:
                return w.same(one, other)
            if type(right.value) is str:
                return w.compare(one, ast.Eq(), other)
            if type(right.value) is int:
                return w.both(w.compare(one, ast.Eq(), other), w.negate(w.has_type(one, "bool")))
        general = w.call("h_equal", one, other)
        if isinstance(left, Const) or isinstance(right, Const):
            return general
        texts = w.compare(one, ast.Eq(), other)
        if "str" in (self.kind(left), self.kind(right)):
            return texts
        return w.choose(w.has_type(one, "str"), texts, general)

    def _membership(self, member: Operand, collection: Operand) -> ast.expr:
        w = self.write
        one, all_ = self.operand(member), self.operand(collection)
        general = w.call("h_is_member", one, all_)
        if isinstance(collection, Const):
            texts = all_texts(collection)
            if texts is None:
                return general
            among = w.compare(one, ast.In(), self.texts(texts))
            is_text = self.all_known((member, "str"))
            return among if is_text is None else w.both(is_text, among)
        if isinstance(member, Const) and type(member.value) is not str:
            return general
        wanted: list[tuple[Operand, Kind]] = [(member, "str")]
        if self.kind(collection) != "frozenset":
            wanted.append((collection, "list"))
        plain = self.all_known(*wanted)
        among = w.compare(one, ast.In(), all_)
        return among if plain is None else w.choose(plain, among, general)

    def texts(self, texts: frozenset[str]) -> ast.expr:
        """A constant set of strings: a few written out, which Python makes a constant of its own; many by name."""
        w = self.write
        if len(texts) <= _FEW:
            return w.set_of([w.constant(text) for text in sorted(texts)])
        return w.load(self.names.constant(texts))

    def all_known(self, *wanted: tuple[Operand, Kind]) -> ast.expr | None:
        """The test that operands have the Python types named; None where that is known."""
        w = self.write
        tests = [w.has_type(self.operand(one), kind) for one, kind in wanted if self.kind(one) != kind]
        return None if not tests else w.both(*tests) if len(tests) > 1 else tests[0]

    def member_at(self, source: Operand, index: Local) -> ast.expr:
        """The member at a key that is only known when it runs."""
        w, from_, key = self.write, self.operand(source), self.operand(index)
        plain = self.all_known((index, "str"), (source, "dict"))
        found = w.method(from_, "get", key, w.load("U"))
        return found if plain is None else w.choose(plain, found, w.call("h_get", from_, key))
