"""From the plan of a unit to Python functions: one, or one more for each definition that is better off on
its own."""

from __future__ import annotations

import ast
from functools import partial
from typing import Final

from doorward.compile.emit import Emitter
from doorward.compile.flow import calls_functions, loops_of
from doorward.compile.names import Names
from doorward.compile.outline import Body, Chain, Unit
from doorward.compile.parts import PartWriter
from doorward.compile.plan import Block, Const, Scan, Walk
from doorward.compile.units import MOST_TOGETHER
from doorward.run.values import equal

__all__ = ["emit_query", "emit_value", "load_unit"]

_MOST_LOOPS: Final = 6
"""Deeper loops go on in a function of their own, from which there is no return."""


def load_unit(unit: Unit, linker: PartWriter) -> None:
    """Write the function of a document, which remembers its value, or of a function, which does not."""
    apart = _apart(unit)
    functions = {at: _load_chain(unit, at, linker) for at in sorted(apart)}
    emitter = Emitter(linker)
    w = emitter.write
    w.line = unit.span.line
    unit_emitter = _UnitEmitter(unit, emitter, functions)
    body = unit_emitter.whole()
    if unit.kind == "function" and _calls_others(unit):
        # Calls that double from one function to the next would otherwise be free; what calls nothing ends by itself.
        body.insert(0, w.do(w.method(w.load("c"), "charge", w.constant(1))))
    w.line = unit.span.line
    linker.load(w.function(linker.unit(unit.id), _params(unit), body), unit.span.source)


def _calls_others(unit: Unit) -> bool:
    chains = [*unit.chains, *([] if unit.default is None else [unit.default])]
    return any(calls_functions(body.block.steps) for chain in chains for body in chain.bodies)


def _params(unit: Unit) -> list[str]:
    return ["c", *(f"v{param.id}" for param in unit.params)]


def _apart(unit: Unit) -> frozenset[int]:
    """Definitions with a Python function of their own: those in tables, those of other files, and a great
    many."""
    found = {at for table in unit.tables for at in table.positions}
    found |= {at for at, chain in enumerate(unit.chains) if chain.span.source is not unit.span.source}
    if len(unit.chains) - len(found) > MOST_TOGETHER:
        found |= set(range(len(unit.chains)))
    return frozenset(found)


def _load_chain(unit: Unit, at: int, linker: PartWriter) -> str:
    emitter = Emitter(linker)
    w = emitter.write
    chain = unit.chains[at]
    w.line = chain.span.line
    unit_emitter = _UnitEmitter(unit, emitter, {})
    name = _apart_name(unit, at, linker)
    if unit.kind in ("complete", "function"):
        body = unit_emitter.alone(chain)
        function = w.function(name, _params(unit), body)
    else:
        function = w.function(name, ["c", "r"], unit_emitter.all_answers(chain) or [w.do(w.constant(None))])
    return linker.load(function, chain.span.source)


def _apart_name(unit: Unit, at: int, names: Names) -> str:
    return f"{names.unit(unit.id)}__{at + 1}"


def emit_query(name: str, block: Block, variables: tuple[str, ...], names: Names) -> ast.stmt:
    """The function of a query: each answer becomes one object of its variables in the list `r`."""
    emitter = Emitter(names)
    w = emitter.write

    def give() -> list[ast.stmt]:
        pairs = zip(map(w.constant, variables), map(emitter.operand, block.result), strict=True)
        return [w.do(w.method(w.load("r"), "append", w.dict_of(list(pairs))))]

    statements = [w.assign("r", w.list_of([])), *emitter.block(block, give, None)]
    return w.function(name, ["c"], [*statements, w.give(w.load("r"))])


def emit_value(name: str, block: Block, names: Names) -> ast.stmt:
    """The function of a query of one term: its value in the first answer, or what is undefined."""
    emitter = Emitter(names)
    w = emitter.write
    give = w.give(emitter.operand(block.result[0]))
    if loops_of(block) <= _MOST_LOOPS:
        return w.function(name, ["c"], [*emitter.block(block, lambda: [give], None), w.give(w.load("U"))])
    found = w.assign("r", emitter.operand(block.result[0]))
    statements = emitter.block(block, lambda: [found], lambda: w.other(w.load("r"), w.load("U")))
    return w.function(name, ["c"], [w.assign("r", w.load("U")), *statements, w.give(w.load("r"))])


class _UnitEmitter:
    """Emits the parts of one unit. `functions` are the names of those of definitions that have one, by position."""

    def __init__(self, unit: Unit, emitter: Emitter, functions: dict[int, str]) -> None:
        self.unit = unit
        self.emitter = emitter
        self.functions = functions
        bodies = [body for chain in unit.chains for body in chain.bodies]
        self.flat = all(len(body.block.result) == 2 and not body.into_set for body in bodies)
        """Whether an object has all its values right below it."""

    def whole(self) -> list[ast.stmt]:
        """The body of the unit's function."""
        w = self.emitter.write
        give = w.give(w.load("r"))
        match self.unit.kind:
            case "set":
                return [w.assign("r", w.call("set")), *self._members(), give]
            case "object" if self.flat:
                return [w.assign("r", w.dict_of([])), *self._members(), give]
            case "object":
                settled = w.call("h_settle_object", w.load("r"))
                return [w.assign("r", w.dict_of([])), *self._members(), w.give(settled)]
        return self._first_value() if self._first_will_do() else [*self._value(), give]

    def alone(self, chain: Chain) -> list[ast.stmt]:
        """The body of the function of one definition of a value."""
        w = self.emitter.write
        if self._can_return(chain):
            found = self._returning(chain)
            return found if found and isinstance(found[-1], ast.Return) else [*found, w.give(w.load("U"))]
        return [w.assign("r", w.load("U")), *self.chain(chain, "r"), w.give(w.load("r"))]

    # --- documents of one value, and functions ---

    def _first_will_do(self) -> bool:
        """Whether the first answer of the first definition that has one is the value."""
        unit = self.unit
        alike = len(unit.chains) == 1 or _same_constant(unit.chains)
        return alike and not unit.tables and not self.functions and all(map(self._can_return, unit.chains))

    def _can_return(self, chain: Chain) -> bool:
        return all(body.block.single and loops_of(body.block) <= _MOST_LOOPS for body in chain.bodies)

    def _first_value(self) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for at, chain in enumerate(self.unit.chains):
            out += self.shared(at)
            out += self._returning(chain)
        if out and isinstance(out[-1], ast.Return):
            return out
        if self.unit.default is None:
            return [*out, self.emitter.write.give(self.emitter.write.load("U"))]
        return [*out, *self.alone(self.unit.default)]

    def _returning(self, chain: Chain) -> list[ast.stmt]:
        """Returns the value of the first body that has one."""
        out: list[ast.stmt] = []
        for body in chain.bodies:
            w = self.emitter.write
            w.line = body.span.line
            give = w.give(self.emitter.operand(body.block.result[0]))
            out += self.emitter.block(body.block, partial(list, [give]), None)
        return out

    def shared(self, chain: int) -> list[ast.stmt]:
        """Reads what this definition is the first of several to need."""
        out: list[ast.stmt] = []
        places = {shared.place: shared.local for shared in self.unit.shared}
        for shared in self.unit.shared:
            if shared.body == chain:
                out += self.emitter.read_shared(shared.local, shared.place, places)
        return out

    def _value(self) -> list[ast.stmt]:
        """Leaves the one value that all definitions agree on in `r`."""
        w, unit = self.emitter.write, self.unit
        out = [w.assign("r", w.load("U"))]
        alike = _same_constant(unit.chains)
        args = list(map(w.load, _params(unit)))

        def use(result: ast.expr) -> list[ast.stmt]:
            merged = self._merge(result)
            return [*merged, w.when(w.other(w.load("r"), w.load("U")), [w.leave()])] if alike else merged

        for table in unit.tables:
            out += self.emitter.chosen(table, self.functions, args, use)
        tabled = frozenset[int]().union(*(table.positions for table in unit.tables))
        for at, chain in enumerate(unit.chains):
            w.line = chain.span.line
            first = len(out) == 1
            if at in tabled:
                continue
            shared = self.shared(at)
            if at in self.functions:
                name = _apart_name(unit, at, self.emitter.names)
                called = w.call(name, *map(w.load, _params(unit)))
                statements = self._merge(called)
            elif first or alike:
                statements = self.chain(chain, "r")
            else:
                other = self.emitter.temporary()
                statements = [
                    w.assign(other, w.load("U")),
                    *self.chain(chain, other),
                    *self._merge(w.load(other)),
                ]
            statements = [*shared, *statements]
            out += [w.when(self.emitter.is_undefined("r"), statements)] if alike and not first else statements
        if unit.default is not None:
            out.append(w.when(self.emitter.is_undefined("r"), self.chain(unit.default, "r")))
        return out

    def _merge(self, result: ast.expr) -> list[ast.stmt]:
        """Makes `r` the result, unless that is undefined; what `r` is already it has to agree with."""
        w = self.emitter.write
        out: list[ast.stmt] = []
        if not isinstance(result, ast.Name):
            name = self.emitter.temporary()
            out.append(w.assign(name, result))
            result = w.load(name)
        agree = w.when(self.emitter.is_undefined("r"), [w.assign("r", result)], [self._disagree(result, "r")])
        return [*out, w.when(w.other(result, w.load("U")), [agree])]

    def chain(self, chain: Chain, result: str) -> list[ast.stmt]:
        """Leaves the value of the first body that has one in `result`, which is undefined before."""
        out: list[ast.stmt] = []
        for at, body in enumerate(chain.bodies):
            statements = self._body(body, result)
            wanted = self.emitter.is_undefined(result)
            out += statements if at == 0 else [self.emitter.write.when(wanted, statements)]
        return out

    def _body(self, body: Body, result: str) -> list[ast.stmt]:
        emitter, w, block = self.emitter, self.emitter.write, body.block
        w.line = body.span.line
        (value,) = block.result
        if block.single:
            give = [w.assign(result, emitter.operand(value))]
            return emitter.block(block, lambda: give, lambda: w.other(w.load(result), w.load("U")))
        first = w.assign(result, emitter.operand(value))
        again = self._disagree(emitter.operand(value), result)
        either = w.when(emitter.is_undefined(result), [first], [again])
        return emitter.block(block, lambda: [either], None)

    def _disagree(self, value: ast.expr, result: str) -> ast.stmt:
        w = self.emitter.write
        message = (
            "functions must not produce multiple outputs for same inputs"
            if self.unit.kind == "function"
            else "complete rules must not produce multiple outputs"
        )
        error = w.call("h_conflict", w.constant(message), self.emitter.span(self.unit))
        return w.when(w.negate(w.call("h_equal", w.load(result), value)), [w.fail(error)])

    # --- documents of many members ---

    def _members(self) -> list[ast.stmt]:
        """Adds what all definitions give to `r`."""
        w, unit = self.emitter.write, self.unit
        out: list[ast.stmt] = []
        for table in unit.tables:
            args = [w.load("c"), w.load("r")]
            out += self.emitter.chosen(table, self.functions, args, lambda called: [w.do(called)])
        tabled = frozenset[int]().union(*(table.positions for table in unit.tables))
        for at, chain in enumerate(unit.chains):
            w.line = chain.span.line
            if at in self.functions and at not in tabled:
                name = _apart_name(unit, at, self.emitter.names)
                out.append(w.do(w.call(name, w.load("c"), w.load("r"))))
            elif at not in tabled:
                out += self.shared(at)
                out += self.all_answers(chain)
        return out

    def all_answers(self, chain: Chain) -> list[ast.stmt]:
        """Adds what the answers of a definition give to `r`."""
        emitter, w = self.emitter, self.emitter.write
        out: list[ast.stmt] = []
        found: str | None = None
        for at, body in enumerate(chain.bodies):
            w.line = body.span.line
            loops = any(isinstance(step, (Scan, Walk)) for step in body.block.steps)
            if found is None and (len(chain.bodies) > 1 or (body.block.single and loops)):
                found = emitter.temporary()
                out.append(w.assign(found, w.constant(False)))
            statements = self._answers(body, found)
            out += statements if at == 0 else [w.when(w.negate(w.load(found or "")), statements)]
        return out

    def _answers(self, body: Body, found: str | None) -> list[ast.stmt]:
        w, block = self.emitter.write, body.block
        if found is None:
            return self.emitter.block(block, lambda: [self._add(body)], None)
        done = (lambda: w.load(found)) if block.single else None
        return self.emitter.block(block, lambda: [self._add(body), w.assign(found, w.constant(True))], done)

    def _add(self, body: Body) -> ast.stmt:
        emitter, w = self.emitter, self.emitter.write
        if self.unit.kind == "set":
            return w.do(w.method(w.load("r"), "add", emitter.key(body.block.result[0])))
        *path, value = map(emitter.operand, body.block.result)
        span = w.load(emitter.names.constant(body.span))
        if self.flat:
            return w.do(w.call("h_put", w.load("r"), path[0], value, span))
        helper = "h_put_member_at" if body.into_set else "h_put_at"
        return w.do(w.call(helper, w.load("r"), w.tuple_of(path), value, span))


def _same_constant(chains: tuple[Chain, ...]) -> bool:
    values = [body.block.result[0] for chain in chains for body in chain.bodies]
    known = [value.value for value in values if isinstance(value, Const)]
    return len(known) == len(values) and all(equal(known[0], value) for value in known)
