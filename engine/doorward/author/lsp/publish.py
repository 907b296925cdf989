"""Diagnostics as clients show them."""

from __future__ import annotations

from typing import Final

from lsprotocol.types import (
    Diagnostic as LspDiagnostic,
)
from lsprotocol.types import (
    DiagnosticRelatedInformation,
    DiagnosticSeverity,
    DiagnosticTag,
    Location,
    Range,
)

from doorward.author.lsp.positions import Positions
from doorward.author.lsp.tree import Tree
from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.source import Span

__all__ = ["SOURCE", "to_diagnostic"]

SOURCE: Final = "doorward"

_SEVERITIES: Final = {"error": DiagnosticSeverity.Error, "warning": DiagnosticSeverity.Warning}


def to_diagnostic(
    diagnostic: Diagnostic, tree: Tree, encoding: str, *, related: bool = True
) -> LspDiagnostic:
    """One message, its hint on a line below it. Without `related`, notes become lines of the message."""
    lines = [diagnostic.message]
    if diagnostic.hint:
        lines.append(diagnostic.hint)
    if not related:
        lines += [f"{note} ({place})" for note, place in diagnostic.notes]
    unused = diagnostic.severity == "warning" and "unused" in diagnostic.message
    return LspDiagnostic(
        range=_range(diagnostic.span, encoding),
        message="\n".join(lines),
        severity=_SEVERITIES[diagnostic.severity],
        code=diagnostic.code,
        source=SOURCE,
        tags=[DiagnosticTag.Unnecessary] if unused else None,
        related_information=[
            DiagnosticRelatedInformation(
                Location(tree.uri_of(place.source.name), _range(place, encoding)), note
            )
            for note, place in diagnostic.notes
        ]
        if related and diagnostic.notes
        else None,
    )


def _range(span: Span, encoding: str) -> Range:
    return Positions(span.source.text, encoding).of(span)
