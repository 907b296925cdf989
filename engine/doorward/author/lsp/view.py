"""What a request of an editor is answered from: the texts as they are at this moment, and what is known of them.

A text that does not parse right now is known by the last tree of it that did; of that, places do not count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from doorward.author.lsp.inferred import Inferred
from doorward.author.lsp.tree import Checked, Tree
from doorward.bundle.policy_set import DATA
from doorward_dsl.diagnostics import ParseError
from doorward_dsl.lex import Lexed, lex
from doorward_dsl.occurrences import Meaning, Occurrence, occurrences
from doorward_dsl.parse import parse_module
from doorward_dsl.resolve.globals import Exports, exports, static_path
from doorward_dsl.schemas import JsonSchema, RequestTypes
from doorward_dsl.source import Source
from doorward_dsl.syntax import Module, Rule

__all__ = ["File", "View", "Viewer"]


class File:
    """One module of a view."""

    def __init__(self, view: View, source: Source, module: Module | None, *, fresh: bool) -> None:
        self.view = view
        self.source = source
        self.module = module
        """The syntax tree; of the text as it is where `fresh`, else of an earlier one."""
        self.fresh = fresh

    @property
    def name(self) -> str:
        """The file's name in its tree."""
        return self.source.name

    @cached_property
    def lexed(self) -> Lexed:
        """The words of the text as it is."""
        return lex(self.source)

    @cached_property
    def occurrences(self) -> tuple[Occurrence, ...]:
        """The names in the text as it is; none where it does not parse."""
        if self.module is None or not self.fresh:
            return ()
        kept = self.view.kept
        known = kept.get(self.module)
        if known is None:
            known = kept[self.module] = occurrences(self.module, self.view.exported, self.view.fields)
        return known

    @property
    def schemas(self) -> Mapping[str, JsonSchema]:
        """The schemas of the requests that the file speaks of: of those it governs, or of all where it governs none."""
        governs = () if self.module is None else self.module.governs
        if not governs or "*" in governs:
            return self.view.checked.schemas
        return {kind: schema for kind, schema in self.view.checked.schemas.items() if kind in governs}

    def at(self, offset: int) -> Occurrence | None:
        """The name at a place, or that ends there."""
        touching = [one for one in self.occurrences if one.span.start <= offset <= one.span.end]
        return min(
            touching,
            key=lambda one: (one.span.end == offset, one.span.end - one.span.start),
            default=None,
        )


class View:
    """One tree at one moment. Immutable: what is worked out is kept."""

    def __init__(
        self, tree: Tree, checked: Checked, files: Mapping[str, Source], before: View | None = None
    ) -> None:
        self.tree = tree
        self.checked = checked
        self._sources = files
        asked = before is not None and "kept" in vars(before)
        self._before = (before.exported, before.fields, before.kept) if before and asked else None
        self._files: dict[str, File] = {}

    def file(self, name: str) -> File | None:
        """A module by its file name."""
        found = self._files.get(name)
        source = self._sources.get(name)
        if found is None and source is not None:
            module = self.checked.modules.get(name)
            fresh = module is not None and module.span.source.text == source.text
            if not fresh:
                with suppress(
                    ParseError
                ):  # what is wrong is told by diagnostics: here the tree of before goes on
                    module, fresh = parse_module(source), True
            if fresh and module is not None:
                source = module.span.source
            found = self._files[name] = File(self, source, module, fresh=fresh)
        return found

    def files(self) -> Iterator[File]:
        """All modules, by name."""
        for name in sorted(self._sources):
            found = self.file(name)
            if found is not None:
                yield found

    @cached_property
    def modules(self) -> tuple[Module, ...]:
        """The syntax trees of all files that have one."""
        return tuple(file.module for file in self.files() if file.module is not None)

    @cached_property
    def exported(self) -> Exports:
        """What all modules together define."""
        return exports(self.modules)

    @cached_property
    def fields(self) -> Mapping[str, frozenset[str]]:
        """The fields at the top of the requests of each kind."""
        types = RequestTypes(self.checked.schemas)
        return {kind: types.fields((kind,)) for kind in types.kinds}

    @cached_property
    def inferred(self) -> Inferred:
        """The types that the compiler found."""
        return Inferred(self.checked.revision)

    @property
    def data(self) -> dict[str, Any]:
        """The base documents."""
        return self.checked.settings.data

    @cached_property
    def kept(self) -> dict[Module, tuple[Occurrence, ...]]:
        """The names of modules, as far as they are known; of before, where they still mean the same."""
        before, self._before = self._before, None
        if before is None or before[:2] != (self.exported, self.fields):
            return {}
        return {module: before[2][module] for module in self.modules if module in before[2]}

    @cached_property
    def rules(self) -> Mapping[tuple[str, ...], tuple[Rule, ...]]:
        """Rules as parsed, by full path, `data` first."""
        found: dict[tuple[str, ...], list[Rule]] = {}
        for module in self.modules:
            for rule in module.rules:
                found.setdefault(("data", *module.package, *static_path(rule.head.ref)), []).append(rule)
        return {path: tuple(rules) for path, rules in found.items()}

    @cached_property
    def packages(self) -> Mapping[tuple[str, ...], tuple[Module, ...]]:
        """Modules by package, `data` first."""
        found: dict[tuple[str, ...], list[Module]] = {}
        for module in self.modules:
            found.setdefault(("data", *module.package), []).append(module)
        return {path: tuple(modules) for path, modules in found.items()}

    def everywhere(self, meaning: Meaning, word: str) -> Iterator[tuple[File, Occurrence]]:
        """The places at which a name with a meaning stands, in files whose text has the `word`."""
        for file in self.files():
            if word in file.source.text:
                for one in file.occurrences:
                    if one.meaning == meaning:
                        yield file, one


class Viewer:
    """The views of one tree; the same one while nothing changes."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._known: tuple[object, object, View] | None = None

    def view(self) -> View:
        """The tree as it is now."""
        checked, buffers = self._tree.latest, self._tree.buffers
        latest = self._known
        if latest is not None and latest[0] is checked and latest[1] is buffers:
            return latest[2]
        sources = dict(checked.sources)
        for name, buffer in buffers.items():
            known = sources.get(name)
            if PurePosixPath(name).suffix not in DATA and (known is None or known.text != buffer.text):
                sources[name] = Source(name, buffer.text)
        view = View(self._tree, checked, sources, None if latest is None else latest[2])
        self._known = checked, buffers, view
        return view
