"""Bodies and terms: for every construct of the language, the environments or the values it has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from doorward.run.errors import ConflictError
from doorward.run.reference.documents import Documents
from doorward.run.reference.functions import Functions
from doorward.run.reference.literals import scalar
from doorward.run.reference.members import is_collection, member, members
from doorward.run.reference.needs import missing
from doorward.run.reference.solver import Answer, Env, Equation, Given
from doorward.run.reference.tree import Node
from doorward.run.reference.unification import unify
from doorward.run.reference.withs import changed_worlds
from doorward.run.reference.world import World
from doorward.run.values import UNDEFINED, Value, equal, key
from doorward_dsl.syntax import (
    Array,
    ArrayComprehension,
    Assign,
    Body,
    Call,
    Every,
    Expr,
    ExprTerm,
    Literal,
    Not,
    Object,
    ObjectComprehension,
    Ref,
    Rule,
    Scalar,
    Set,
    SetComprehension,
    SomeDecl,
    SomeIn,
    Statement,
    Template,
    Term,
    Unify,
    Var,
)
from doorward_dsl.walk import open_vars

__all__ = ["Evaluator"]

_TEMPLATE = ("internal", "template_string")


class Evaluator:
    """The meaning of bodies and terms over the documents and functions of a tree of rules."""

    def __init__(self, tree: Node) -> None:
        self.tree = tree
        self.documents = Documents(self, tree)
        self.functions = Functions(self, tree)

    # --- bodies ---

    def solve(self, body: Body, env: Env, world: World) -> Iterator[Env]:
        """The environments in which all of a body holds."""
        if not body:
            yield env
            return
        for after in self._literal(body[0], env, world):
            yield from self.solve(body[1:], after, world)

    def _literal(self, literal: Literal, env: Env, world: World) -> Iterator[Env]:
        world.call.charge(1)
        self.reached(literal)
        for inner, now in changed_worlds(self, self.tree, literal.withs, env, world):
            for after in self._expression(literal.expr, now, inner):
                self.held(literal)
                yield after

    # --- for those who watch, as coverage does ---

    def reached(self, literal: Literal) -> None:
        """A line of a body is about to be evaluated."""

    def held(self, literal: Literal) -> None:
        """A line of a body has an answer."""

    def answered(self, what: Rule | Statement) -> None:
        """A definition or a statement has an answer."""

    def _expression(self, expr: Expr, env: Env, world: World) -> Iterator[Env]:
        match expr:
            case ExprTerm(term):
                for value, now in self.values(term, env, world):
                    if value is not False:
                        yield now
            case Assign(target, value_term):
                for value, now in self.values(value_term, env, world):
                    yield from self.unify([(target, Given(value))], now, world)
            case Unify(left, right):
                yield from self.unify([(left, right)], env, world)
            case SomeIn(index, pattern, domain):
                for collection, now in self.values(domain, env, world):
                    for name, one in members(collection):
                        world.call.charge(1)
                        equations: list[Equation] = [(pattern, Given(one))]
                        if index is not None:
                            equations.insert(0, (index, Given(name)))
                        yield from self.unify(equations, now, world)
            case Every():
                for collection, now in self.values(expr.domain, env, world):
                    if is_collection(collection) and self._holds_for_every(expr, collection, now, world):
                        yield now
            case Not(inner):
                if not _any(self._expression(inner, env, world)):
                    yield env
            case SomeDecl():
                yield env

    def _holds_for_every(self, every: Every, collection: Value, env: Env, world: World) -> bool:
        for index, one in members(collection):
            now = {**env, every.value.name: one}
            if every.key is not None:
                now[every.key.name] = index
            if not _any(self.solve(every.body, now, world)):
                return False
        return True

    def unify(self, equations: Sequence[Equation], env: Env, world: World) -> Iterator[Env]:
        """The environments in which both sides of all equations are equal."""
        return unify(self, equations, env, world)

    # --- terms ---

    def values(self, term: Term, env: Env, world: World) -> Iterator[Answer]:
        """The values that a term has; none when it is undefined."""
        match term:
            case Scalar():
                yield scalar(term), env
            case Var("input"):
                if world.input is not UNDEFINED:
                    yield world.input, env
            case Var("data"):
                yield from self.documents.below(self.tree, (), env, world)
            case Var(name):
                yield env[name], env
            case Ref(Var("data"), path):
                yield from self.documents.below(self.tree, path, env, world)
            case Ref(head, path):
                for value, now in self.values(head, env, world):
                    yield from self.along(value, path, now, world)
            case Call(name, args, span):
                for given, now in self._together(args, env, world):
                    for value in self.functions.call(name, given, span, world):
                        yield value, now
            case Array(items):
                yield from self._together(items, env, world)
            case Set(items):
                for found, now in self._together(items, env, world):
                    yield frozenset(map(key, found)), now
            case Object(pairs):
                for found, now in self._together([part for pair in pairs for part in pair], env, world):
                    yield dict(zip(map(key, found[::2]), found[1::2], strict=True)), now
            case ArrayComprehension(head, body):
                yield [value for (value,) in self._collect([head], body, env, world)], env
            case SetComprehension(head, body):
                yield {key(value) for (value,) in self._collect([head], body, env, world)}, env
            case ObjectComprehension():
                yield self._object(term, env, world), env
            case Template():
                parts = [self._piece(part, env, world) for part in term.parts]
                for value in self.functions.call(_TEMPLATE, [parts], term.span, world):
                    yield value, env

    def _together(self, terms: Sequence[Term], env: Env, world: World) -> Iterator[tuple[list[Value], Env]]:
        """The values of several terms in one environment; those first that others need the variables of."""
        around = open_vars(*terms)

        def fill(found: dict[int, Value], now: Env) -> Iterator[tuple[list[Value], Env]]:
            left = [at for at in range(len(terms)) if at not in found]
            if not left:
                yield [found[at] for at in range(len(terms))], now
                return
            ready = [at for at in left if not missing(terms[at], now, around)]
            at = (ready or left)[0]
            for value, later in self.values(terms[at], now, world):
                yield from fill({**found, at: value}, later)

        return fill({}, env)

    def _collect(self, heads: Sequence[Term], body: Body, env: Env, world: World) -> Iterator[list[Value]]:
        for now in self.solve(body, env, world):
            for found, _ in self._together(heads, now, world):
                yield found

    def _object(self, term: ObjectComprehension, env: Env, world: World) -> dict[object, Value]:
        made: dict[object, Value] = {}
        for name, value in self._collect([term.key, term.value], term.body, env, world):
            if not equal(made.setdefault(key(name), value), value):
                raise ConflictError("object keys must be unique", term.span)
        return made

    def _piece(self, part: str | Term | Literal, env: Env, world: World) -> Value:
        """A part of a template: its text, or the set of its values, which is empty where it has none."""
        if isinstance(part, str):
            return part
        if not isinstance(part, Literal):
            return {key(value) for value, _ in self.values(part, env, world)}
        if not isinstance(part.expr, ExprTerm):
            raise AssertionError(f"not a part of a template: {part!r}")
        return {
            key(value)
            for inner, now in changed_worlds(self, self.tree, part.withs, env, world)
            for value, _ in self.values(part.expr.term, now, inner)
        }

    # --- references ---

    def along(self, value: Value, path: Sequence[Term], env: Env, world: World) -> Iterator[Answer]:
        """The parts of a value that a path leads to."""
        if not path:
            yield value, env
            return
        step, rest = path[0], path[1:]
        if self.runs_over(step, env):
            for index, one in members(value):
                world.call.charge(1)
                for now in self.unify([(step, Given(index))], env, world):
                    yield from self.along(one, rest, now, world)
        else:
            for index, now in self.values(step, env, world):
                one = member(value, index)
                if one is not UNDEFINED:
                    yield from self.along(one, rest, now, world)

    def runs_over(self, step: Term, env: Env) -> bool:
        """Whether a step of a path stands for all keys that it fits, rather than for one that is known."""
        return isinstance(step, Var | Array | Object) and bool(missing(step, env, open_vars(step)))


def _any(answers: Iterator[Env]) -> bool:
    return next(answers, None) is not None
