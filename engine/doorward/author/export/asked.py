"""The generated module of an export: which rules take part in decisions on which kinds of request, and where they stand."""

from __future__ import annotations

from doorward_dsl import NOWHERE, Module, Program
from doorward_dsl.program import GovernedRule
from doorward_dsl.syntax import (
    Call,
    ExprTerm,
    Literal,
    Object,
    Ref,
    Rule,
    RuleHead,
    Scalar,
    Set,
    Term,
    Var,
)

__all__ = ["export_module"]

_MEMBER = ("internal", "member_2")


def export_module(program: Program, exported: Program, kinds: tuple[str, ...]) -> Module:
    """Package `doorward.export`: `asked`, `kinds` and `places`, of a program and its translation."""
    places = {_text(one.id): _text(str(one.span)) for one in program.statements}
    own = {rule.path: rule for rule in program.governed_rules}
    rules = [
        _constant("kinds", Set(tuple(_text(kind) for kind in kinds), NOWHERE)),
        _constant("places", Object(tuple(places.items()), NOWHERE)),
    ]
    rules += [_asked(rule, own.get(rule.path)) for rule in exported.governed_rules]
    return Module(("doorward", "export"), NOWHERE, (), (), None, tuple(rules), (), (), (), (), NOWHERE)


def _constant(name: str, value: Term) -> Rule:
    head = RuleHead((Var(name, NOWHERE),), None, None, value, True, NOWHERE)
    return Rule(head, (), None, False, NOWHERE)


def _asked(rule: GovernedRule, own: GovernedRule | None) -> Rule:
    """What a rule says, for the kinds that it governs."""
    value = Ref(Var("data", NOWHERE), tuple(_text(part) for part in rule.path), NOWHERE)
    fields: dict[str, Term] = {
        "verb": _text(rule.verb),
        "id": _text(rule.id),
        "place": _text(str((own or rule).span)),
        "value": value,
    }
    member = Object(tuple((_text(name), term) for name, term in fields.items()), NOWHERE)
    head = RuleHead((Var("asked", NOWHERE),), None, member, None, True, NOWHERE)
    body: tuple[Literal, ...] = ()
    if "*" not in rule.kinds:
        kind = Ref(Var("input", NOWHERE), (_text("resource"), _text("kind")), NOWHERE)
        among = Set(tuple(_text(name) for name in rule.kinds), NOWHERE)
        test = Call(_MEMBER, (kind, among), NOWHERE, NOWHERE)
        body = (Literal(ExprTerm(test, NOWHERE), (), NOWHERE),)
    return Rule(head, body, None, False, NOWHERE)


def _text(value: str) -> Scalar:
    return Scalar(value, NOWHERE)
