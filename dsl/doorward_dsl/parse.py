"""Policy text to syntax tree.

`parse_module` reads a file statement by statement, so that one mistake does not hide the next; all errors are raised
together. The stages: `lex` (words) → `lex_layout` (statements) → the LALR(1) table (`parse_table`) → builder methods
(`parse_terms`, `parse_rules`, `parse_ward`, `parse_tests`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from doorward_dsl.annotations import attach
from doorward_dsl.diagnostics import Diagnostic, ParseError
from doorward_dsl.lex import Lexed, Token, lex
from doorward_dsl.lex_ahead import Features
from doorward_dsl.lex_layout import Statement, query, statements
from doorward_dsl.parse_errors import explain, explain_trouble
from doorward_dsl.parse_rules import Package
from doorward_dsl.parse_table import Unexpected, bind, run
from doorward_dsl.parse_terms import Refused
from doorward_dsl.parse_tests import TestBuilder
from doorward_dsl.parse_ward import Governs
from doorward_dsl.source import Source, Span
from doorward_dsl.syntax import Body, Given, Import, Module, Rule, TestBlock
from doorward_dsl.syntax import Statement as DecisionStatement

__all__ = ["parse_module", "parse_query"]

_MAX_DIAGNOSTICS = 100
_MAX_RETRIES = 32
"""How often a `|` that looked like a comprehension may turn out to be a union, per statement."""


def parse_module(source: Source) -> Module:
    """The syntax tree of one policy file. Raises ParseError with every error that could be found."""
    lexed = lex(source)
    errors = list(lexed.diagnostics)
    ward = source.dialect == "ward"
    features = Features(ward, ward and _has_governs(lexed.tokens), _imported_logic(lexed.tokens))
    parser = _Parser(source, features.logic)
    parsed = _Parts()
    for statement in statements(source.text, lexed.tokens, features):
        try:
            parsed.add(parser.parse(statement, "statement"))
        except Refused as refusal:
            if not any(statement.start <= unread.span.start < statement.end for unread in lexed.diagnostics):
                errors.append(refusal.diagnostic)
            if len(errors) >= _MAX_DIAGNOSTICS:
                break
    module = parsed.module(source, lexed, errors)
    if errors or module is None:
        raise ParseError(errors)
    return module


def parse_query(text: str, name: str = "<query>") -> Body:
    """The expressions of a Rego query, such as `data.test.p = x; input.y`. Raises ParseError."""
    source = Source(name, text)
    lexed = lex(source)
    errors = list(lexed.diagnostics)
    if not lexed.tokens and not errors:
        errors.append(Diagnostic("rego_parse_error", "the query is empty", Span(source, 0, 0)))
    if not errors:
        try:
            body: Body = _Parser(source).parse(query(text, lexed.tokens), "query")
            return body
        except Refused as refusal:
            errors.append(refusal.diagnostic)
    raise ParseError(errors)


class _Parser:
    """One source on its way through the table."""

    def __init__(self, source: Source, logic: frozenset[str] = frozenset()) -> None:
        self.source = source
        self.methods: list[Callable[..., Any]] = bind(TestBuilder(source, logic))

    def parse(self, statement: Statement, start: str) -> Any:
        """The node of one statement. Raises Refused."""
        if statement.trouble is not None:
            raise Refused(explain_trouble(self.source, *statement.trouble))
        tokens = statement.tokens
        last = tokens[-1].end if tokens else len(self.source.text)
        end = Token("$END", "", last, last, False, True)
        first: Unexpected | None = None
        for _ in range(_MAX_RETRIES):
            try:
                return run(tokens, end, start, self.methods)
            except Unexpected as unexpected:
                first = first or unexpected
                bar = _last_bar(statement, unexpected.token)
                if bar is None:
                    break
                bar.kind = "INFIX"
        if first is None:
            raise AssertionError("the loop ends by a value or an error")
        raise Refused(explain(self.source, statement, first))


def _last_bar(statement: Statement, token: Token) -> Token | None:
    """The last `|` before a token that was taken for a comprehension's and, by a comma after it, may be a union's."""
    for comma, bar in reversed(statement.bars.items()):
        if comma <= token.start and bar.kind == "BAR":
            return bar
    return None


class _Parts:
    """The statements of a file, sorted by what they are."""

    def __init__(self) -> None:
        self.packages: list[Package] = []
        self.imports: list[Import] = []
        self.governs: list[Governs] = []
        self.rules: list[Rule] = []
        self.statements: list[DecisionStatement] = []
        self.tests: list[TestBlock] = []
        self.givens: list[Given] = []
        self.first: Any = None

    def add(self, node: Any) -> None:
        """Take one parsed statement."""
        if self.first is None:
            self.first = node
        if isinstance(node, list):
            self.rules.extend(node)
        elif isinstance(node, Package):
            self.packages.append(node)
        elif isinstance(node, Import):
            self.imports.append(node)
        elif isinstance(node, Governs):
            self.governs.append(node)
        elif isinstance(node, TestBlock):
            self.tests.append(node)
        elif isinstance(node, Given):
            self.givens.append(node)
        else:
            self.statements.append(node)

    def module(self, source: Source, lexed: Lexed, errors: list[Diagnostic]) -> Module | None:
        """The file as a whole; adds to `errors` what is wrong with it as a whole."""
        whole = Span(source, 0, len(source.text))
        if not self.packages:
            if not errors:
                at = self._span(self.first) if self.first is not None else Span(source, 0, 0)
                message = "package expected" if self.first is not None else "empty module"
                hint = "a file begins with its package, such as `package acme.users`"
                errors.append(Diagnostic("rego_parse_error", message, at, hint=hint))
            return None
        if not isinstance(self.first, Package) and not errors:
            hint = "the package is the first statement of a file"
            errors.append(
                Diagnostic("rego_parse_error", "package expected", self._span(self.first), hint=hint)
            )
        for extra in self.packages[1:]:
            notes = (("the first package is here", self.packages[0].span),)
            errors.append(Diagnostic("rego_parse_error", "unexpected package", extra.span, notes=notes))
        for more in self.governs[1:]:
            hint = "name all kinds in one line: `governs postgres, http`"
            errors.append(Diagnostic("rego_parse_error", "`governs` stands twice", more.span, hint=hint))
        package = self.packages[0]
        governs = self.governs[0] if self.governs else None
        module = Module(
            package.path,
            package.span,
            tuple(self.imports),
            governs.kinds if governs else (),
            governs.span if governs else None,
            tuple(self.rules),
            tuple(self.statements),
            tuple(self.tests),
            tuple(lexed.comments),
            (),
            whole,
            tuple(self.givens),
        )
        return attach(module, errors)

    def _span(self, node: Any) -> Span:
        span: Span = node[0].span if isinstance(node, list) else node.span
        return span


def _has_governs(tokens: list[Token]) -> bool:
    for at, token in enumerate(tokens[:-1]):
        if token.text == "governs" and (at == 0 or token.line_start):
            following = tokens[at + 1]
            if following.text == "*" or (following.kind == "IDENT" and not following.line_start):
                return True
    return False


_LOGIC = frozenset(("and", "or", "not"))
_IMPORTS_LOGIC: dict[tuple[str, ...], frozenset[str]] = {
    ("rego", ".v2"): _LOGIC,
    ("future", ".keywords"): _LOGIC,
    **{("future", ".keywords", f".{word}"): frozenset((word,)) for word in _LOGIC},
}


def _imported_logic(tokens: list[Token]) -> frozenset[str]:
    """Which of the newer keywords `and`, `or` and `not` (before a body) the file imports."""
    found: frozenset[str] = frozenset()
    for at, token in enumerate(tokens):
        if token.kind == "IMPORT" and at + 1 < len(tokens) and tokens[at + 1].text in ("rego", "future"):
            end = at + 2
            while end < len(tokens) and tokens[end].kind == "ATTR":
                end += 1
            found |= _IMPORTS_LOGIC.get(tuple(part.text for part in tokens[at + 1 : end]), frozenset())
    return found
