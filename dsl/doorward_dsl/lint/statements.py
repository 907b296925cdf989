"""Statements that say too much, too little, or nothing that another one does not say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.program import GovernedStatement, Program
from doorward_dsl.syntax import Approve, Block, Credential

__all__ = ["doubtful_statements", "unreachable_statements"]

_DAY_MS: Final = 86_400_000


def doubtful_statements(program: Program) -> Iterator[Diagnostic]:
    """Statements that a reviewer would ask about."""
    for one in program.statements:
        statement = one.statement
        if one.verb == "allow" and _unconditional(one):
            hint = "say when, with `if` or `unless`"
            yield _warning("this allows every request of its kind", one, "unconditional-allow", hint)
        if isinstance(statement, Block | Approve) and statement.reason is None:
            hint = f'write the reason behind the verb: `{one.verb} "why" …`'
            yield _warning(f"this {one.verb} does not say why", one, "missing-reason", hint)
        if isinstance(statement, Credential) and (statement.ttl_ms or 0) > _DAY_MS:
            hint = "credentials are issued anew for every session: minutes are enough"
            yield _warning("this credential lives longer than a day", one, "long-credential", hint)


def unreachable_statements(program: Program) -> Iterator[Diagnostic]:
    """Statements that cannot make a difference: all is blocked or allowed already, or the same is said twice."""
    every = [one for one in program.statements if _unconditional(one)]
    blocks = [one for one in every if one.verb == "block"]
    allows = [one for one in every if one.verb == "allow"]
    said: dict[object, GovernedStatement] = {}
    for one in program.statements:
        over = _covering(one, blocks) if one.verb != "block" or not _unconditional(one) else None
        if over is not None:
            yield _unreachable("every request of this kind is blocked already", one, over)
            continue
        over = _covering(one, allows) if one.verb == "allow" and not _unconditional(one) else None
        if over is not None:
            yield _unreachable("every request of this kind is allowed already", one, over)
            continue
        first = said.setdefault((one.package, tuple(sorted(one.kinds)), _words(one)), one)
        if first is not one:
            yield _unreachable("this says again what is said already", one, first)


def _unconditional(one: GovernedStatement) -> bool:
    return one.statement.when is None and one.statement.unless is None


def _covering(one: GovernedStatement, others: Iterable[GovernedStatement]) -> GovernedStatement | None:
    """The first of `others` that speaks for all the kinds that a statement speaks for."""
    return next((other for other in others if "*" in other.kinds or set(one.kinds) <= set(other.kinds)), None)


def _words(one: GovernedStatement) -> str:
    return " ".join(one.span.text.split())


def _unreachable(message: str, one: GovernedStatement, over: GovernedStatement) -> Diagnostic:
    notes = (("by this one", over.span),)
    return Diagnostic("ward_lint", message, one.span, "warning", None, notes, rule="unreachable-statement")


def _warning(message: str, one: GovernedStatement, rule: str, hint: str) -> Diagnostic:
    return Diagnostic("ward_lint", message, one.span, "warning", hint, rule=rule)
