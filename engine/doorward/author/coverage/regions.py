"""The parts of policies that a run may reach: every expression of every body, and what each rule and statement says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from doorward_dsl.program import Program
from doorward_dsl.source import Span
from doorward_dsl.syntax import Body, Literal, Module, Rule, Statement, Term
from doorward_dsl.walk import deep_nodes, head_terms, rule_chain, statement_terms

__all__ = ["Key", "head_span", "is_test_file", "key_of", "regions_of"]

Key: TypeAlias = tuple[str, int, int]
"""The file of a region and where it begins and ends, in characters: the same in every program made of the text."""

_TAIL: Final = re.compile(r"(?:\s|\{|\bif\b|\bunless\b)+\Z")
_TEST_NAME: Final = re.compile(r"(?:^|\.)(?:todo_)?test_")


def key_of(span: Span) -> Key:
    """What a place is known by."""
    return span.source.name, span.start, span.end


def is_test_file(module: Module) -> bool:
    """Whether a file is there for tests: its name or its package ends in `_test`."""
    stem = module.span.source.name.rpartition(".")[0]
    return stem.endswith("_test") or bool(module.package and module.package[-1].endswith("_test"))


def head_span(what: Rule | Statement) -> Span:
    """What a rule or a statement says, without its condition."""
    if isinstance(what, Rule):
        bodies: list[Body] = [what.body]
        ends = [what.else_.span.start] if what.else_ is not None else []
    else:
        bodies = [what.when or (), what.unless or ()]
        ends = []
    start = what.span.start
    ends += [literal.span.start for body in bodies for literal in body if literal.span.start > start]
    end = min(ends, default=what.span.end)
    text = what.span.source.text[start:end]
    tail = _TAIL.search(text) if end < what.span.end else None
    return Span(what.span.source, start, start + (tail.start() if tail is not None else len(text)))


def regions_of(program: Program) -> dict[Key, tuple[Span, bool]]:
    """Every region of a program that tests should reach, with its place and whether it is a head."""
    found: dict[Key, tuple[Span, bool]] = {}
    for module in program.modules:
        if is_test_file(module):
            continue
        for span, head in _of_module(module):
            if span.end > span.start:
                found.setdefault(key_of(span), (span, head))
    return found


def _of_module(module: Module) -> Iterator[tuple[Span, bool]]:
    for rule in module.rules:
        if _is_test(rule):
            continue
        for link in rule_chain(rule):
            yield head_span(link), True
            yield from _of_bodies(head_terms(link.head), [link.body])
    for statement in module.statements:
        yield head_span(statement), True
        bodies = [body for body in (statement.when, statement.unless) if body]
        yield from _of_bodies(statement_terms(statement), bodies)


def _is_test(rule: Rule) -> bool:
    names = [getattr(term, "value", getattr(term, "name", "")) for term in rule.head.ref]
    return any(isinstance(name, str) and _TEST_NAME.match(name) for name in names)


def _of_bodies(terms: Iterable[Term], bodies: Iterable[Body]) -> Iterator[tuple[Span, bool]]:
    for node in deep_nodes(*terms, bodies=bodies):
        if isinstance(node, Literal):
            yield node.span, False
