"""Policy text in its one canonical form, and trees as text.

`format_source` keeps what the user said with the layout: which elements of a list stand on a line of their own, where
empty lines and comments are. The `print_…` functions take trees without text, such as translations.
"""

from __future__ import annotations

from collections.abc import Callable

from doorward_dsl.diagnostics import DoorwardError, ParseError
from doorward_dsl.format.layout import Layout
from doorward_dsl.format.module import module_text
from doorward_dsl.format.same import same_comments, same_module
from doorward_dsl.format.tests import WardPrinter
from doorward_dsl.format.writer import Work, Writer, run
from doorward_dsl.parse import parse_module
from doorward_dsl.source import Source
from doorward_dsl.syntax import Body, Expr, Literal, MaskTarget, Module, Rule, Statement, Term

__all__ = [
    "FormatError",
    "format_source",
    "print_body",
    "print_expr",
    "print_literal",
    "print_module",
    "print_rule",
    "print_statement",
    "print_target",
    "print_term",
]

_WIDTH = 110
"""Columns of a line that no user has broken."""


class FormatError(DoorwardError):
    """The canonical text of a file would not say the same as the file: a fault of the formatter, not of the file."""


def format_source(source: Source) -> str:
    """The text of a file in canonical form, with its comments.

    The text is parsed again, and handed out only if it says the same. Raises ParseError for a file that cannot be
    parsed, FormatError for one that cannot be formatted.
    """
    module = parse_module(source)
    text = module_text(module, Layout(source))
    try:
        again = parse_module(Source(source.name, text))
    except ParseError as error:
        raise FormatError(
            f"`{source.name}` cannot be formatted: its canonical form cannot be parsed"
        ) from error
    if not same_module(module, again):
        raise FormatError(f"`{source.name}` cannot be formatted: its canonical form would say something else")
    if not same_comments(module, again):
        raise FormatError(f"`{source.name}` cannot be formatted: a comment would be lost")
    return text


def print_module(module: Module) -> str:
    """A module as text: its annotations, and no other comments; lines that would be too long are broken."""
    return module_text(module, Layout(width=_WIDTH))


def print_rule(rule: Rule) -> str:
    """A rule with its `else` chain."""
    return _printed(lambda printer: printer.rule(rule))


def print_statement(statement: Statement) -> str:
    """A decision statement."""
    return _printed(lambda printer: printer.statement(statement))


def print_body(body: Body) -> str:
    """The expressions of a body, one a line."""
    return _printed(lambda printer: printer.body(body))


def print_literal(literal: Literal) -> str:
    """One expression with its `with` modifiers."""
    return _printed(lambda printer: printer.literal(literal))


def print_expr(expr: Expr) -> str:
    """One expression."""
    return _printed(lambda printer: printer.expression(expr))


def print_term(term: Term) -> str:
    """A term; of a resolved tree, with its variables as the user named them."""
    return _printed(lambda printer: printer.term(term))


def print_target(target: MaskTarget) -> str:
    """What a mask is for: `customers.ssn`, `$.user.email`, `content(card_number)`."""
    return _printed(lambda printer: printer.target(target))


def _printed(work: Callable[[WardPrinter], Work]) -> str:
    writer = Writer()
    run(work(WardPrinter(Layout(), writer)))
    return writer.text().rstrip("\n")
