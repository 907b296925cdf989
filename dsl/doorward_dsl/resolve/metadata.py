"""What `rego.metadata.rule()` and `rego.metadata.chain()` answer: known before anything runs, so written in as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from doorward_dsl.resolve.globals import static_path
from doorward_dsl.source import Span
from doorward_dsl.syntax import Annotations, Array, Module, Object, Rule, Scalar, Term

__all__ = ["AnnotationIndex", "RuleMetadata", "is_annotated", "literal_term"]

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RuleMetadata:
    """The annotations in force for one rule."""

    path: Path
    """Where the rule is, without `data`."""
    own: tuple[Annotations, ...]
    """Of rule scope, the closest first."""
    outer: tuple[tuple[Path, Annotations], ...]
    """Of document, package and subpackages scope, from the rule outwards."""

    def answer(self, question: str, span: Span) -> Term | None:
        """The value of `rego.metadata.<question>()`; None for a question that does not exist."""
        if question == "rule":
            return literal_term(_document(self.own[0]) if self.own else {}, span)
        if question != "chain":
            return None
        own: list[Any] = [{"path": self.path, "annotations": _document(one)} for one in self.own]
        outer = [{"path": path, "annotations": _document(one)} for path, one in self.outer]
        return literal_term((own or [{"path": self.path}]) + outer, span)


class AnnotationIndex:
    """The annotations of all modules, by what they speak for."""

    def __init__(self, modules: Iterable[Module]) -> None:
        self._documents: dict[Path, list[Annotations]] = {}
        self._packages: dict[Path, list[Annotations]] = {}
        self._subpackages: dict[Path, list[Annotations]] = {}
        for module in modules:
            for one in module.annotations:
                table = self._subpackages if one.scope == "subpackages" else self._packages
                table.setdefault(module.package, []).append(one)
            for rule in module.rules:
                for one in rule.annotations:
                    if one.scope == "document":
                        self._documents.setdefault(_path(module, rule), []).append(one)

    def of_rule(self, module: Module, rule: Rule) -> RuleMetadata:
        """The annotations in force for a rule."""
        path = _path(module, rule)
        outer = [(path, one) for one in self._documents.get(path, ())]
        outer += [(module.package, one) for one in self._packages.get(module.package, ())]
        for length in range(len(module.package), -1, -1):
            ancestor = module.package[:length]
            outer += [(ancestor, one) for one in self._subpackages.get(ancestor, ())]
        own = tuple(one for one in reversed(rule.annotations) if one.scope == "rule")
        return RuleMetadata(path, own, tuple(outer))

    @property
    def speaks_for_packages(self) -> bool:
        """Whether any of them is about more than single rules and documents."""
        return bool(self._packages or self._subpackages)

    def of_package(self, package: Path) -> list[Annotations]:
        """The annotations that speak for a package: its own, then those of the packages around it."""
        found = list(self._packages.get(package, ()))
        for length in range(len(package), -1, -1):
            found += self._subpackages.get(package[:length], ())
        return found


def is_annotated(module: Module) -> bool:
    """Whether a module has annotations that others of its rules, or other modules, can see."""
    return bool(module.annotations) or any(
        one.scope == "document" for rule in module.rules for one in rule.annotations
    )


def literal_term(value: Any, span: Span) -> Term:
    """A value from YAML or JSON as a term; what JSON has no form for (dates) becomes its text."""
    if isinstance(value, Mapping):
        pairs = [(literal_term(str(key), span), literal_term(inner, span)) for key, inner in value.items()]
        return Object(tuple(pairs), span)
    if isinstance(value, list | tuple):
        return Array(tuple([literal_term(item, span) for item in value]), span)
    if isinstance(value, float):
        return Scalar(Decimal(repr(value)), span)
    if value is None or isinstance(value, bool | int | Decimal | str):
        return Scalar(value, span)
    return Scalar(str(value), span)


def _document(one: Annotations) -> dict[str, Any]:
    """The annotations as policies see them: short forms of authors and resources spelled out."""
    document = {**one.document, "scope": one.scope}
    for name, spell_out in (("authors", _author), ("related_resources", _resource)):
        entries = document.get(name)
        if isinstance(entries, list):
            document[name] = [spell_out(entry) if isinstance(entry, str) else entry for entry in entries]
    return document


def _author(text: str) -> dict[str, str]:
    """`Name <address>`, or either alone."""
    name, bracket, rest = text.partition("<")
    if not bracket or not rest.endswith(">"):
        return {"name": text.strip()}
    found = {"name": name.strip(), "email": rest[:-1].strip()}
    return {key: value for key, value in found.items() if value}


def _resource(text: str) -> dict[str, str]:
    return {"ref": text}


def _path(module: Module, rule: Rule) -> Path:
    return module.package + static_path(rule.head.ref)
