"""Resolving rules and Ward statements, each in scopes of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.resolve.globals import Exports, ModuleNames, static_path
from doorward_dsl.resolve.metadata import RuleMetadata
from doorward_dsl.resolve.scopes import pattern_vars
from doorward_dsl.resolve.terms import Resolver
from doorward_dsl.source import Span
from doorward_dsl.syntax import (
    Approve,
    Body,
    Credential,
    Mask,
    MaskTarget,
    Rule,
    RuleHead,
    Scalar,
    Statement,
    Term,
    TermTarget,
    Var,
)

__all__ = ["resolve_rule", "resolve_statement"]


def resolve_rule(
    rule: Rule,
    names: ModuleNames,
    exported: Exports,
    metadata: Callable[[], RuleMetadata],
    report: list[Diagnostic],
) -> Rule:
    """A rule and its `else` chain, resolved; what is wrong with its names is appended to `report`.

    `metadata` is asked for the annotations in force where the rule itself asks for them.
    """
    chain: list[Rule] = []
    link: Rule | None = rule
    unused: dict[str, Span] | None = None
    while link is not None:
        resolver = Resolver(names, exported, report, metadata)
        resolved, idle = _resolve_link(link, rule.head, names.package, resolver)
        chain.append(resolved)
        unused = idle if unused is None else {name: span for name, span in unused.items() if name in idle}
        link = link.else_
    if not rule.default:
        for name, span in (unused or {}).items():
            hint = "use `_` for an argument that does not matter"
            report.append(
                Diagnostic(
                    "rego_compile_error",
                    f"unused argument `{name}`",
                    span,
                    "warning",
                    hint,
                    rule="unused-argument",
                )
            )
    whole = chain.pop()
    while chain:
        whole = replace(chain.pop(), else_=whole)
    return whole


def _resolve_link(
    link: Rule, first: RuleHead, package: tuple[str, ...], resolver: Resolver
) -> tuple[Rule, dict[str, Span]]:
    head = link.head
    heads = [*first.ref[1:], *(term for term in (head.key, head.value) if term is not None)]
    args = first.args
    resolver.open(link.body, heads, list(pattern_vars(*args)) if args else ())
    resolved_args = None if args is None else resolver.patterns(args)
    body = resolver.body(link.body)
    bound = [var.name for var in pattern_vars(*(resolved_args or ()))]
    terms, lifted = resolver.lift(resolver.terms(heads), body, bound)
    unused = resolver.close()
    rest = iter(terms)
    ref = _full_ref(first, package, tuple([next(rest) for _ in first.ref[1:]]))
    key = None if head.key is None else next(rest)
    value = None if head.value is None else next(rest)
    resolved_head = RuleHead(ref, resolved_args, key, value, head.assign, head.span)
    return replace(link, head=resolved_head, body=body + lifted, else_=None), unused


def _full_ref(head: RuleHead, package: tuple[str, ...], rest: tuple[Term, ...]) -> tuple[Term, ...]:
    span = head.ref[0].span
    prefix = tuple(Scalar(part, span) for part in (*package, *static_path(head.ref[:1])))
    return (Var("data", span), *prefix, *rest)


def resolve_statement(
    statement: Statement, names: ModuleNames, exported: Exports, report: list[Diagnostic]
) -> Statement:
    """A Ward statement with its condition, exception and head terms resolved.

    The exception (`unless`) is a scope inside of the condition's: it sees the condition's variables, and the variables
    that it alone uses are its own.
    """
    resolver = Resolver(names, exported, report)
    when: Body = statement.when or ()
    heads = _head_terms(statement)
    reason = statement.reason
    template = None if reason is None or isinstance(reason, str) else reason
    resolver.open(when, heads if template is None else (*heads, template))
    body = resolver.body(when)
    terms, lifted = resolver.lift(resolver.terms(heads), body)
    if template is not None:
        reason = resolver.term(template)
    unless = statement.unless
    if unless is not None:
        _, unless = resolver.scoped((), unless)
    resolver.close()
    body += lifted
    condition = None if statement.when is None and not body else body
    shared = replace(statement, reason=reason, when=condition, unless=unless)
    return _with_head_terms(shared, list(terms))


def _head_terms(statement: Statement) -> tuple[Term, ...]:
    if isinstance(statement, Mask):
        return tuple(target.term for target in statement.targets if isinstance(target, TermTarget))
    if isinstance(statement, Approve):
        return statement.groups
    if isinstance(statement, Credential) and statement.role is not None:
        return (statement.role,)
    return ()


def _with_head_terms(statement: Statement, terms: list[Term]) -> Statement:
    if isinstance(statement, Mask):
        rest = iter(terms)
        targets: list[MaskTarget] = [
            TermTarget(next(rest), target.span) if isinstance(target, TermTarget) else target
            for target in statement.targets
        ]
        return replace(statement, targets=tuple(targets))
    if isinstance(statement, Approve):
        return replace(statement, groups=tuple(terms))
    if isinstance(statement, Credential) and terms:
        return replace(statement, role=terms[0])
    return statement
