"""What stands in a file, in a tree, and what can be folded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lsprotocol.types import (
    DocumentSymbol,
    FoldingRange,
    FoldingRangeKind,
    SymbolKind,
    WorkspaceSymbol,
)

from doorward.author.lsp.navigate import location
from doorward.author.lsp.positions import Positions
from doorward.author.lsp.view import File, View
from doorward_dsl.source import Span
from doorward_dsl.syntax import Module, Rule, Statement
from doorward_dsl.walk import rule_chain

__all__ = ["document_symbols", "folding_ranges", "workspace_symbols"]

_MOST: Final = 500
"""Symbols of one answer: nobody reads on, and the client asks again with more letters."""


def document_symbols(file: File, positions: Positions) -> list[DocumentSymbol]:
    """The package, rules, statements and tests of a file, in order of place."""
    module = file.module
    if module is None or not file.fresh:
        return []
    return [
        DocumentSymbol(
            name=name,
            detail=detail,
            kind=kind,
            range=positions.of(whole),
            selection_range=positions.of(head),
        )
        for name, detail, kind, whole, head in sorted(_parts(module), key=lambda part: part[3].start)
    ]


def workspace_symbols(view: View, query: str, encoding: str) -> list[WorkspaceSymbol]:
    """The parts of all files in whose names the letters of a query stand in order."""
    found: list[WorkspaceSymbol] = []
    for file in view.files():
        if file.module is None or not file.fresh:
            continue
        for name, _, kind, _, head in _parts(file.module):
            if _fits(query.lower(), name.lower()):
                package = ".".join(file.module.package)
                found.append(
                    WorkspaceSymbol(location(file, head, encoding), name, kind, container_name=package)
                )
                if len(found) >= _MOST:
                    return found
    return found


def folding_ranges(file: File, positions: Positions) -> list[FoldingRange]:
    """Statements, rules and tests of several lines, imports, and blocks of comments."""
    module = file.module
    if module is None or not file.fresh:
        return []
    spans: list[tuple[Span, FoldingRangeKind | None]] = [(part[3], None) for part in _parts(module)]
    if len(module.imports) > 1:
        spans.append((module.imports[0].span.to(module.imports[-1].span), FoldingRangeKind.Imports))
    spans += [(span, FoldingRangeKind.Comment) for span in _comment_blocks(module)]
    found = []
    for span, kind in spans:
        place = positions.of(span)
        if place.end.line > place.start.line:
            found.append(FoldingRange(place.start.line, place.end.line, kind=kind))
    return found


_Part = tuple[str, str, SymbolKind, Span, Span]
"""Name, detail, kind, the whole, and the part of it that names it."""


def _parts(module: Module) -> Iterator[_Part]:
    package = module.package_span
    yield ".".join(module.package), "package", SymbolKind.Package, package, package
    for rule in module.rules:
        yield _rule(rule)
    for statement in module.statements:
        yield _statement(statement)
    for test in module.tests:
        yield f'test "{test.name}"', "", SymbolKind.Event, test.span, test.name_span


def _rule(rule: Rule) -> _Part:
    last = rule
    for link in rule_chain(rule):
        last = link
    whole = Span(rule.span.source, rule.span.start, max(rule.span.end, last.span.end))
    head = rule.head
    name = Span(head.span.source, head.ref[0].span.start, head.ref[-1].span.end).text
    if head.args is not None:
        name = f"{name}({', '.join(arg.span.text for arg in head.args)})"
    kind = SymbolKind.Function if head.args is not None else SymbolKind.Variable
    return name, "default" if rule.default else "", kind, whole, head.ref[0].span


def _statement(statement: Statement) -> _Part:
    verb = type(statement).__name__.lower()
    reason = statement.reason
    detail = reason if isinstance(reason, str) else "" if reason is None else reason.span.text
    first = Span(statement.span.source, statement.span.start, statement.span.start + len(verb))
    return f"{verb} {detail}".strip(), "", SymbolKind.Interface, statement.span, first


def _comment_blocks(module: Module) -> Iterator[Span]:
    """Comments on lines that follow each other, as one span."""
    block: Span | None = None
    for comment in module.comments:
        if block is not None and comment.span.line == block.source.position(block.end)[0] + 1:
            block = block.to(comment.span)
            continue
        if block is not None:
            yield block
        block = comment.span
    if block is not None:
        yield block


def _fits(letters: str, name: str) -> bool:
    rest = iter(name)
    return all(letter in rest for letter in letters)
