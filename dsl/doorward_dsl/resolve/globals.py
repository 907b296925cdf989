"""What the names of a module mean outside of any rule: its imports, its package's rules, and the request's fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.source import Span
from doorward_dsl.syntax import Import, Module, Ref, Rule, Scalar, Term, Var

__all__ = [
    "ROOTS",
    "Exports",
    "Global",
    "ModuleNames",
    "exports",
    "import_name",
    "module_names",
    "shadowed_roots",
    "static_path",
    "unused_imports",
]

ROOTS = ("data", "input")
"""The two documents that every policy sees."""

_LANGUAGE = ("rego", "future")
"""Imports below these switch the language on and bring no name."""


@dataclass(frozen=True, slots=True)
class Global:
    """A document that a name stands for: `root` is `data` or `input`, `path` leads on from there."""

    root: str
    path: tuple[Term, ...]

    def term(self, span: Span, more: tuple[Term, ...] = ()) -> Term:
        """The document, or what `more` finds in it, at `span`."""
        path = self.path + more
        head = Var(self.root, span)
        return Ref(head, path, span) if path else head


@dataclass(frozen=True, slots=True)
class Exports:
    """What all modules together define."""

    rules: Mapping[tuple[str, ...], frozenset[str]]
    """The names of the rules of each package (without `data`)."""
    functions: Mapping[tuple[str, ...], int]
    """Arity of each function by full path, `data` first. Where definitions disagree, the first."""


@dataclass(frozen=True, slots=True)
class ModuleNames:
    """The global names of one module."""

    imports: Mapping[str, Global]
    rules: frozenset[str]
    package: tuple[str, ...]
    fields: frozenset[str]
    """Fields of the governed request, in scope unless anything else has their name."""
    used: set[str] = field(default_factory=set)
    """The imports that some name has referred to so far."""

    def find(self, name: str, span: Span) -> Global | None:
        """What a name stands for; None when nothing global has it."""
        found = self.document(name, span)
        if found is None and name in self.fields:
            return Global("input", (Scalar(name, span),))
        return found

    def describe(self, name: str) -> str | None:
        """What a local variable of that name hides; None when nothing."""
        if name in self.imports:
            return f"the import `{name}`"
        if name in self.rules:
            return f"the rule `{'.'.join(('data', *self.package, name))}`"
        return f"the request's field `{name}`" if name in self.fields else None

    def document(self, name: str, span: Span) -> Global | None:
        """What a name stands for where a field of the request cannot be meant, as in the name of a function."""
        imported = self.imports.get(name)
        if imported is not None:
            self.used.add(name)
            return imported
        if name in self.rules:
            return Global("data", tuple(Scalar(part, span) for part in (*self.package, name)))
        return Global(name, ()) if name in ROOTS else None


def static_path(terms: Iterable[Term]) -> tuple[str, ...]:
    """The leading elements of a path that are string literals or, at the very start, a name."""
    path: list[str] = []
    for term in terms:
        if isinstance(term, Var) and not path:
            path.append(term.name)
        elif isinstance(term, Scalar) and isinstance(term.value, str):
            path.append(term.value)
        else:
            break
    return tuple(path)


def exports(modules: Iterable[Module]) -> Exports:
    """The rules of every package and the arities of all functions."""
    rules: dict[tuple[str, ...], set[str]] = {}
    functions: dict[tuple[str, ...], int] = {}
    for module in modules:
        names = rules.setdefault(module.package, set())
        for rule in module.rules:
            path = static_path(rule.head.ref)
            names.add(path[0])
            if rule.head.args is not None and len(path) == len(rule.head.ref):
                functions.setdefault(("data", *module.package, *path), len(rule.head.args))
    return Exports({package: frozenset(names) for package, names in rules.items()}, functions)


def import_name(imported: Import) -> str | None:
    """The name an import brings; None for one that only switches the language on, or that has none."""
    head, path = _parts(imported.ref)
    if head in _LANGUAGE:
        return None
    if imported.alias is not None:
        return imported.alias
    last = path[-1] if path else None
    if last is None:
        return head
    return last.value if isinstance(last, Scalar) and isinstance(last.value, str) else None


def module_names(
    module: Module, exported: Exports, fields: frozenset[str], report: list[Diagnostic]
) -> ModuleNames:
    """The global names of a module; clashes among them are appended to `report`."""
    imports: dict[str, Global] = {}
    first: dict[str, Import] = {}
    for imported in module.imports:
        name = import_name(imported)
        if name is None:
            continue
        if name in ROOTS and imported.alias is not None:
            message = f"imports must not shadow `{name}`"
            hint = "give the import another alias"
            report.append(Diagnostic("rego_compile_error", message, imported.span, hint=hint))
        elif name in first:
            report.append(
                Diagnostic(
                    "rego_compile_error",
                    f"import must not shadow `import {_text(first[name].ref)}`, which is also called `{name}`",
                    imported.span,
                    hint="give one of them an alias with `as`",
                    notes=(("imported first here", first[name].span),),
                )
            )
        else:
            first[name] = imported
            head, path = _parts(imported.ref)
            imports[name] = Global(head, path)
    return ModuleNames(imports, exported.rules.get(module.package, frozenset()), module.package, fields)


def unused_imports(module: Module, names: ModuleNames) -> list[Diagnostic]:
    """Warnings of the imports that nothing in the module refers to, its tests included."""
    # tests are resolved only when they are run: that they hold the word is enough to say nothing
    tested = [block.span.text for block in module.tests] + [given.span.text for given in module.givens]
    return [
        Diagnostic(
            "rego_compile_error",
            f"import `{_text(imported.ref)}` unused",
            imported.span,
            "warning",
            rule="unused-import",
        )
        for imported in module.imports
        if (name := import_name(imported)) is not None
        and name in names.imports
        and name not in names.used
        and not any(re.search(rf"\b{re.escape(name)}\b", text) for text in tested)
    ]


def shadowed_roots(rules: Iterable[Rule]) -> list[Diagnostic]:
    """Rules named like one of the two root documents."""
    return [
        Diagnostic(
            "rego_compile_error",
            f"rules must not shadow `{head.name}`",
            rule.head.span,
            hint="use a different rule name",
        )
        for rule in rules
        if isinstance(head := rule.head.ref[0], Var) and head.name in ROOTS
    ]


def _parts(term: Term) -> tuple[str, tuple[Term, ...]]:
    if isinstance(term, Ref) and isinstance(term.head, Var):
        return term.head.name, term.path
    return (term.name if isinstance(term, Var) else ""), ()


def _text(term: Term) -> str:
    head, path = _parts(term)
    return ".".join([head, *(str(part.value) if isinstance(part, Scalar) else "…" for part in path)])
