"""Ward as plain Rego: every statement is a rule of a set, every exception an auxiliary rule.

    block "R" if C             block contains {"id": …, "reason": "R"} if C
    mask T with M unless C     mask contains {"id": …, "target": "T", "with": …} if not C
    … unless { C1; C2 }        … if not unless_17(x)        unless_17(x) if { C1; C2 }
    governs postgres           custom: {governs: [postgres]}, as metadata of the package

The trees are as `parse_module` makes them, so they can be printed, and compiled again: the test of a translation is that
it decides as the original does. The shapes of the objects are those that a governed Rego rule gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from doorward_dsl.check.bindings import variables
from doorward_dsl.plain import Plain
from doorward_dsl.program import GovernedStatement, Program
from doorward_dsl.source import Span
from doorward_dsl.syntax import (
    Annotations,
    Approve,
    Array,
    Body,
    Call,
    ContentTarget,
    Credential,
    ExprTerm,
    FieldTarget,
    JsonPathTarget,
    Literal,
    Mask,
    Masker,
    MaskTarget,
    Module,
    Not,
    Object,
    Ref,
    Rule,
    RuleHead,
    Scalar,
    Set,
    Term,
    TermTarget,
    Var,
)
from doorward_dsl.walk import deep_terms

__all__ = ["target_text", "translate"]


def translate(program: Program) -> tuple[Module, ...]:
    """The `.ward` modules of a program as plain Rego, in the program's order."""
    names: dict[tuple[str, ...], set[str]] = {}
    kinds: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for path in program.rules:
        names.setdefault(path[:-1], set()).add(path[-1])
    for module in program.modules:
        names.setdefault(module.package, set())
        kinds.setdefault(module.package, set()).add(tuple(sorted(module.governs)))
    statements = {governed.statement: governed for governed in program.statements}
    annotated: set[tuple[str, ...]] = set()
    translated = []
    for module in program.modules:
        if module.span.source.dialect != "ward":
            continue
        governs = sorted({kind for combination in kinds[module.package] for kind in combination})
        if "*" in governs:
            governs = ["*"]
        guard = module.governs if len(kinds[module.package]) > 1 and "*" not in module.governs else ()
        rules = [_Translator(module, names[module.package]).rule(rule) for rule in module.rules]
        for statement in module.statements:
            translator = _Translator(module, names[module.package])
            rules += translator.statement(statements[statement], guard)
        annotations = module.annotations
        if module.governs and module.package not in annotated:
            annotated.add(module.package)
            annotations = _annotate(module, governs)
        translated.append(
            replace(
                module,
                governs=(),
                governs_span=None,
                rules=tuple(rules),
                statements=(),
                tests=(),
                givens=(),
                annotations=annotations,
            )
        )
    return tuple(translated)


class _Translator:
    """Translates one rule or statement."""

    def __init__(self, module: Module, taken: set[str]) -> None:
        self._package = module.package
        self._taken = taken
        self._plain = Plain(module.package, taken)

    def rule(self, rule: Rule) -> Rule:
        """A rule as it would be written in its package."""
        return self._plain.rule(rule)

    def statement(self, governed: GovernedStatement, guard: tuple[str, ...]) -> Iterator[Rule]:
        """The rules that a statement stands for: one for each target of a mask, and one for its exception."""
        statement = governed.statement
        span = statement.span
        plain = self._plain
        body: list[Literal] = list(plain.body(statement.when or ()))
        if guard:
            body.insert(0, _guard(guard, span))
        if statement.unless is not None:
            exception, auxiliary = self._exception(statement.unless, statement.when or (), span)
            body.append(exception)
            if auxiliary is not None:
                yield auxiliary
        for fields in self._fields(governed):
            key = Object(tuple((Scalar(name, span), value) for name, value in sorted(fields.items())), span)
            head = RuleHead((Var(governed.verb, span),), None, key, None, True, span)
            yield Rule(head, tuple(body), None, False, span, statement.annotations)

    def _exception(self, unless: Body, when: Body, span: Span) -> tuple[Literal, Rule | None]:
        """The line that an exception adds, and the rule that the line negates if it needs one."""
        bound = set().union(*(variables(literal) for literal in when)) if when else set()
        plain = self._plain.body(unless)
        if (
            len(unless) == 1
            and isinstance(unless[0].expr, ExprTerm)  # Rego has no `not every`
            and variables(unless[0]) <= bound
        ):
            return Literal(Not(plain[0].expr, span), plain[0].withs, span), None
        used = {term.name for term in deep_terms(bodies=[unless]) if isinstance(term, Var)}
        shared = sorted(self._plain.name(name) for name in used & bound)
        name = self._auxiliary_name(span)
        args = tuple(Var(one, span) for one in shared)
        head = RuleHead((Var(name, span),), args or None, None, None, True, span)
        test: Term = Call((name,), args, span, span) if args else Var(name, span)
        line = Literal(Not(ExprTerm(test, span), span), (), span)
        return line, Rule(head, plain, None, False, span)

    def _auxiliary_name(self, span: Span) -> str:
        name = base = f"unless_{span.line}"
        number = 1
        while name in self._taken:
            number += 1
            name = f"{base}_{number}"
        self._taken.add(name)
        return name

    def _fields(self, governed: GovernedStatement) -> Iterator[dict[str, Term]]:
        """The members of each object that a statement adds to the set of its verb."""
        statement = governed.statement
        span = statement.span
        fields: dict[str, Term] = {"id": Scalar(governed.id, span)}
        if isinstance(statement.reason, str):
            fields["reason"] = Scalar(statement.reason, span)
        elif statement.reason is not None:
            fields["reason"] = self._plain.term(statement.reason)
        if isinstance(statement, Mask):
            masker = _masker(statement.masker, span)
            for target in statement.targets:
                yield fields | {"target": self._target(target), "with": masker}
            return
        if isinstance(statement, Approve):
            fields["by"] = Array(tuple(self._plain.term(group) for group in statement.groups), span)
            if statement.within_ms is not None:
                fields["within_ms"] = Scalar(statement.within_ms, span)
        elif isinstance(statement, Credential):
            fields["single_use"] = Scalar(statement.single_use, span)
            if statement.ttl_ms is not None:
                fields["ttl_ms"] = Scalar(statement.ttl_ms, span)
            if statement.role is not None:
                fields["as"] = self._plain.term(statement.role)
        yield fields

    def _target(self, target: MaskTarget) -> Term:
        if isinstance(target, TermTarget):
            return self._plain.term(target.term)
        return Scalar(target_text(target), target.span)


def target_text(target: FieldTarget | JsonPathTarget | ContentTarget) -> str:
    """A mask target as text: `customers.ssn`, `$.items[*].card`, `content(card_number)`."""
    if isinstance(target, FieldTarget):
        return ".".join(target.parts)
    if isinstance(target, ContentTarget):
        return f"content({target.detector})"
    text = "$"
    for step in target.steps:
        if step == "*":
            text += "[*]"
        elif isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if step.isidentifier() else f'["{step}"]'
    return text


def _masker(masker: Masker | None, span: Span) -> Term:
    if masker is None or not masker.args:
        return Scalar("redact" if masker is None else masker.name, span)
    args = Array(tuple(Scalar(arg, span) for arg in masker.args), span)
    return Object(((Scalar("args", span), args), (Scalar("masker", span), Scalar(masker.name, span))), span)


def _guard(kinds: tuple[str, ...], span: Span) -> Literal:
    """`input.resource.kind in {…}`: for files of one package that govern different kinds."""
    kind = Ref(Var("input", span), (Scalar("resource", span), Scalar("kind", span)), span)
    among = Set(tuple(Scalar(name, span) for name in sorted(kinds)), span)
    return Literal(ExprTerm(Call(("internal", "member_2"), (kind, among), span, span), span), (), span)


def _annotate(module: Module, governs: list[str]) -> tuple[Annotations, ...]:
    """The annotations of a module, with what it governs in those of its package."""
    own: dict[str, Any] = {}
    others = []
    for one in module.annotations:
        if one.scope == "package":
            own |= one.document
        else:
            others.append(one)
    custom = own.get("custom")
    own["custom"] = {**(custom if isinstance(custom, dict) else {}), "governs": governs}
    return (*others, Annotations("package", own, module.package_span))
