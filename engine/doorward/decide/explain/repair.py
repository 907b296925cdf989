"""Single steps towards another outcome: changes of facts by which a failed condition might hold, or one that held fail.

What is proposed here is a guess, and bounded: whoever uses it applies the changes and has the request decided again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeAlias

from doorward.decide.explain.changes import Change, at
from doorward.decide.explain.conditions import node_at
from doorward.decide.explain.origins import Origin, Origins, bind, extend, origin_of
from doorward.decide.explain.seen import failing_member, is_given, value_of
from doorward.decide.explain.trace import trace
from doorward.decide.explain.vocabulary import Vocabulary
from doorward.run.reference.evaluator import Evaluator
from doorward.run.reference.solver import Env, Equation, Given
from doorward.run.reference.tree import Node
from doorward.run.reference.world import World
from doorward.run.values import UNDEFINED, Value, ordered, unkey
from doorward_dsl.syntax import (
    Assign,
    Body,
    Call,
    Every,
    Expr,
    ExprTerm,
    Not,
    Ref,
    Scalar,
    SomeIn,
    Term,
    Unify,
    Var,
)
from doorward_dsl.walk import every_of, rule_chain

__all__ = ["Repairs"]

Steps: TypeAlias = Iterator[tuple[Change, ...]]

_MOST_MEMBERS: Final = 4
_MOST_DEFINITIONS: Final = 8
_DEEPEST: Final = 6
_FURTHER: Final = 3

_OPPOSITE: Final[Mapping[str, str]] = {
    "equal": "neq",
    "neq": "equal",
    "lt": "gte",
    "gte": "lt",
    "gt": "lte",
    "lte": "gt",
}
_FLIPPED: Final[Mapping[str, str]] = {"lt": "gt", "gt": "lt", "lte": "gte", "gte": "lte"}


@dataclass(frozen=True, slots=True)
class _Scope:
    env: Env
    origins: Origins
    depth: int = 0


class Repairs:
    """Proposes changes of one request, as it is in a world."""

    def __init__(self, evaluator: Evaluator, vocabulary: Vocabulary, kind: str, world: World) -> None:
        self._evaluator = evaluator
        self._vocabulary = vocabulary
        self._kind = kind
        self._world = world

    # --- bodies ---

    def let_hold(self, body: Body) -> Steps:
        """Ways past the expression on which a body fails; another may fail behind it."""
        yield from self._hold_body(body, _Scope({}, {}))

    def let_fail(self, body: Body) -> Steps:
        """Ways for a body to lose its first answer; it may have others."""
        yield from self._fail_body(body, _Scope({}, {}))

    def let_rule_hold(self, path: Sequence[str]) -> Steps:
        """Ways towards a definition of a rule that holds."""
        node = node_at(self._evaluator, path)
        if node is not None:
            yield from self._hold_rule(node, (), (), _Scope({}, {}))

    def let_rule_fail(self, path: Sequence[str]) -> Steps:
        """Ways for the first definition of a rule that holds to hold no longer."""
        node = node_at(self._evaluator, path)
        if node is not None:
            yield from self._fail_rule(node, (), (), _Scope({}, {}))

    def _hold_body(self, body: Body, scope: _Scope) -> Steps:
        way = trace(self._evaluator, body, scope.env, self._world)
        if way.held:
            return
        literal = body[way.reached]
        if literal.withs:
            return
        origins = extend(body[: way.reached], way.env, scope.origins, self._world.input)
        yield from self._hold(literal.expr, _Scope(way.env, origins, scope.depth))
        # where the expression was to bind a variable, what is asked of it next says which value it might have
        awaited = extend((literal,), way.env, origins, self._world.input)
        if len(awaited) > len(origins):
            for following in body[way.reached + 1 :][:_FURTHER]:
                if not following.withs and every_of(following.expr) is None:
                    yield from self._hold(following.expr, _Scope(way.env, awaited, scope.depth))

    def _fail_body(self, body: Body, scope: _Scope) -> Steps:
        way = trace(self._evaluator, body, scope.env, self._world)
        origins = extend(body[: way.reached], way.env, scope.origins, self._world.input)
        for literal in body[: way.reached]:
            if not literal.withs:
                yield from self._fail(literal.expr, _Scope(way.env, origins, scope.depth))

    # --- expressions ---

    def _hold(self, expr: Expr, scope: _Scope) -> Steps:
        if scope.depth > _DEEPEST:
            return
        match expr:
            case Not(inner):
                yield from self._fail(inner, scope)
            case ExprTerm(term):
                yield from self._hold_term(term, scope)
            case Unify(left, right) | Assign(left, right):
                yield from self._compare("equal", left, right, scope)
            case SomeIn(_, pattern, domain):
                if is_given(pattern, scope.env):
                    yield from self._membership(pattern, domain, scope)
            case Every():
                yield from self._hold_every(expr, scope)

    def _fail(self, expr: Expr, scope: _Scope) -> Steps:
        if scope.depth > _DEEPEST:
            return
        match expr:
            case Not(inner):
                yield from self._hold(inner, scope)
            case ExprTerm(term):
                yield from self._fail_term(term, scope)
            case Unify(left, right):
                yield from self._compare("neq", left, right, scope)
            case SomeIn(_, pattern, domain):
                yield from self._no_membership(pattern, domain, scope)
            case Every():
                collection = self._value(expr.domain, scope)
                for one in _some(collection):
                    bound = _Scope({**scope.env, expr.value.name: one}, scope.origins, scope.depth + 1)
                    yield from self._fail_body(expr.body, bound)

    def _hold_every(self, every: Every, scope: _Scope) -> Steps:
        bound = failing_member(self._evaluator, every, scope.env, self._world)
        if bound is None:
            return
        place = origin_of(every.domain, scope.env, scope.origins)
        exact = place.exact if place is not None else None
        origins = dict(scope.origins)
        if exact is not None:
            yield (Change("remove", exact, bound[every.value.name]),)
            collection = at(self._world.input, exact)
            if isinstance(collection, list):
                index = collection.index(bound[every.value.name])
                origins[every.value.name] = Origin((*exact, index))
        yield from self._hold_body(every.body, _Scope(bound, origins, scope.depth + 1))

    # --- terms ---

    def _hold_term(self, term: Term, scope: _Scope) -> Steps:
        if isinstance(term, Call):
            yield from self._hold_call(term, scope)
            return
        node = self._rule(term)
        if node is not None:
            yield from self._hold_rule(node, (), (), scope)
            return
        place = origin_of(term, scope.env, scope.origins)
        if place is None or place.exact is None:
            return
        value = at(self._world.input, place.exact)
        if isinstance(value, bool):
            yield (Change("set", place.exact, True),)
        elif value is None:
            yield from (
                (Change("set", place.exact, one, None),) for one in self._vocabulary.present(place.exact)
            )

    def _fail_term(self, term: Term, scope: _Scope) -> Steps:
        if isinstance(term, Call):
            yield from self._fail_call(term, scope)
            return
        node = self._rule(term)
        if node is not None:
            yield from self._fail_rule(node, (), (), scope)
            return
        place = origin_of(term, scope.env, scope.origins)
        if place is None or place.exact is None:
            return
        if isinstance(at(self._world.input, place.exact), bool):
            yield (Change("set", place.exact, False),)
        elif isinstance(at(self._world.input, place.exact[:-1]), dict):
            yield (Change("remove", place.exact[:-1], place.exact[-1]),)

    def _hold_call(self, call: Call, scope: _Scope) -> Steps:
        name = ".".join(call.name)
        if name in _OPPOSITE:
            yield from self._compare(name, call.args[0], call.args[1], scope)
        elif name == "internal.member_2":
            yield from self._membership(call.args[0], call.args[1], scope)
        elif name in ("startswith", "endswith", "contains", "strings.any_prefix_match"):
            yield from self._text(name, call, scope)
        elif name == "glob.match":
            yield from self._glob(call, scope)
        elif call.name[0] == "data":
            yield from self._function(call, scope, hold=True)

    def _fail_call(self, call: Call, scope: _Scope) -> Steps:
        name = ".".join(call.name)
        if name in _OPPOSITE:
            yield from self._compare(_OPPOSITE[name], call.args[0], call.args[1], scope)
        elif name == "internal.member_2":
            yield from self._no_membership(call.args[0], call.args[1], scope)
        elif call.name[0] == "data":
            yield from self._function(call, scope, hold=False)
        else:
            # whatever was asked of a fact, another value may be answered otherwise
            for arg in call.args:
                place = origin_of(arg, scope.env, scope.origins)
                if place is not None and place.exact is not None:
                    yield from self._another(place)

    def _text(self, name: str, call: Call, scope: _Scope) -> Steps:
        place = origin_of(call.args[0], scope.env, scope.origins)
        part = self._value(call.args[1], scope)
        if place is None or not isinstance(part, str):
            return
        value = self._value(call.args[0], scope) if is_given(call.args[0], scope.env) else ""
        text = value if isinstance(value, str) else ""
        yield from self._become(place, part + text if name == "startswith" else text + part)

    def _glob(self, call: Call, scope: _Scope) -> Steps:
        place = origin_of(call.args[2], scope.env, scope.origins)
        pattern = self._value(call.args[0], scope)
        if place is not None and isinstance(pattern, str) and not set(pattern) & set("[]{}\\!"):
            yield from self._become(place, pattern.replace("*", "x").replace("?", "x"))

    # --- comparisons ---

    def _compare(self, operator: str, left: Term, right: Term, scope: _Scope) -> Steps:
        """Changes by which `left operator right` holds."""
        for this, other, how in ((left, right, operator), (right, left, _FLIPPED.get(operator, operator))):
            place = origin_of(this, scope.env, scope.origins)
            wanted = self._value(other, scope)
            if wanted is UNDEFINED:
                continue
            if place is not None:
                yield from self._become_related(place, how, wanted)
            elif isinstance(this, Call) and this.name == ("count",):
                yield from self._resize(this.args[0], how, wanted, scope)

    def _become_related(self, place: Origin, operator: str, wanted: Value) -> Steps:
        if operator in ("equal", "lte", "gte"):
            yield from self._become(place, wanted)
        elif operator == "neq":
            yield from self._another(place)
        elif isinstance(wanted, int | float) and not isinstance(wanted, bool):
            yield from self._become(place, wanted + (1 if operator == "gt" else -1))
        elif isinstance(wanted, str):
            yield from self._become(place, wanted + "0" if operator == "gt" else wanted[:-1])

    def _become(self, place: Origin, value: Value) -> Steps:
        if place.member:
            yield (Change("add", place.path, value),)
        else:
            yield (Change("set", place.path, value),)

    def _another(self, place: Origin) -> Steps:
        if place.exact is None:
            return
        value = at(self._world.input, place.exact)
        if place.member:
            yield (Change("remove", place.path, value),)
            return
        others = self._vocabulary.others(self._kind, place.exact, value)
        for one in others:
            # of two values the other is meant, of many any other
            named = UNDEFINED if isinstance(value, bool) else value
            yield (Change("set", place.exact, one, named),)

    def _resize(self, collection: Term, operator: str, wanted: Value, scope: _Scope) -> Steps:
        node = self._rule(collection)
        if node is not None and operator in ("gt", "gte", "neq"):
            yield from self._hold_rule(node, (), (), scope)
        place = origin_of(collection, scope.env, scope.origins)
        if place is None or place.exact is None or type(wanted) is not int:
            return
        members = at(self._world.input, place.exact)
        if not isinstance(members, list):
            return
        size = wanted + {"gt": 1, "lt": -1}.get(operator, 0)
        if operator == "neq":
            size = wanted + 1 if len(members) == wanted else wanted
        if 0 <= size < len(members):
            yield (Change("set", place.exact, members[:size]),)
        elif len(members) < size <= len(members) + _MOST_MEMBERS:
            more = [f"some value {number}" for number in range(len(members), size)]
            yield tuple(Change("add", place.exact, one) for one in more)

    def _membership(self, member: Term, collection: Term, scope: _Scope) -> Steps:
        place = origin_of(collection, scope.env, scope.origins)
        value = self._value(member, scope)
        if place is not None and place.exact is not None and value is not UNDEFINED:
            yield (Change("add", place.exact, value),)
        own = origin_of(member, scope.env, scope.origins)
        if own is not None:
            for one in _some(self._value(collection, scope)):
                yield from self._become(own, one)
        node = self._rule(collection)
        if node is not None:
            yield from self._hold_rule(node, (), (), scope)

    def _no_membership(self, member: Term, collection: Term, scope: _Scope) -> Steps:
        place = origin_of(collection, scope.env, scope.origins)
        value = self._value(member, scope)
        if place is not None and place.exact is not None and value is not UNDEFINED:
            yield (Change("remove", place.exact, value),)
        own = origin_of(member, scope.env, scope.origins)
        if own is not None:
            yield from self._another(own)

    def _value(self, term: Term, scope: _Scope) -> Value:
        return (
            value_of(self._evaluator, term, scope.env, self._world)
            if is_given(term, scope.env)
            else UNDEFINED
        )

    # --- rules and functions ---

    def _rule(self, term: Term) -> Node | None:
        if not (isinstance(term, Ref) and isinstance(term.head, Var) and term.head.name == "data"):
            return None
        names = [step.value if isinstance(step, Scalar) else None for step in term.path]
        node = node_at(self._evaluator, names)
        return node if node is not None and node.rules and not node.is_function else None

    def _function(self, call: Call, scope: _Scope, *, hold: bool) -> Steps:
        node = self._evaluator.tree.function(call.name[1:])
        args = [self._value(arg, scope) for arg in call.args]
        if node is None or any(arg is UNDEFINED for arg in args):
            return
        yield from (self._hold_rule if hold else self._fail_rule)(node, args, call.args, scope)

    def _hold_rule(self, node: Node, args: Sequence[Value], terms: Sequence[Term], scope: _Scope) -> Steps:
        for body, inner in self._links(node, args, terms, scope):
            yield from self._hold_body(body, inner)

    def _fail_rule(self, node: Node, args: Sequence[Value], terms: Sequence[Term], scope: _Scope) -> Steps:
        for body, inner in self._links(node, args, terms, scope):
            if trace(self._evaluator, body, inner.env, self._world).held:
                yield from self._fail_body(body, inner)
                return

    def _links(
        self, node: Node, args: Sequence[Value], terms: Sequence[Term], scope: _Scope
    ) -> Iterator[tuple[Body, _Scope]]:
        if scope.depth >= _DEEPEST:
            return
        links = (link for rule in node.rules if not rule.default for link in rule_chain(rule))
        for link in islice(links, _MOST_DEFINITIONS):
            patterns = link.head.args or ()
            equations: list[Equation] = [(p, Given(arg)) for p, arg in zip(patterns, args, strict=False)]
            env = next(self._evaluator.unify(equations, {}, self._world), None)
            if env is not None:
                origins = bind(patterns, tuple(terms), scope.env, scope.origins)
                yield link.body, _Scope(env, origins, scope.depth + 1)


def _some(collection: Value) -> list[Value]:
    """The first few members of a collection."""
    if isinstance(collection, dict):
        return list(islice(collection.values(), _MOST_MEMBERS))
    if isinstance(collection, set | frozenset):
        return ordered(map(unkey, collection))[:_MOST_MEMBERS]
    return list(collection)[:_MOST_MEMBERS] if isinstance(collection, list | tuple) else []
