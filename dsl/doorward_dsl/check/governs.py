"""Which requests statements and annotated packages speak for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any, Final

from doorward_dsl.check.tree import is_global
from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.lex_ahead import VERBS
from doorward_dsl.parse_habits import STATEMENTS
from doorward_dsl.program import GovernedRule, GovernedStatement, Verb
from doorward_dsl.resolve.globals import static_path
from doorward_dsl.resolve.metadata import AnnotationIndex
from doorward_dsl.source import Span
from doorward_dsl.suggest import nearest
from doorward_dsl.syntax import (
    Allow,
    Annotations,
    Approve,
    Block,
    Call,
    Mask,
    Module,
    Ref,
    Rule,
    Scalar,
    Statement,
)
from doorward_dsl.walk import deep_terms, rule_chain, statement_terms

__all__ = ["ALL_KINDS", "check_kinds", "check_lookalikes", "governed_rules", "governed_statements"]

ALL_KINDS: Final = "*"

_LOOKALIKES: Final = {**STATEMENTS, **{verb: verb for verb in VERBS}}
"""Names of rules that were meant as statements, and those statements' verbs."""

_DEEPEST: Final = 32
"""Elements of a path that is read that are looked at."""

_VERBS: Final[dict[str, Verb]] = {
    "allow": "allow",
    "block": "block",
    "deny": "block",
    "mask": "mask",
    "approve": "approve",
    "credential": "credential",
}


def verb_of(statement: Statement) -> Verb:
    """The verb that a statement starts with."""
    if isinstance(statement, Allow):
        return "allow"
    if isinstance(statement, Block):
        return "block"
    if isinstance(statement, Mask):
        return "mask"
    return "approve" if isinstance(statement, Approve) else "credential"


def governed_statements(modules: Iterable[Module]) -> tuple[GovernedStatement, ...]:
    """Every statement of the modules with its id, sorted by package, file and place."""
    placed = [(module, statement) for module in modules for statement in module.statements]
    lines = Counter((module.package, statement.span.line) for module, statement in placed)
    found = []
    for module, statement in placed:
        package, line = ".".join(module.package), statement.span.line
        name = f"{package}:{line}"
        if lines[module.package, line] > 1:
            name = f"{package}:{line}:{statement.span.column}"
        found.append((name, module, statement))
    columns = Counter(name for name, _, _ in found)
    return tuple(
        GovernedStatement(
            id=name if columns[name] == 1 else f"{name}@{module.span.source.name}",
            verb=verb_of(statement),
            kinds=module.governs,
            statement=statement,
            package=module.package,
            span=statement.span,
        )
        for name, module, statement in found
    )


def governed_rules(modules: Iterable[Module], annotations: AnnotationIndex) -> tuple[GovernedRule, ...]:
    """The rules that take part in decisions because their package is annotated so."""
    found: dict[tuple[str, ...], GovernedRule] = {}
    for module in modules:
        kinds = _annotated_kinds(annotations.of_package(module.package))
        if not kinds:
            continue
        for rule in module.rules:
            verb = _governing_verb(rule, module)
            path = static_path(rule.head.ref)[1:]
            if verb is not None and path not in found:
                found[path] = GovernedRule(".".join(path), verb, kinds, path, rule.head.span)
    return tuple(found[path] for path in sorted(found))


def _governing_verb(rule: Rule, module: Module) -> Verb | None:
    path = static_path(rule.head.ref)[1:]
    plain = len(path) == len(module.package) + 1 == len(rule.head.ref) - 1
    return _VERBS.get(path[-1]) if plain and rule.head.args is None else None


def _annotated_kinds(annotations: Iterable[Annotations]) -> tuple[str, ...]:
    for one in annotations:
        governs = _stated(one)
        if isinstance(governs, list):
            return tuple(kind for kind in governs if isinstance(kind, str))
        if isinstance(governs, str):
            return (governs,)
    return ()


def _stated(one: Annotations) -> Any:
    custom = one.document.get("custom")
    return custom.get("governs") if isinstance(custom, dict) else None


def check_kinds(modules: Iterable[Module], known: Collection[str]) -> Iterator[Diagnostic]:
    """Kinds of request that do not exist, and statements in files that govern nothing."""
    for module in modules:
        if not module.governs:
            for statement in module.statements:
                hint = "say which requests the file is for, e.g. `governs postgres`, below the package"
                message = "decision statement in a file that governs nothing"
                yield Diagnostic("ward_governs_error", message, statement.span, hint=hint)
        for kind in module.governs:
            yield from _check_kind(kind, module.governs_span or module.package_span, known)
        for one in module.annotations:
            governs = _stated(one)
            kinds = governs if isinstance(governs, list) else [] if governs is None else [governs]
            for kind in kinds:
                yield from _check_kind(kind, one.span, known)


def check_lookalikes(modules: Sequence[Module], annotations: AnnotationIndex) -> Iterator[Diagnostic]:
    """Plain rules that look as if they decided something, where statements do; unless something reads them."""
    suspects: dict[tuple[str, ...], Rule] = {}
    for module in modules:
        if module.governs and not _annotated_kinds(annotations.of_package(module.package)):
            place = len(module.package) + 1
            for rule in module.rules:
                path = static_path(rule.head.ref)[: place + 1]
                if len(path) > place and path[place] in _LOOKALIKES:
                    suspects.setdefault(path, rule)
    if suspects:
        for path in suspects.keys() - _read(modules):
            name = path[-1]
            hint = f'a statement is written `{_LOOKALIKES[name]} "reason" if …`'
            message = f"`{name}` is a plain rule here, and decides nothing"
            yield Diagnostic("ward_governs_error", message, suspects[path].head.span, "warning", hint)


def _read(modules: Iterable[Module]) -> set[tuple[str, ...]]:
    """What the modules read by name, and every path on the way."""
    found: set[tuple[str, ...]] = set()
    for module in modules:
        heads = [term for statement in module.statements for term in statement_terms(statement)]
        bodies = [body for one in module.statements for body in (one.when, one.unless) if body]
        for rule in module.rules:
            for link in rule_chain(rule):
                heads += [term for term in (link.head.key, link.head.value) if term is not None]
                bodies.append(link.body)
        for term in deep_terms(*heads, bodies=bodies):
            if isinstance(term, Call):
                found.add(term.name)
            elif isinstance(term, Ref) and is_global(term):
                names = takewhile(lambda part: isinstance(part, Scalar), term.path)
                whole = ("data", *(str(part.value) for part in names if isinstance(part, Scalar)))
                found.update(whole[:length] for length in range(2, min(len(whole), _DEEPEST) + 1))
    return found


def _check_kind(kind: Any, span: Span, known: Collection[str]) -> Iterator[Diagnostic]:
    if kind == ALL_KINDS or not known or kind in known:
        return
    near = nearest(str(kind), known)
    listed = ", ".join(f"`{name}`" for name in sorted(known))
    hint = f"did you mean `{near}`?" if near else f"known are {listed}, and `*` for all"
    yield Diagnostic("ward_governs_error", f"unknown kind of request `{kind}`", span, hint=hint)
