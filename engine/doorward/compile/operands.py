"""Operands as Python expressions: reading members, comparing; what a value's type makes plain is written plain."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Final

from doorward.compile import plan
from doorward.compile.kinds import Domain, Kind, all_plain, all_texts, kind_of
from doorward.compile.names import Names
from doorward.compile.outline import Unit
from doorward.compile.plan import Const, Local, Operand, Step
from doorward.compile.python import Writer
from doorward.run.access import has_member
from doorward.run.values import Value, compare, equal

__all__ = ["OperandWriter"]

_FEW: Final = 8
"""So many strings are written out where they are looked for."""

_OPERATORS: Final[dict[str, Callable[[Value, Value], bool]]] = {
    "equal": equal,
    "neq": lambda left, right: not equal(left, right),
    "lt": lambda left, right: compare(left, right) < 0,
    "lte": lambda left, right: compare(left, right) <= 0,
    "gt": lambda left, right: compare(left, right) > 0,
    "gte": lambda left, right: compare(left, right) >= 0,
    "in": lambda member, collection: has_member(collection, member),
}
"""What comparisons come to that are known when compiling."""

_ORDERS: Final[dict[str, type[ast.cmpop]]] = {"lt": ast.Lt, "lte": ast.LtE, "gt": ast.Gt, "gte": ast.GtE}


class OperandWriter:
    """Writes the expressions of one Python function.

    `domains` tell what locals can be and `kinds` of which Python type they are, where that is known; `members` are the
    kinds of their members.
    """

    def __init__(self, names: Names) -> None:
        self.names = names
        self.write = Writer()
        self.context = "c"
        self.domains: dict[int, Domain] = {}
        self.kinds: dict[int, Kind] = {}
        self.members: dict[int, Kind] = {}
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
        if self.kind(operand) in ("str", "int"):
            return value
        return w.choose(w.has_type(value, "str"), value, w.call("h_key", value))

    def domain(self, operand: Operand) -> Domain:
        """What an operand can be, where it is known."""
        return (operand.value,) if isinstance(operand, Const) else self.domains.get(operand.id, ())

    def kind(self, operand: Operand) -> Kind | None:
        """The Python type of an operand, where it is known."""
        if isinstance(operand, Local) and operand.id in self.kinds:
            return self.kinds[operand.id]
        return kind_of(self.domain(operand))

    def learn(self, local: Local | None, domain: Domain) -> None:
        """Note what a local can be."""
        if local is not None and domain:
            self.domains[local.id] = domain

    def learn_kind(self, local: Local | None, kind: Kind | None, member: Kind | None = None) -> None:
        """Note of which type a local is, and its members are."""
        if local is not None and kind is not None:
            self.kinds[local.id] = kind
            if member is not None:
                self.members[local.id] = member

    def span(self, step: Step | Unit) -> ast.expr:
        """The place in the policy, for messages."""
        return self.write.load(self.names.constant(step.span))

    def is_undefined(self, name: str) -> ast.expr:
        """Whether a variable is undefined."""
        return self.write.same(self.write.load(name), self.write.load("U"))

    def comparison(self, operator: plan.Operator, left: Operand, right: Operand) -> ast.expr:
        """A comparison as a Python expression."""
        w = self.write
        if isinstance(left, Const) and isinstance(right, Const):
            return w.constant(_OPERATORS[operator](left.value, right.value))
        if operator == "in":
            return self._membership(left, right)
        if operator in ("equal", "neq"):
            same = self._equality(left, right)
            return same if operator == "equal" else w.opposite(same)
        python = _ORDERS[operator]()
        one, other = self.operand(left), self.operand(right)
        general = w.compare(w.call("h_order", w.load(self.context), one, other), python, w.constant(0))
        kind = "str" if "str" in (self.kind(left), self.kind(right)) else "int"
        if any(isinstance(side, Const) and self.kind(side) != kind for side in (left, right)):
            return general
        plain = self.all_known((left, kind), (right, kind))
        compared = w.compare(one, python, other)
        return compared if plain is None else w.choose(plain, compared, general)

    def _equality(self, left: Operand, right: Operand) -> ast.expr:
        w = self.write
        if isinstance(left, Const):
            left, right = right, left
        one, other = self.operand(left), self.operand(right)
        same = w.compare(one, ast.Eq(), other)
        if isinstance(right, Const):
            if right.value is None or type(right.value) is bool:
                return w.same(one, other)
            if type(right.value) is str or self.kind(left) == "int":
                return same
            if type(right.value) is int:
                return w.both(same, w.negate(w.has_type(one, "bool")))
        general = w.call("h_same", w.load(self.context), one, other)
        if isinstance(left, Const) or isinstance(right, Const):
            return general
        if "str" in (self.kind(left), self.kind(right)):
            return same
        return w.choose(w.has_type(one, "str"), same, general)

    def rejecting(self, step: Step) -> tuple[Local, ...]:
        """The sides of a test of which one may be undefined: the test itself does not hold then."""
        match step:
            case plan.Test("equal", Local() as side, Const(value)) | plan.Test(
                "equal", Const(value), Local() as side
            ):
                return (side,) if value is None or type(value) in (bool, int, str) else ()
            case plan.Test("equal", Local() as side, Local() as other) if side != other:
                return (side, other)
            case plan.Test("in", Local() as side, Const() as collection) if all_texts(collection) is not None:
                return (side,)
        return ()

    def _membership(self, member: Operand, collection: Operand) -> ast.expr:
        w = self.write
        one, all_ = self.operand(member), self.operand(collection)
        general = w.call("h_is_member", w.load(self.context), one, all_)
        if isinstance(collection, Const):
            texts = all_texts(collection)
            if texts is None:
                return general
            among = w.compare(one, ast.In(), self.texts(texts))
            is_text = self.all_known((member, "str"))
            return among if is_text is None else w.both(is_text, among)
        if isinstance(member, Const) and type(member.value) is not str:
            return general
        among = w.compare(one, ast.In(), all_)
        kind = self.kind(collection)
        if (
            kind in ("list", "tuple")
            and all(map(all_plain, self.domain(collection)))
            and self.domain(collection)
        ):
            # Python takes true for 1, and nothing else that Rego tells apart for one another.
            if self.kind(member) in ("str", "int"):
                return among
            return w.both(w.compare(w.call("type", one), ast.IsNot(), w.load("bool")), among)
        wanted: list[tuple[Operand, Kind]] = [(member, "str")]
        if kind not in ("frozenset", "set"):
            wanted.append((collection, "list"))
        plain = self.all_known(*wanted)
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
