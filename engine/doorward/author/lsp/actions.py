"""Quick fixes: what a diagnostic suggests, put into the text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from lsprotocol.types import CodeAction, CodeActionKind, Range, TextEdit, WorkspaceEdit

from doorward.author.lsp.positions import Positions
from doorward.author.lsp.publish import to_diagnostic
from doorward.author.lsp.view import File
from doorward_dsl.diagnostics import Diagnostic, ParseError
from doorward_dsl.parse import parse_module
from doorward_dsl.source import Source

__all__ = ["code_actions"]

_SUGGESTED: Final = re.compile(r"did you mean `([^`\s]+)`\?")


def code_actions(
    file: File, diagnostics: Iterable[Diagnostic], asked: Range, encoding: str
) -> list[CodeAction]:
    """The fixes of the diagnostics in a range of a file."""
    positions = Positions(file.source.text, encoding)
    start, end = positions.offset(asked.start), positions.offset(asked.end)
    uri = file.view.tree.uri_of(file.name)
    return [
        CodeAction(
            title=f"Change to `{new}`",
            kind=CodeActionKind.QuickFix,
            diagnostics=[to_diagnostic(one, file.view.tree, encoding)],
            is_preferred=True,
            edit=WorkspaceEdit(changes={uri: [TextEdit(positions.of(one.span), new)]}),
        )
        for one, new in _fixes(file, diagnostics)
        if one.span.start <= end and start <= one.span.end
    ]


def _fixes(file: File, diagnostics: Iterable[Diagnostic]) -> Iterator[tuple[Diagnostic, str]]:
    """The diagnostics of the text as it is whose hint names the one word that was meant."""
    for one in diagnostics:
        suggested = _SUGGESTED.fullmatch(one.hint or "")
        current = one.span.source.name == file.name and one.span.source.text == file.source.text
        if suggested is None or not current or "\n" in one.span.text:
            continue
        new = suggested[1]
        if one.code != "rego_parse_error" or _mistakes(_with(one, new)) < _mistakes(one.span.source):
            yield one, new


def _with(diagnostic: Diagnostic, new: str) -> Source:
    span = diagnostic.span
    text = span.source.text
    return Source(span.source.name, text[: span.start] + new + text[span.end :])


def _mistakes(source: Source) -> int:
    try:
        parse_module(source)
    except ParseError as error:
        return len(error.diagnostics)
    return 0
