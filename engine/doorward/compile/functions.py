"""From the plan of a unit to one Python function."""

from __future__ import annotations

import ast
from collections.abc import Callable

from doorward.compile.emit import Emitter, Names
from doorward.compile.plan import Body, Chain, Const, Scan, Unit, Walk
from doorward.run.values import equal

__all__ = ["emit_query", "emit_unit"]


def emit_unit(unit: Unit, names: Names) -> ast.stmt:
    """The function of a document, which remembers its value, or of a function, which does not."""
    emitter = Emitter(names)
    w = emitter.write
    w.line = unit.span.line
    params = ["c", *(f"v{param.id}" for param in unit.params)]
    match unit.kind:
        case "complete":
            body = [*_value(unit, emitter), _remember(unit, emitter)]
        case "function":
            charge = w.do(w.method(w.attribute(w.load("c"), "budget"), "charge", w.constant(1)))
            body = [charge, *_value(unit, emitter)]
        case "set":
            body = [*_members(unit, emitter), _remember(unit, emitter)]
        case "object":
            body = [*_object(unit, emitter), _remember(unit, emitter)]
    w.line = unit.span.line
    return w.function(names.unit(unit.id), params, [*body, w.give(w.load("r"))])


def emit_query(name: str, body: Body, variables: tuple[str, ...], names: Names) -> ast.stmt:
    """The function of a query: each answer becomes one object of its variables in the list `r`."""
    emitter = Emitter(names)
    w = emitter.write

    def give() -> list[ast.stmt]:
        pairs = zip(map(w.constant, variables), map(emitter.operand, body.block.result), strict=True)
        return [w.do(w.method(w.load("r"), "append", w.dict_of(list(pairs))))]

    statements = [w.assign("r", w.list_of([])), *emitter.block(body.block, give, None)]
    return w.function(name, ["c"], [*statements, w.give(w.load("r"))])


def _remember(unit: Unit, emitter: Emitter) -> ast.stmt:
    w = emitter.write
    return w.assign_item(w.attribute(w.load("c"), "memo"), w.constant(unit.id), w.load("r"))


def _value(unit: Unit, emitter: Emitter) -> list[ast.stmt]:
    """Leaves the one value that all definitions agree on in `r`."""
    w = emitter.write
    out = [w.assign("r", w.load("U"))]
    alike = _same_constant(unit.chains)
    for at, chain in enumerate(unit.chains):
        if at == 0:
            out += _chain(chain, "r", unit, emitter)
        elif alike:
            out.append(w.when(emitter.is_undefined("r"), _chain(chain, "r", unit, emitter)))
        else:
            other = emitter.temporary()
            out.append(w.assign(other, w.load("U")))
            out += _chain(chain, other, unit, emitter)
            w.line = chain.span.line
            agree = w.when(
                emitter.is_undefined("r"),
                [w.assign("r", w.load(other))],
                [_disagree(unit, emitter, w.load(other))],
            )
            out.append(w.when(w.other(w.load(other), w.load("U")), [agree]))
    if unit.default is not None:
        out.append(w.when(emitter.is_undefined("r"), _chain(unit.default, "r", unit, emitter)))
    return out


def _same_constant(chains: tuple[Chain, ...]) -> bool:
    values = [body.block.result[0] for chain in chains for body in chain.bodies]
    known = [value.value for value in values if isinstance(value, Const)]
    return len(known) == len(values) and all(equal(known[0], value) for value in known)


def _chain(chain: Chain, result: str, unit: Unit, emitter: Emitter) -> list[ast.stmt]:
    """Leaves the value of the first body that has one in `result`, which is undefined before."""
    w = emitter.write
    out: list[ast.stmt] = []
    for at, body in enumerate(chain.bodies):
        statements = _body(body, result, unit, emitter)
        out += statements if at == 0 else [w.when(emitter.is_undefined(result), statements)]
    return out


def _body(body: Body, result: str, unit: Unit, emitter: Emitter) -> list[ast.stmt]:
    w = emitter.write
    w.line = body.span.line
    block = body.block
    (value,) = block.result
    if block.single:
        return emitter.block(
            block,
            lambda: [w.assign(result, emitter.operand(value))],
            lambda: w.other(w.load(result), w.load("U")),
        )

    def first_or_again() -> list[ast.stmt]:
        first = w.assign(result, emitter.operand(value))
        again = _disagree(unit, emitter, emitter.operand(value), result)
        return [w.when(emitter.is_undefined(result), [first], [again])]

    return emitter.block(block, first_or_again, None)


def _disagree(unit: Unit, emitter: Emitter, value: ast.expr, result: str = "r") -> ast.stmt:
    w = emitter.write
    message = (
        "functions must not produce multiple outputs for same inputs"
        if unit.kind == "function"
        else "complete rules must not produce multiple outputs"
    )
    error = w.call("h_conflict", w.constant(message), emitter.span(unit))
    return w.when(w.negate(w.call("h_equal", w.load(result), value)), [w.fail(error)])


def _members(unit: Unit, emitter: Emitter) -> list[ast.stmt]:
    """Leaves the set of all members in `r`."""
    w = emitter.write

    def add(body: Body) -> ast.stmt:
        return w.do(w.method(w.load("r"), "add", emitter.key(body.block.result[0])))

    return [w.assign("r", w.call("set")), *_all_answers(unit, add, emitter)]


def _object(unit: Unit, emitter: Emitter) -> list[ast.stmt]:
    """Leaves the object of all places that the definitions fill in `r`."""
    w = emitter.write
    bodies = [body for chain in unit.chains for body in chain.bodies]
    flat = all(len(body.block.result) == 2 and not body.into_set for body in bodies)

    def put(body: Body) -> ast.stmt:
        *path, value = map(emitter.operand, body.block.result)
        span = w.load(emitter.names.constant(body.span))
        if flat:
            return w.do(w.call("h_put", w.load("r"), path[0], value, span))
        function = "h_put_member_at" if body.into_set else "h_put_at"
        return w.do(w.call(function, w.load("r"), w.tuple_of(path), value, span))

    out = [w.assign("r", w.dict_of([])), *_all_answers(unit, put, emitter)]
    if not flat:
        out.append(w.assign("r", w.call("h_settle_object", w.load("r"))))
    return out


def _all_answers(unit: Unit, add: Callable[[Body], ast.stmt], emitter: Emitter) -> list[ast.stmt]:
    w = emitter.write
    out: list[ast.stmt] = []
    for chain in unit.chains:
        found: str | None = None
        for at, body in enumerate(chain.bodies):
            w.line = body.span.line
            loops = any(isinstance(step, (Scan, Walk)) for step in body.block.steps)
            if found is None and (len(chain.bodies) > 1 or (body.block.single and loops)):
                found = emitter.temporary()
                out.append(w.assign(found, w.constant(False)))
            statements = _answers(body, add, found, emitter)
            out += statements if at == 0 else [w.when(w.negate(w.load(found or "")), statements)]
    return out


def _answers(
    body: Body, add: Callable[[Body], ast.stmt], found: str | None, emitter: Emitter
) -> list[ast.stmt]:
    w = emitter.write
    if found is None:
        return emitter.block(body.block, lambda: [add(body)], None)
    return emitter.block(
        body.block,
        lambda: [add(body), w.assign(found, w.constant(True))],
        (lambda: w.load(found)) if body.block.single else None,
    )
