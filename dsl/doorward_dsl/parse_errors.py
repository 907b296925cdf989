"""What to say about a word that the grammar cannot take: in the user's terms, with the near miss."""

from __future__ import annotations

from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.lex import Token
from doorward_dsl.lex_layout import ENDERS, Features, Statement
from doorward_dsl.parse_suggest import near_miss
from doorward_dsl.parse_table import Unexpected
from doorward_dsl.source import Source, Span

__all__ = ["explain", "explain_trouble"]


def explain_trouble(source: Source, message: str, token: Token) -> Diagnostic:
    """A limit that was passed, or a bracket without its fellow."""
    return Diagnostic("rego_parse_error", message, Span(source, token.start, token.end))


def explain(source: Source, statement: Statement, unexpected: Unexpected, features: Features) -> Diagnostic:
    """The message for one unexpected token."""
    token = unexpected.token
    what = "unexpected end of statement" if token.kind == "$END" else f"unexpected `{token.text}`"
    return Diagnostic("rego_parse_error", what, Span(source, token.start, token.end))
