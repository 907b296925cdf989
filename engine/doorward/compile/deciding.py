"""From the plan of a kind to its decision function, and running it."""

from __future__ import annotations

import ast
from collections.abc import Callable

from doorward.compile.decision import Group, KindPlan, StatementPlan
from doorward.compile.emit import Emitter
from doorward.compile.findings import Failed, Findings, Held, StatementInfo
from doorward.compile.governed import report
from doorward.compile.linker import Linker
from doorward.compile.payloads import PayloadMaker
from doorward.compile.plan import Const, Scan, Walk
from doorward.run.context import CallContext
from doorward.run.errors import BudgetExceeded, EvaluationError
from doorward.run.values import Value
from doorward_dsl.source import Source

__all__ = ["DECIDING_HELPERS", "Decide", "link_kind"]

Decide = Callable[[CallContext, Findings], None]

_NO_FUNCTIONS: tuple[Decide, ...] = ()


def link_kind(kind: KindPlan, linker: Linker, number: int) -> Decide:
    """The decision function of a kind. `number` keeps its name apart from other kinds' names."""
    names = [_load_group(group, linker, f"g{number}_{at}") for at, group in enumerate(kind.groups)]
    emitter = Emitter(linker)
    w = emitter.write
    body: list[ast.stmt] = [w.do(w.call(name, w.load("c"), w.load("f"))) for name in names]
    for at, table in enumerate(kind.tables):
        functions = {
            position: _load_statement(kind.statements[position], linker, f"s{number}_{at}_{position}")
            for position in sorted(table.positions)
        }
        body += emitter.chosen(table, functions, [w.load("c"), w.load("f")], lambda result: [w.do(result)])
    name = f"d{number}"
    linker.load(w.function(name, ["c", "f"], body or [w.do(w.constant(None))]), Source(f"<{kind.kind}>", ""))
    decide: Decide = linker.namespace[name]
    return decide


def _load_group(group: Group, linker: Linker, name: str) -> str:
    emitter = Emitter(linker)
    w = emitter.write
    body: list[ast.stmt] = [w.assign("held", w.attribute(w.attribute(w.load("f"), "held"), "append"))]
    known = dict(group.shared)
    for place, local in group.shared:
        # Sorted by path, so that what a place starts with has been read before it.
        body += emitter.read_shared(local, place, known)
    for statement in group.statements:
        body += _statement(statement, emitter)
    linker.load(w.function(name, ["c", "f"], body), group.source)
    return name


def _load_statement(statement: StatementPlan, linker: Linker, name: str) -> Decide:
    emitter = Emitter(linker)
    w = emitter.write
    held = w.assign("held", w.attribute(w.attribute(w.load("f"), "held"), "append"))
    linker.load(
        w.function(name, ["c", "f"], [held, *_statement(statement, emitter)]), statement.info.span.source
    )
    function: Decide = linker.namespace[name]
    return function


def _statement(statement: StatementPlan, emitter: Emitter) -> list[ast.stmt]:
    """The statement in a `try` of its own: an error in one must not keep another from being heard."""
    w = emitter.write
    info, block = statement.info, statement.block
    w.line = info.span.line
    known = w.load(emitter.names.constant(info))
    before: list[ast.stmt] = []
    found: str | None = None
    result = w.tuple_of(list(map(emitter.operand, block.result)))
    if info.governed_rule:
        answer = w.call("h_report", w.load("f"), known, emitter.operand(block.result[0]))
    elif statement.maker is not None:
        answer = w.call("h_hold", w.load("f"), known, w.load(emitter.names.constant(statement.maker)), result)
    else:
        answer = w.call("held", w.load(emitter.names.constant(Held(info, info.payload))))
        if any(isinstance(step, (Scan, Walk)) for step in block.steps):
            found = emitter.temporary()
            before.append(w.assign(found, w.constant(False)))
    gives = [w.do(answer)]
    if found is not None:
        gives.append(w.assign(found, w.constant(True)))
    done = None if found is None else (lambda: w.load(found))
    body = [*before, *emitter.block(block, lambda: gives, done)]
    if all(isinstance(operand, Const) for operand in block.result) and not block.steps:
        return body
    w.line = info.span.line
    error = emitter.temporary()
    failed = w.do(w.call("h_failed", w.load("f"), known, w.load(error)))
    return [w.attempt(body, "Exception", error, [failed])]


def _failed(findings: Findings, info: StatementInfo, error: Exception) -> None:
    """Note that a statement failed; over its budget the evaluation as a whole is over."""
    if isinstance(error, RecursionError):
        raise BudgetExceeded("the evaluation went too deep", info.span) from error
    if isinstance(error, BudgetExceeded):
        raise error
    if not isinstance(error, EvaluationError):
        # Nothing else should come out of an evaluation; if it does, it must restrict and not be lost.
        error = EvaluationError(f"internal error: {type(error).__name__}: {error}", info.span)
    elif error.span is None:
        error.span = info.span
    findings.errors.append(Failed(info, error))


def _hold(findings: Findings, info: StatementInfo, maker: PayloadMaker, parts: tuple[Value, ...]) -> None:
    findings.held.append(Held(info, maker(parts)))


DECIDING_HELPERS = {
    "Exception": Exception,
    "h_failed": _failed,
    "h_hold": _hold,
    "h_report": report,
}
"""What decision functions call, besides what all generated code may."""
