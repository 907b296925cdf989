"""Which requests statements and annotated packages speak for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from doorward_dsl.check.changes import Key
from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.lex_ahead import VERBS
from doorward_dsl.parse_habits import STATEMENTS
from doorward_dsl.program import GovernedRule, GovernedStatement, Path, Verb
from doorward_dsl.resolve.globals import static_path
from doorward_dsl.resolve.metadata import AnnotationIndex
from doorward_dsl.source import Span
from doorward_dsl.suggest import nearest
from doorward_dsl.syntax import (
    Allow,
    Annotations,
    Approve,
    Block,
    Mask,
    Module,
    Rule,
    Statement,
)

__all__ = [
    "ALL_KINDS",
    "check_kinds",
    "check_lookalikes",
    "governed_rules",
    "governed_statements",
    "lookalikes",
]

ALL_KINDS: Final = "*"

_LOOKALIKES: Final = {**STATEMENTS, **{verb: verb for verb in VERBS}}
"""Names of rules that were meant as statements, and those statements' verbs."""

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


def governed_statements(modules: Sequence[Module]) -> Mapping[Module, tuple[GovernedStatement, ...]]:
    """Every statement of the modules of one package with its id."""
    placed = [(module, statement) for module in modules for statement in module.statements]
    lines = Counter((module.package, statement.span.line) for module, statement in placed)
    named = []
    for module, statement in placed:
        package, line = ".".join(module.package), statement.span.line
        name = f"{package}:{line}"
        if lines[module.package, line] > 1:
            name = f"{package}:{line}:{statement.span.column}"
        named.append((name, module, statement))
    columns = Counter(name for name, _, _ in named)
    found: dict[Module, list[GovernedStatement]] = {module: [] for module in modules}
    for name, module, statement in named:
        found[module].append(
            GovernedStatement(
                id=name if columns[name] == 1 else f"{name}@{module.span.source.name}",
                verb=verb_of(statement),
                kinds=module.governs,
                statement=statement,
                package=module.package,
                span=statement.span,
            )
        )
    return {module: tuple(statements) for module, statements in found.items()}


def governed_rules(modules: Iterable[Module], annotations: AnnotationIndex) -> dict[Path, GovernedRule]:
    """The rules that take part in decisions because their package is annotated so, by path."""
    found: dict[Path, GovernedRule] = {}
    for module in modules:
        kinds = _annotated_kinds(annotations.of_package(module.package))
        if not kinds:
            continue
        for rule in module.rules:
            verb = _governing_verb(rule, module)
            path = static_path(rule.head.ref)[1:]
            if verb is not None and path not in found:
                found[path] = GovernedRule(".".join(path), verb, kinds, path, rule.head.span)
    return found


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


def lookalikes(module: Module) -> tuple[tuple[Key, Rule], ...]:
    """Plain rules of a module that look as if they decided something, where statements do."""
    if not module.governs:
        return ()
    place = len(module.package)
    found: dict[Key, Rule] = {}
    for rule in module.rules:
        path = static_path(rule.head.ref)[1 : place + 2]
        if len(path) > place and path[place] in _LOOKALIKES:
            found.setdefault(path, rule)
    return tuple(found.items())


def check_lookalikes(
    suspects: Iterable[tuple[Module, Key, Rule]],
    mentions: Iterable[frozenset[Key]],
    annotations: AnnotationIndex,
) -> Iterator[Diagnostic]:
    """Those of the lookalikes that nothing reads, and that do not decide by annotation either.

    `mentions` are those of all modules.
    """
    alone: dict[Key, Rule] = {}
    for module, path, rule in suspects:
        if not _annotated_kinds(annotations.of_package(module.package)):
            alone.setdefault(path, rule)
    unread = set(alone)
    for mentioned in mentions if unread else ():
        unread -= mentioned & unread
    for path, rule in alone.items():
        if path not in unread:
            continue
        name = path[-1]
        hint = f'a statement is written `{_LOOKALIKES[name]} "reason" if …`'
        message = f"`{name}` is a plain rule here, and decides nothing"
        yield Diagnostic("ward_governs_error", message, rule.head.span, "warning", hint, rule="plain-rule")


def _check_kind(kind: Any, span: Span, known: Collection[str]) -> Iterator[Diagnostic]:
    if kind == ALL_KINDS or not known or kind in known:
        return
    near = nearest(str(kind), known)
    listed = ", ".join(f"`{name}`" for name in sorted(known))
    hint = f"did you mean `{near}`?" if near else f"known are {listed}, and `*` for all"
    yield Diagnostic("ward_governs_error", f"unknown kind of request `{kind}`", span, hint=hint)
