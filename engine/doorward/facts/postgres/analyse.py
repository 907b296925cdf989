"""SQL text in, facts and lineage out.

PostgreSQL's own grammar (pglast) gives the tree, so that what is judged is what the server will run; names
are resolved and columns followed through that very tree, against the catalogue, by the rules of the server's
own analyser (`scope`, `sources`, `query`, `expressions`, `changes`). Against mistakes in that walk:

- Nothing is skipped. Every node that names a relation, a column, a function or a sub-query must have been
  understood by the walk; one that was passed over, or is of a kind the walk does not know, makes the
  statement opaque.
- A name the catalogue does not have, or has twice, makes it opaque.
- Another parser, sqlglot, reads the same text (`second_opinion`). Where it understands the text, statements and
  their kinds, relations, functions and columns must be the same, and the columns that it finds behind an
  output must be among those of the walk; else the statement is opaque. Where it does not, PostgreSQL's own
  grammar stands alone.
- The tests run generated queries on a real server over marked values and compare what comes out with what
  lineage claims.

Text never raises: what cannot be vouched for is opaque with a reason, and so is what the server would refuse.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

import pglast
from pglast.enums import DiscardMode, VariableSetKind

from doorward.facts.postgres.bounds import parse
from doorward.facts.postgres.catalogue import Catalogue
from doorward.facts.postgres.context import Context
from doorward.facts.postgres.findings import ANYTHING, Findings, Opaque, SqlState
from doorward.facts.postgres.kinds import EFFECTS, kind_of
from doorward.facts.postgres.model import Analysis, Column, OutputColumn, Settings, SqlFacts
from doorward.facts.postgres.second_opinion import Understood, disagreement
from doorward.facts.postgres.statements import Statement, Walked
from doorward.facts.postgres.trees import Node, ast

__all__ = ["analyse", "analyse_uncached"]

_TRANSACTION: Final = frozenset(
    [
        "begin",
        "commit",
        "rollback",
        "savepoint",
        "release",
        "rollback_to",
        "prepare_transaction",
        "commit_prepared",
        "rollback_prepared",
    ]
)


_NEAR: Final = re.compile(r'at or near "(.*)"\Z', re.DOTALL)


@dataclass(slots=True)
class _Batch:
    """What earlier statements of one message mean for the later ones."""

    settings: Settings
    stale: str = ""
    """Why the catalogue or the search path no longer says what names mean; empty while it does."""
    path_changed: bool = False
    cacheable: bool = True
    findings: Findings = field(default_factory=Findings)
    outputs: list[tuple[OutputColumn, ...]] = field(default_factory=list)
    limits: list[int | None] = field(default_factory=list)
    reasons: list[Opaque] = field(default_factory=list)
    understood: list[Understood] = field(default_factory=list)


def analyse(statement: str, catalogue: Catalogue, settings: Settings) -> Analysis:
    """What a message of SQL text does under a catalogue and the session's settings. Never raises, whatever
    the text.
    """
    return analyse_uncached(statement, catalogue, settings)[0]


def analyse_uncached(statement: str, catalogue: Catalogue, settings: Settings) -> tuple[Analysis, bool]:
    """The analysis, and whether it depends on nothing but the text, the catalogue and what makes settings
    equal.
    """
    kinds: dict[str, None] = {}
    try:
        statements = _parse(statement, settings)
    except Opaque as reason:
        return _opaque(["unknown"], reason), True
    except pglast.Error as error:
        invalid = Opaque(f"the server would refuse it: {error.args[0]}", SqlState.SYNTAX_ERROR)
        return _opaque(["invalid"], invalid, _place(statement, *error.args)), True
    batch = _Batch(settings)
    for node in statements:
        kinds[kind_of(node)] = None
        _one(node, len(statement), catalogue, batch)
    if not batch.reasons:
        difference = disagreement(statement, batch.understood)
        if difference:
            batch.reasons.append(Opaque(f"two readings of the statement differ: {difference}"))
    batch.findings.kinds = {**kinds, **batch.findings.kinds}
    return _combined(batch, catalogue, len(statements)), batch.cacheable


def _parse(text: str, settings: Settings) -> tuple[Node, ...]:
    if not settings.standard_conforming_strings and "\\" in text:
        raise Opaque("the session reads backslashes in strings in another way")
    return parse(text)


def _one(node: Node, length: int, catalogue: Catalogue, batch: _Batch) -> None:
    """Adds one statement to the batch, as opaque where it cannot be understood."""
    context = Context(catalogue, batch.settings, length=length)
    walker = Statement(context)
    walked = Walked()
    try:
        if batch.stale and type(node) not in EFFECTS and not isinstance(node, ast.VariableSetStmt):
            raise Opaque(batch.stale)
        walked = walker.walk(node)
        context.require_understood(node)
    except Opaque as reason:
        batch.reasons.append(reason)
    except RecursionError:
        batch.reasons.append(Opaque("the statement is nested too deeply"))
    except Exception as error:  # a fault in the analysis must restrict, never pass or crash
        batch.reasons.append(Opaque(f"the analysis failed: {type(error).__name__}"))
    batch.cacheable = batch.cacheable and not walker.depends_on_session
    batch.findings.include(context.findings)
    batch.outputs.append(walked.outputs)
    if walked.carries:
        batch.limits.append(walked.limit)
    batch.understood.append(Understood(kind_of(node), context, walked.outputs))
    _proceed(node, context.findings, batch)


def _proceed(node: Node, findings: Findings, batch: _Batch) -> None:
    """What a statement that has run means for those after it in the same message."""
    if findings.changes_schema:
        batch.stale = batch.stale or "the schema changes earlier in the same message"
    if findings.changes_meaning:
        batch.stale = batch.stale or "a setting changes earlier in the same message"
    if isinstance(node, ast.VariableSetStmt):
        _settings_change(node, batch)
    elif isinstance(node, ast.DiscardStmt) and node.target == DiscardMode.DISCARD_ALL:
        batch.stale = batch.stale or "the session is reset earlier in the same message"
    elif isinstance(node, ast.TransactionStmt) and batch.path_changed:
        batch.stale = batch.stale or "the search path may change back earlier in the same message"


def _settings_change(node: Node, batch: _Batch) -> None:
    name = (node.name or "").lower()
    if name not in ("", "search_path", "role", "session_authorization", "session characteristics"):
        return
    values = [getattr(getattr(arg, "val", None), "sval", None) for arg in node.args or ()]
    known = [value for value in values if value is not None]
    if node.kind != VariableSetKind.VAR_SET_VALUE or len(known) != len(values):
        batch.stale = (
            batch.stale or "a setting that decides what names mean changes earlier in the same message"
        )
    elif name == "search_path":
        batch.settings = replace(batch.settings, search_path=tuple(known))
    else:
        batch.settings = replace(batch.settings, user=known[0] if known else "")
    batch.path_changed = True


def _combined(batch: _Batch, catalogue: Catalogue, statements: int) -> Analysis:
    findings = batch.findings
    opaque = bool(batch.reasons)
    limited = not opaque and all(limit is not None for limit in batch.limits)
    known = [limit for limit in batch.limits if limit is not None]
    returned = {
        column for outputs in batch.outputs for item in outputs for column in item.direct | item.derived
    }
    facts = SqlFacts.model_construct(
        statements=list(findings.kinds),
        tables=sorted(findings.read | findings.written),
        tables_read=sorted(findings.read),
        tables_written=sorted(findings.written),
        columns=_names(findings.columns),
        columns_returned=_names(returned),
        columns_filtered=_names(findings.filtered | findings.compared | findings.matched),
        columns_written=sorted(findings.assigned),
        columns_stored=_names(findings.stored),
        widths=[len(outputs) for outputs in batch.outputs],
        functions=sorted(findings.functions),
        read_only=findings.read_only and not opaque,
        writes=findings.writes,
        changes_schema=findings.changes_schema,
        changes_roles=findings.changes_roles,
        changes_session=findings.changes_session,
        external=findings.external,
        transaction=not opaque and bool(findings.kinds) and findings.kinds.keys() <= _TRANSACTION,
        limited=limited,
        limit=max(known) if limited and known else None,
        multiple=statements > 1,
        opaque=opaque,
        opaque_reason=str(batch.reasons[0]) if opaque else "",
        opaque_sqlstate=batch.reasons[0].sqlstate if opaque else "",
        opaque_at=0,
    )
    outputs = tuple(tuple(_spelt_out(item, catalogue) for item in some) for some in batch.outputs)
    stored = _without_marker(frozenset(findings.stored), catalogue)
    selecting = frozenset(findings.filtered | findings.matched) - {ANYTHING}
    probed = _without_marker(frozenset(findings.filtered | findings.compared), catalogue)
    return Analysis(dict(facts), outputs, stored, selecting, probed)


def _spelt_out(output: OutputColumn, catalogue: Catalogue) -> OutputColumn:
    if ANYTHING not in output.derived:
        return output
    return OutputColumn(output.name, output.direct, _without_marker(output.derived, catalogue))


def _without_marker(columns: frozenset[Column], catalogue: Catalogue) -> frozenset[Column]:
    return (columns | catalogue.user_columns) - {ANYTHING} if ANYTHING in columns else columns


def _place(text: str, message: str, index: int | None) -> int:
    """The character, from 0, at which a text stops being SQL.

    pglast takes the parser's characters for bytes, so where the text before holds longer ones its index is too small.
    """
    if index is None:
        return len(text)
    near = _NEAR.search(message)
    least = len(text[:index].encode())
    return max(least, text.find(near[1], least)) if near is not None else least


def _opaque(kinds: list[str], reason: Opaque, place: int = -1) -> Analysis:
    """What is said of a text that could not be taken apart at all, from the character at `place` on."""
    facts = SqlFacts(
        statements=kinds,
        opaque=True,
        opaque_reason=str(reason),
        opaque_sqlstate=reason.sqlstate,
        opaque_at=place + 1,
    )
    return Analysis(dict(facts))


def _names(columns: Iterable[Column]) -> list[str]:
    return sorted({str(column) for column in columns if column is not ANYTHING})
