"""What every name in a file means, and where it stands: for editors.

The names are given their meaning by the compiler's own resolver; here it is watched while it does so. A file is looked
at as it was parsed, and test blocks too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from doorward_dsl.check.givens import classify
from doorward_dsl.check.withs import function_name
from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.lex import Token, lex
from doorward_dsl.resolve.globals import ROOTS, Exports, Global, ModuleNames, import_name, module_names
from doorward_dsl.resolve.scopes import WILDCARD, pattern_vars
from doorward_dsl.resolve.scopes import Occurrence as HowDeclared
from doorward_dsl.resolve.terms import Resolver
from doorward_dsl.source import Source, Span
from doorward_dsl.syntax import (
    Body,
    Call,
    ExpectCondition,
    ExpectCredential,
    ExpectDetermining,
    ExpectError,
    ExpectMask,
    ExpectReason,
    ExpectVerdict,
    Given,
    Import,
    Literal,
    Module,
    Ref,
    Rule,
    Scalar,
    Statement,
    Term,
    TermTarget,
    TestBlock,
    TestStep,
    Var,
    When,
)
from doorward_dsl.walk import rule_chain, statement_terms

__all__ = ["DECISION", "Alias", "BuiltIn", "Document", "Meaning", "Occurrence", "Variable", "occurrences"]

DECISION: Final = ("decision",)
"""The path of the decision in the conditions of tests."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable: `scope` tells those of one file apart that are called alike."""

    file: str
    scope: int
    name: str
    """As the resolver calls it, unique in its scope."""


@dataclass(frozen=True, slots=True)
class Alias:
    """The name that `import … as name` brings into one file."""

    file: str
    name: str
    path: tuple[str, ...]
    """What is imported, with `data` or `input` first, as far as it is constant."""


@dataclass(frozen=True, slots=True)
class Document:
    """A rule, a package, base data, or a field of the request, by its full path; None stands for what is not constant."""

    path: tuple[str | None, ...]
    """`data`, `input`, or `DECISION` first."""


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A built-in function by its dotted name."""

    name: str


Meaning: TypeAlias = Variable | Alias | Document | BuiltIn


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A name at its place. `binds` where it is defined, declared or imported."""

    span: Span
    """Of the name alone: without dots, quotes or brackets."""
    meaning: Meaning
    binds: bool = False


class _Watched(Resolver):
    """A resolver that keeps what it finds out about names."""

    def __init__(self, names: ModuleNames, exported: Exports, found: _Found, scope: int) -> None:
        super().__init__(names, exported, [])
        self._found = found
        self._scope = scope
        self._shared: dict[str, Variable] = {}
        self._known: dict[str, Variable] = {}

    def of_link(self, arguments: dict[str, Variable]) -> None:
        """Take a function's arguments, which the links of its `else` chain have in common, from `arguments`."""
        self._shared = arguments

    def within(self, names: ModuleNames) -> None:
        """From here on global names mean what `names` says."""
        self._names = names

    def replaced(self, target: Term) -> None:
        """What a test puts something else in the place of: a document or a function."""
        if not self._builtin(target):
            self.term(target)

    def _declare(self, var: Var, occurrence: HowDeclared) -> Var:
        made = super()._declare(var, occurrence)
        if var.name != WILDCARD:
            meaning = self._meaning(made.name)
            if occurrence == "arg":
                meaning = self._known[made.name] = self._shared.setdefault(var.name, meaning)
            self._found.add(var.span, meaning, binds=True)
        return made

    def _meaning(self, unique: str) -> Variable:
        return self._known.setdefault(unique, Variable(self._found.source.name, self._scope, unique))

    def _variable(self, var: Var) -> Term:
        term = super()._variable(var)
        if var.name == WILDCARD:
            return term
        decision = var.name == DECISION[0] and var.name in self._names.imports
        document = isinstance(term, Ref) or var.name in ROOTS or (decision and not self._is_local(var.name))
        if isinstance(term, Var) and not document and term.name not in ROOTS:
            self._found.add(var.span, self._meaning(term.name))
        else:
            self._found.named(var.span, var.name, self._names, _constants(term))
        return term

    def _ref(self, ref: Ref) -> Term:
        term = super()._ref(ref)
        whole = _constants(term)
        self._found.path(ref.path, whole[: len(whole) - len(ref.path)])
        return term

    def _function(self, call: Call) -> tuple[str, ...]:
        name = super()._function(call)
        if name[0] in ROOTS:
            self._found.called(call.name_span, call.name, self._names, name)
        elif ".".join(name) == call.name_span.text:
            self._found.add(call.name_span, BuiltIn(".".join(name)))
        return name

    def _builtin(self, term: Term) -> bool:
        found = super()._builtin(term)
        if found:
            self._found.add(term.span, BuiltIn(".".join(function_name(term) or ())))
        return found


class _Found:
    """The occurrences of one file, by place; of several at one place the first counts."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.at: dict[tuple[int, int], Occurrence] = {}

    def add(self, span: Span, meaning: Meaning, *, binds: bool = False) -> None:
        if span.source is self.source and span.start < span.end:
            self.at.setdefault((span.start, span.end), Occurrence(span, meaning, binds))

    def named(self, span: Span, name: str, names: ModuleNames, path: tuple[str | None, ...]) -> None:
        """A bare name that stands for a document."""
        self.add(span, self._alias(name, names) or Document(path))

    def _alias(self, name: str, names: ModuleNames) -> Alias | None:
        imported = names.imports.get(name)
        if imported is None or name not in self.aliases:
            return None
        return Alias(self.source.name, name, _global_path(imported))

    aliases: frozenset[str] = frozenset()
    """The imported names that the file gives itself, by `as`."""

    def path(self, parts: Iterable[Term], base: tuple[str | None, ...], *, binds: bool = False) -> None:
        """The elements of a path after `base`."""
        if not base or base[0] not in (*ROOTS, *DECISION):
            return
        parts = tuple(parts)
        for at, part in enumerate(parts):
            constant = isinstance(part, Scalar) and isinstance(part.value, str)
            base = (*base, str(part.value) if constant and isinstance(part, Scalar) else None)
            if constant:
                self.add(_bare(part.span), Document(base), binds=binds and at == len(parts) - 1)

    def called(self, span: Span, written: tuple[str, ...], names: ModuleNames, full: tuple[str, ...]) -> None:
        """The name of a function of the policies."""
        words = span.text.split(".")
        if words != list(written):
            self.add(span, Document(full))
            return
        start = span.start
        for at, word in enumerate(words):
            here = Span(span.source, start, start + len(word))
            path = full[: len(full) - (len(words) - 1 - at)]
            if at == 0:
                self.named(here, word, names, path)
            else:
                self.add(here, Document(path))
            start += len(word) + 1


def occurrences(
    module: Module, exported: Exports, fields: Mapping[str, frozenset[str]]
) -> tuple[Occurrence, ...]:
    """Every name of a module as parsed, in order of place.

    `exported` is what all modules together define; `fields` gives the fields of the requests of each kind.
    """
    source = module.span.source
    found = _Found(source)
    found.aliases = frozenset(one.alias for one in module.imports if one.alias is not None)
    in_scope = frozenset[str]().union(
        *(
            fields.values()
            if "*" in module.governs
            else (fields.get(kind, frozenset()) for kind in module.governs)
        )
    )
    names = module_names(module, exported, in_scope, [])
    _package(module, found)
    for imported in module.imports:
        _import(imported, found)
    scopes = iter(range(1 << 30))
    for rule in module.rules:
        _rule(rule, module, names, exported, found, scopes)
    for statement in module.statements:
        _statement(statement, _Watched(names, exported, found, next(scopes)))
    anywhere = frozenset[str]().union(*fields.values())
    outside = module_names(module, exported, frozenset(), [])
    for given in module.givens:
        watched = _Watched(outside, exported, found, next(scopes))
        watched.open(())
        _given(given, watched, outside, anywhere, found)
    for block in module.tests:
        _block(block, _Watched(outside, exported, found, next(scopes)), outside, fields, found)
    return tuple(found.at[key] for key in sorted(found.at))


# --- what stands at the top of a file -------------------------------------------------------------------------


def _package(module: Module, found: _Found) -> None:
    words = [token for token in _tokens(module.package_span) if token.kind in ("IDENT", "ATTR", "STRING")]
    base = module.package_span.start
    for at, token in enumerate(words[-len(module.package) :] if module.package else ()):
        span = Span(found.source, base + token.start, base + token.end)
        found.add(_bare(span), Document(("data", *module.package[: at + 1])), binds=True)


def _import(imported: Import, found: _Found) -> None:
    ref = imported.ref
    path = _constants(ref)
    if not path or path[0] not in ROOTS:
        return
    if isinstance(ref, Ref):
        found.add(ref.head.span, Document(path[:1]))
        found.path(ref.path, path[:1])
    else:
        found.add(ref.span, Document(path))
    if imported.alias is not None and import_name(imported) is not None:
        words = [token for token in _tokens(imported.span) if token.text == imported.alias]
        start = imported.span.start + words[-1].start
        constant = tuple(part for part in path if part is not None)
        meaning = Alias(found.source.name, imported.alias, constant)
        found.add(Span(found.source, start, start + len(imported.alias)), meaning, binds=True)


def _tokens(span: Span) -> list[Token]:
    return lex(Source(span.source.name, span.text)).tokens


# --- rules and statements -----------------------------------------------------------------------------------------


def _rule(
    rule: Rule,
    module: Module,
    names: ModuleNames,
    exported: Exports,
    found: _Found,
    scopes: Iterator[int],
) -> None:
    first = rule.head
    base: tuple[str | None, ...] = ("data", *module.package)
    head = first.ref[0]
    if isinstance(head, Var):
        found.add(head.span, Document((*base, head.name)), binds=True)
        found.path(first.ref[1:], (*base, head.name), binds=True)
    arguments: dict[str, Variable] = {}
    for link in rule_chain(rule):
        watched = _Watched(names, exported, found, next(scopes))
        watched.of_link(arguments)
        heads = [*first.ref[1:], *(term for term in (link.head.key, link.head.value) if term is not None)]
        watched.open(link.body, heads, list(pattern_vars(*first.args)) if first.args else ())
        if first.args is not None:
            watched.patterns(first.args)
        watched.body(link.body)
        watched.terms(heads)
        watched.close()


def _statement(statement: Statement, watched: _Watched) -> None:
    when: Body = statement.when or ()
    heads = statement_terms(statement)
    watched.open(when, heads)
    watched.body(when)
    watched.terms(heads)
    if statement.unless is not None:
        watched.scoped((), statement.unless)
    watched.close()


# --- tests --------------------------------------------------------------------------------------------------------


def _block(
    block: TestBlock,
    watched: _Watched,
    names: ModuleNames,
    fields: Mapping[str, frozenset[str]],
    found: _Found,
) -> None:
    cases = tuple(Literal(case, (), case.span) for case in block.cases)
    watched.open(cases)
    watched.body(cases)
    kinds = [step.kind for step in block.steps if isinstance(step, When)]
    given_fields = frozenset[str]().union(*(fields.get(kind, frozenset()) for kind in kinds or fields))
    kind = ""
    for step in block.steps:
        if isinstance(step, Given):
            _given(step, watched, names, given_fields, found)
            continue
        if isinstance(step, When):
            kind = step.kind
        elif isinstance(step, ExpectCondition):
            imports = {DECISION[0]: Global(DECISION[0], ()), **names.imports}
            asked = fields.get(kind, frozenset())
            watched.within(ModuleNames(imports, names.rules, names.package, asked))
            watched.scoped((), step.body)
            watched.within(names)
        for term in _step_terms(step):
            watched.term(term)
    watched.close()


def _given(
    given: Given, watched: _Watched, names: ModuleNames, fields: frozenset[str], found: _Found
) -> None:
    target = given.target
    part = classify(target, names, fields)
    if part == "field":
        head = target.head if isinstance(target, Ref) else target
        if isinstance(head, Var):
            base = ("input",) if head.name == "input" else ("input", head.name)
            found.add(head.span, Document(base))
            found.path(target.path if isinstance(target, Ref) else (), base)
    elif part == "replaced":
        watched.replaced(target)
    if isinstance(part, Diagnostic) or not _is_file(given.value):
        watched.term(given.value)


def _is_file(term: Term) -> bool:
    return isinstance(term, Call) and term.name == ("file",)


def _step_terms(step: TestStep) -> Iterator[Term]:
    """The terms of a line of a test, but for those of a condition and of what is given."""
    terms: Iterable[Term | None] = ()
    match step:
        case When():
            terms = (step.operation,)
        case ExpectVerdict():
            terms = (step.reason, *step.groups)
        case ExpectMask():
            terms = [target.term for target in step.targets if isinstance(target, TermTarget)]
        case ExpectCredential():
            terms = (step.role,)
        case ExpectReason() | ExpectError():
            terms = (step.text,)
        case ExpectDetermining():
            terms = step.texts
    yield from (term for term in terms if term is not None)


# --- paths --------------------------------------------------------------------------------------------------------


def _constants(term: Term) -> tuple[str | None, ...]:
    """The path that a resolved term is, its head first; None for what is not a constant text."""
    if isinstance(term, Var):
        return (term.name,)
    if not isinstance(term, Ref) or not isinstance(term.head, Var):
        return ()
    return (
        term.head.name,
        *(
            part.value if isinstance(part, Scalar) and isinstance(part.value, str) else None
            for part in term.path
        ),
    )


def _global_path(found: Global) -> tuple[str, ...]:
    names = [part.value for part in found.path if isinstance(part, Scalar) and isinstance(part.value, str)]
    return (found.root, *names)


def _bare(span: Span) -> Span:
    """The span of a path element without its dot or quotes."""
    text = span.text
    if text.startswith("."):
        return Span(span.source, span.start + 1, span.end)
    if len(text) >= 2 and text[0] == text[-1] and text[0] in '"`':
        return Span(span.source, span.start + 1, span.end - 1)
    return span
