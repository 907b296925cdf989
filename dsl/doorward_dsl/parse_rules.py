"""Builder methods for packages, imports and rules, and what Rego v1 requires of them beyond the grammar."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from doorward_dsl.lex import KEYWORDS, Token
from doorward_dsl.parse_bodies import BodyBuilder
from doorward_dsl.parse_habits import NAMES
from doorward_dsl.parse_terms import kind_of
from doorward_dsl.signatures import signatures
from doorward_dsl.source import Span
from doorward_dsl.suggest import near_miss
from doorward_dsl.syntax import (
    Array,
    Body,
    Call,
    Import,
    Literal,
    Object,
    Ref,
    Rule,
    RuleHead,
    Scalar,
    Set,
    Template,
    Term,
    Var,
)

__all__ = ["Package", "RuleBuilder"]


@dataclass(frozen=True, slots=True)
class Package:
    """`package a.b`."""

    path: tuple[str, ...]
    span: Span


_Body: TypeAlias = "tuple[Body, int, int]"
"""The expressions of a rule body, where it begins, and where it ends."""

_Else: TypeAlias = "tuple[Token, bool, Term | None, Body, int]"
"""`else`, whether `:=`, the value, the body, and where it ends."""

_IMPORT_ROOTS = ("data", "input", "future", "rego")
_FUTURE = ("and", "contains", "every", "if", "in", "not", "or")


class RuleBuilder(BodyBuilder):
    """Makes what stands at the top level of a Rego file."""

    # --- package and imports ---------------------------------------------------------------------------------

    def package(self, word: Token, path: Term) -> Package:
        return Package(self._path(path), Span(self.source, word.start, path.span.end))

    def _path(self, term: Term) -> tuple[str, ...]:
        if isinstance(term, Var):
            return (term.name,)
        if not isinstance(term, Ref) or not isinstance(term.head, Var):
            hint = "write the path without quotes" if isinstance(term, Scalar) else None
            raise self.refuse(
                f"unexpected {kind_of(term)}: expected a path such as `acme.users`", term.span, hint
            )
        path = [term.head.name]
        for part in term.path:
            if not isinstance(part, Scalar) or not isinstance(part.value, str):
                raise self.refuse(f"unexpected {kind_of(part)} in a path: expected a string", part.span)
            path.append(part.value)
        return tuple(path)

    def import_plain(self, word: Token, ref: Term) -> Import:
        path = self._import_path(ref)
        name = path[-1]
        if path[0] != "future" and (name.upper() in _KEYWORD_KINDS and name == name.lower()):
            raise self.refuse(
                f"unexpected import path, must not end with a keyword, got: `{name}`",
                ref.span,
                "import a different path or use an alias",
            )
        return Import(ref, None, Span(self.source, word.start, ref.span.end))

    def import_as(self, word: Token, ref: Term, _as: Token, alias: Token) -> Import:
        path = self._import_path(ref)
        span = self.span(alias.start, alias.end)
        if path[0] in ("future", "rego"):
            raise self.refuse(f"`{path[0]}` imports cannot be aliased", span)
        if alias.text in ("data", "input"):
            raise self.refuse(
                f"unexpected import alias, must not be a reserved name, got: `{alias.text}`", span
            )
        return Import(ref, alias.text, Span(self.source, word.start, alias.end))

    def _import_path(self, ref: Term) -> tuple[str, ...]:
        path = self._path(ref)
        if path[0] not in _IMPORT_ROOTS:
            raise self.refuse(
                f"unexpected import path, must begin with one of: {{data, future, input, rego}}, got: `{path[0]}`",
                ref.span,
                f"did you mean `data.{'.'.join(path)}`?",
            )
        if path[0] == "rego" and path[1:] not in (("v1",), ("v2",)):
            raise self.refuse(f"invalid import `{'.'.join(path)}`, must be `rego.v1` or `rego.v2`", ref.span)
        if path[0] == "future":
            if path[1:2] != ("keywords",):
                raise self.refuse("invalid import, must be `future.keywords`", ref.span)
            if len(path) > 2 and path[2] not in _FUTURE:
                raise self.refuse(f"unexpected keyword, must be one of {', '.join(_FUTURE)}", ref.span)
        return path

    # --- heads -----------------------------------------------------------------------------------------------

    def head_bare(self, name: Term) -> RuleHead:
        return self._head(name, name.span.end)

    def head_value(self, name: Term, mark: Token, value: Term) -> RuleHead:
        return self._head(name, value.span.end, value=value, assign=mark.kind == "ASSIGN")

    def head_contains(self, name: Term, mark: Token, key: Term) -> RuleHead:
        if isinstance(name, Call):
            raise self.refuse(
                "the contains keyword can only be used with multi-value rule definitions",
                self.span(mark.start, mark.end),
                "a function has one value: write `:=` and a set",
            )
        return self._head(name, key.span.end, key=key)

    def _head(
        self, name: Term, end: int, *, key: Term | None = None, value: Term | None = None, assign: bool = True
    ) -> RuleHead:
        span = Span(self.source, name.span.start, end)
        args = None
        ref: tuple[Term, ...]
        if id(name) in self.parenthesized:
            raise self.refuse("a rule's name cannot stand in parentheses", name.span)
        if isinstance(name, Call):
            place = name.name_span
            ref = (Var(name.name[0], Span(self.source, place.start, place.start + len(name.name[0]))),)
            ref += tuple(Scalar(part, place) for part in name.name[1:])
            args = name.args
        elif isinstance(name, Var):
            ref = (name,)
            if name.name in KEYWORDS:
                raise self.refuse(f"{name.name} keyword cannot be used for rule name", name.span)
        elif isinstance(name, Ref) and isinstance(name.head, Var):
            ref = (name.head, *name.path)
        elif isinstance(name, Ref):
            raise self.refuse("a rule's name cannot continue after its arguments", name.span)
        else:
            raise self.refuse(
                f"{kind_of(name)} cannot be used for rule name",
                name.span,
                "expected a rule, such as `allow if …`",
            )
        return RuleHead(ref, args, key, value, assign, span)

    # --- rules -----------------------------------------------------------------------------------------------

    def rule_plain(self, head: RuleHead) -> list[Rule]:
        if head.key is None and head.value is None and not head.args:
            if head.args is None and len(head.ref) == 2:
                raise self.refuse(
                    "`contains` keyword is required for partial set rules",
                    head.span,
                    f"write `{self._name(head)} contains …` for a set, or give a value with `:=`",
                )
            what = "rule" if head.args is None else "function"
            raise self.refuse(
                f"{what} must have value assignment and/or body declaration",
                head.span,
                NAMES.get(self._name(head))
                or near_miss(self._name(head), ("package", "import", "default"))
                or "write `:=` and a value, or `if` and a condition",
            )
        if head.args and head.value is None and (name := _dotted(head)) in signatures():
            message = f"rule name conflicts with built-in function `{name}`"
            hint = "a call stands in the body of a rule; a function of yours gets a value with `:=`"
            raise self.refuse(message, head.span, hint)
        return [Rule(head, (), None, False, head.span)]

    def default_rule(self, word: Token, head: RuleHead) -> list[Rule]:
        span = Span(self.source, word.start, head.span.end)
        if head.value is not None:
            self._constant(head.value)
        elif head.key is not None or (head.args is None and len(head.ref) == 2):
            raise self.refuse(
                "illegal default rule (must have a value)", span, "write `default allow := false`"
            )
        seen: set[str] = set()
        for arg in head.args or ():
            if not isinstance(arg, Var):
                raise self.refuse(f"illegal default rule (arguments cannot contain {kind_of(arg)})", arg.span)
            if arg.name in seen:
                raise self.refuse(
                    f"illegal default rule (arguments cannot be repeated `{arg.name}`)", arg.span
                )
            if arg.name != "_":
                seen.add(arg.name)
        return [Rule(head, (), None, True, span)]

    def _constant(self, value: Term) -> None:
        if isinstance(value, Var | Ref | Call):
            raise self.refuse(
                f"illegal default rule (value cannot contain {kind_of(value)})",
                value.span,
                "a default is a constant; compute the value in a rule with a condition",
            )
        children: tuple[Term, ...] = ()
        if isinstance(value, Array | Set):
            children = value.items
        elif isinstance(value, Object):
            children = tuple(term for pair in value.pairs for term in pair)
        elif isinstance(value, Template):
            children = tuple(part for part in value.parts if not isinstance(part, str | Literal))
        for child in children:
            self._constant(child)

    def body_literal(self, word: Token, literal: Literal) -> _Body:
        return (literal,), word.start, literal.span.end

    def body_block(self, word: Token, block: tuple[Body, int]) -> _Body:
        body, end = block
        return body, word.start, end

    def body_bare(self, block: tuple[Body, int]) -> _Body:
        body, end = block
        raise self.refuse(
            "`if` keyword is required before rule body",
            Span(self.source, body[0].span.start, end),
            "write `if {` where the body begins",
        )

    def rule_body(self, head: RuleHead, body: _Body) -> list[Rule]:
        literals, _start, end = body
        return [Rule(head, literals, None, False, Span(self.source, head.span.start, end))]

    def rule_chain(self, head: RuleHead, body: _Body, blocks: list[tuple[Body, int]]) -> list[Rule]:
        rules = self.rule_body(head, body)
        rules.extend(
            Rule(head, literals, None, False, Span(self.source, literals[0].span.start, end))
            for literals, end in blocks
        )
        return rules

    def rule_else(self, head: RuleHead, body: _Body, elses: list[_Else]) -> list[Rule]:
        word = elses[0][0]
        if head.key is not None:
            raise self.refuse(
                "else keyword cannot be used on multi-value rules", self.span(word.start, word.end)
            )
        if any(isinstance(part, Var | Ref) for part in head.ref[1:]):
            raise self.refuse(
                "else keyword cannot be used on rules with variables in head", self.span(word.start, word.end)
            )
        chain: Rule | None = None
        for mark, assign, value, literals, end in reversed(elses):
            span = Span(self.source, mark.start, end)
            own = replace(head, value=value, assign=assign, span=span)
            chain = Rule(own, literals, chain, False, span)
        literals, _start, _end = body
        return [Rule(head, literals, chain, False, Span(self.source, head.span.start, elses[-1][4]))]

    def else_body(self, word: Token, body: _Body) -> _Else:
        literals, _start, end = body
        return word, True, None, literals, end

    def else_value(self, word: Token, mark: Token, value: Term) -> _Else:
        return word, mark.kind == "ASSIGN", value, (), value.span.end

    def else_value_body(self, word: Token, mark: Token, value: Term, body: _Body) -> _Else:
        literals, _start, end = body
        return word, mark.kind == "ASSIGN", value, literals, end

    def _name(self, head: RuleHead) -> str:
        first = head.ref[0]
        return first.name if isinstance(first, Var) else first.span.text


def _dotted(head: RuleHead) -> str:
    """The whole name of a function."""
    parts = [part.value for part in head.ref[1:] if isinstance(part, Scalar)]
    return ".".join([head.ref[0].name if isinstance(head.ref[0], Var) else "", *map(str, parts)])


_KEYWORD_KINDS = frozenset(KEYWORDS.values())
