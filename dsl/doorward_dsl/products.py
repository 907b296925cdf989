"""What compiling one revision makes besides the program, for the next revision to go on from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from doorward_dsl.check.changes import Key
from doorward_dsl.check.governs import governed_rules, governed_statements
from doorward_dsl.check.infer import Part, Typed
from doorward_dsl.check.tree import RuleTree
from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.mentions import Read
from doorward_dsl.program import GovernedRule, GovernedStatement, Path, Program
from doorward_dsl.resolve import AnnotationIndex
from doorward_dsl.syntax import Module, Rule
from doorward_dsl.types import Type

__all__ = ["Checked", "Governing", "Revision", "govern"]


@dataclass(frozen=True, slots=True, eq=False)
class Checked:
    """One module, resolved, checked by itself and ordered, and what this rests on besides its text.

    It holds as long as its package has the same names, and nothing that it mentions came, went or took another form;
    and, where it asks for metadata, as long as no annotation changes that others can see.
    """

    source: Module
    """As parsed."""
    module: Module
    names: frozenset[str]
    """Of the rules of its package."""
    request: Type
    whole: bool
    """Whether it is Rego, and negates whole lines (see `apart`)."""
    references: Mapping[Part, tuple[Read, ...]]
    mentions: frozenset[Key]
    asks_for_metadata: bool
    annotated: bool
    """Whether it has annotations that others can see."""
    suspects: tuple[tuple[Key, Rule], ...]
    """Rules that look like statements."""
    said: Sequence[Diagnostic]
    """What there is to say of it, types left out."""

    @property
    def parts(self) -> Sequence[Part]:
        """Its rules and statements."""
        return (*self.module.rules, *self.module.statements)

    def reads(self, part: Part) -> tuple[Read, ...]:
        """What a rule or statement of it refers to."""
        return self.references[part]


@dataclass(frozen=True, slots=True, eq=False)
class Governing:
    """What takes part in decisions."""

    all: tuple[tuple[GovernedStatement | GovernedRule, ...], ...]
    statements: Mapping[Module, tuple[GovernedStatement, ...]]
    rules: Mapping[Path, GovernedRule]


@dataclass(frozen=True, slots=True, eq=False)
class Revision:
    """A program without errors, and all that it was made of."""

    program: Program
    offered: RuleTree
    """The rules of the modules as parsed."""
    checked: Mapping[Module, Checked]
    """By the module as parsed, in order."""
    owners: Mapping[Part, Checked]
    typed: Typed
    governing: Governing


def govern(modules: Sequence[Module], annotations: AnnotationIndex, earlier: Governing | None) -> Governing:
    """What takes part in decisions, of resolved modules in order; the same objects as earlier where nothing changed."""
    deciding = {module: None for module in modules if module.statements}
    statements = {} if earlier is None else dict(earlier.statements)
    others = {".".join(module.package) for module in deciding.keys() ^ statements.keys()}
    for module in statements.keys() - deciding.keys():
        del statements[module]
    packages: dict[str, list[Module]] = {name: [] for name in others}
    for module in deciding if others else ():
        name = ".".join(module.package)
        if name in others:
            packages[name].append(module)
    for members in packages.values():
        statements.update(governed_statements(members))
    rules = _rules(modules, annotations, earlier)
    files: dict[str, list[GovernedRule]] = {}
    for path in sorted(rules):
        files.setdefault(rules[path].span.source.name, []).append(rules[path])
    every = [statements[module] for module in deciding]
    return Governing((*every, *map(tuple, files.values())), statements, rules)


def _rules(
    modules: Sequence[Module], annotations: AnnotationIndex, earlier: Governing | None
) -> dict[Path, GovernedRule]:
    if not annotations.speaks_for_packages:
        return {}
    rules = governed_rules(modules, annotations)
    for path, rule in rules.items() if earlier is not None else ():
        known = earlier.rules.get(path) if earlier is not None else None
        if known is not None and (known.kinds, known.span) == (rule.kinds, rule.span):
            rules[path] = known
    return rules
