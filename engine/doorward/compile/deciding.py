"""From the plans of statements to functions that report which of them hold."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from doorward.compile.decision import Group, StatementPlan
from doorward.compile.emit import Emitter
from doorward.compile.findings import Failed, Findings, Held, StatementInfo
from doorward.compile.governed import report
from doorward.compile.outline import Table
from doorward.compile.parts import PartWriter
from doorward.compile.payloads import PayloadMaker
from doorward.compile.plan import Const, Scan, Walk
from doorward.run.context import CallContext
from doorward.run.errors import BudgetExceeded, EvaluationError
from doorward.run.values import Value
from doorward_dsl.source import NOWHERE

__all__ = ["DECIDING_HELPERS", "Decide", "load_decision", "load_group", "load_statement"]

Decide = Callable[[CallContext, Findings], None]

_MOST_CALLS: Final = 16
"""Of groups, written out one by one; more are run over."""


def load_decision(
    groups: Sequence[str], tables: Iterable[tuple[Table, Mapping[int, str]]], part: PartWriter, name: str
) -> str:
    """Write the decision function of a kind: it calls all groups, and those statements of tables that a request can
    concern."""
    emitter = Emitter(part)
    w = emitter.write
    args = [w.load("c"), w.load("f")]
    body: list[ast.stmt] = []
    if len(groups) > _MOST_CALLS:
        one = emitter.temporary()
        body.append(w.loop([one], w.load(part.row(groups)), [w.do(w.call(one, *args))]))
    else:
        body += [w.do(w.call(name, *args)) for name in groups]
    for table, functions in tables:
        body += emitter.chosen(table, functions, args, lambda result: [w.do(result)])
    return part.load(w.function(name, ["c", "f"], body or [w.do(w.constant(None))]), NOWHERE.source)


def load_group(group: Group, linker: PartWriter, name: str) -> str:
    """Write the function that tries some statements on every request."""
    emitter = Emitter(linker)
    w = emitter.write
    body: list[ast.stmt] = [w.assign("held", w.attribute(w.attribute(w.load("f"), "held"), "append"))]
    known = dict(group.shared)
    for place, local in group.shared:
        # Sorted by path, so that what a place starts with has been read before it.
        body += emitter.read_shared(local, place, known)
    for statement in group.statements:
        body += _statement(statement, emitter)
    return linker.load(w.function(name, ["c", "f"], body), group.source)


def load_statement(statement: StatementPlan, linker: PartWriter, name: str) -> str:
    """Write the function that tries one statement."""
    emitter = Emitter(linker)
    w = emitter.write
    held = w.assign("held", w.attribute(w.attribute(w.load("f"), "held"), "append"))
    function = w.function(name, ["c", "f"], [held, *_statement(statement, emitter)])
    return linker.load(function, statement.info.span.source)


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


DECIDING_HELPERS: Final[dict[str, Any]] = {"h_failed": _failed, "h_hold": _hold, "h_report": report}
"""What decision functions call, besides what all generated code may."""
