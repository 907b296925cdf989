"""Renaming: variables in their rule, aliases in their file, rules and functions everywhere.

Whether a new name changes what is meant is found out by doing it: the texts with the new name are read as the old ones were,
and every name in them must mean what it meant. What cannot be renamed soundly is refused, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from lsprotocol.types import (
    OptionalVersionedTextDocumentIdentifier,
    Range,
    TextDocumentEdit,
    TextEdit,
    WorkspaceEdit,
)

from doorward.author.lsp.positions import Positions
from doorward.author.lsp.view import File
from doorward_dsl.diagnostics import DoorwardError, ParseError
from doorward_dsl.lex import KEYWORDS
from doorward_dsl.lex_ahead import VERBS
from doorward_dsl.occurrences import Alias, BuiltIn, Document, Meaning, Occurrence, Variable, occurrences
from doorward_dsl.parse import parse_module
from doorward_dsl.resolve.globals import ROOTS, exports
from doorward_dsl.source import Source
from doorward_dsl.syntax import Module

__all__ = ["RenameError", "prepare", "rename"]

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_DECIDING: Final = frozenset((*VERBS, "deny"))
_TESTS: Final = ("test_", "todo_test_")
_GOES_ON: Final = re.compile(r"[\"`]?\]?(\.[A-Za-z_]|\[\s*[\"`])")
"""After an element of a path: a next one that is constant."""


class RenameError(DoorwardError):
    """A name that cannot be renamed, or not so."""


def prepare(file: File, offset: int, positions: Positions) -> Range | None:
    """The range of the name at an offset; None where there is none. Raises RenameError for one that cannot be renamed."""
    found = file.at(offset)
    if found is None:
        if not file.fresh:
            raise RenameError("the file does not parse: nothing can be renamed safely")
        return None
    _refuse_unsound(file, found)
    return positions.of(found.span)


def rename(file: File, offset: int, new: str, encoding: str) -> WorkspaceEdit | None:
    """The edits, over all files, that give the name at an offset another one. Raises RenameError."""
    found = file.at(offset)
    if found is None:
        return None
    _refuse_unsound(file, found)
    _refuse_name(found, new)
    old = found.span.text
    if new == old:
        return WorkspaceEdit(document_changes=[])
    places: dict[str, list[Occurrence]] = {}
    files: dict[str, File] = {}
    for other, one in file.view.everywhere(found.meaning, old):
        if one.span.text != old:
            line = f"{one.span}"
            raise RenameError(f"`{one.span.text}` at {line} cannot be taken apart")
        places.setdefault(other.name, []).append(one)
        files[other.name] = other
    texts = {
        name: _replaced(files[name].source.text, found_there, new) for name, found_there in places.items()
    }
    if isinstance(found.meaning, Document):
        _refuse_readers(file, found.meaning)
    _prove(file, found.meaning, new, texts)
    edits: list[TextDocumentEdit] = []
    tree = file.view.tree
    for name, found_there in sorted(places.items()):
        positions = Positions(files[name].source.text, encoding)
        buffer = tree.buffers.get(name)
        identifier = OptionalVersionedTextDocumentIdentifier(
            tree.uri_of(name), None if buffer is None else buffer.version
        )
        edits.append(
            TextDocumentEdit(identifier, [TextEdit(positions.of(one.span), new) for one in found_there])
        )
    return WorkspaceEdit(document_changes=list(edits))


def _refuse_unsound(file: File, found: Occurrence) -> None:
    meaning = found.meaning
    text = found.span.text
    if isinstance(meaning, BuiltIn):
        raise RenameError(f"`{meaning.name}` is a built-in function")
    if isinstance(meaning, Document):
        path = tuple(part for part in meaning.path if part is not None)
        if path[0] != "data":
            raise RenameError(f"`{text}` is not the policies' own to name")
        if len(path) < len(meaning.path):
            raise RenameError(f"`{text}` stands below a name that is worked out only when policies run")
        if path not in file.view.rules:
            raise RenameError(f"`{text}` is no rule: packages and data take their names from elsewhere")
        program = None if file.view.checked.revision is None else file.view.checked.revision.program
        if program is not None and any(rule.path == path[1:] for rule in program.governed_rules):
            raise RenameError(f"`{text}` takes part in decisions by its name")
        if text != path[-1]:
            raise RenameError(f"`{text}` cannot be taken apart")
    broken = [other.name for other in file.view.files() if not other.fresh and text in other.source.text]
    if broken and not isinstance(meaning, Variable):
        raise RenameError(f"`{broken[0]}` does not parse: it may use `{text}`")


def _refuse_name(found: Occurrence, new: str) -> None:
    if not _NAME.fullmatch(new):
        raise RenameError(f"`{new}` is not a name: letters, digits and `_`, not beginning with a digit")
    if new in KEYWORDS or new in ROOTS or new == "_":
        raise RenameError(f"`{new}` has a meaning of its own")
    if isinstance(found.meaning, Document):
        if new in _DECIDING:
            raise RenameError(f"a rule called `{new}` may take part in decisions")
        if found.span.text.startswith(_TESTS) != new.startswith(_TESTS):
            raise RenameError("rules whose name begins with `test_` are tests, and no others")


def _replaced(text: str, places: list[Occurrence], new: str) -> str:
    """The text with a new name at some places."""
    for one in sorted(places, key=lambda one: -one.span.start):
        text = text[: one.span.start] + new + text[one.span.end :]
    return text


def _refuse_readers(file: File, meaning: Document) -> None:
    """Raises RenameError where something reads all that stands around a rule, and so may find it by its name."""
    path = meaning.path
    for other in file.view.files():
        text = other.source.text
        package = None if other.module is None else other.module.package_span.end
        imports = [] if other.module is None else [one.span for one in other.module.imports]
        for one in other.occurrences:
            around = one.meaning.path if isinstance(one.meaning, Alias | Document) else ()
            if not around or len(around) >= len(path) or path[: len(around)] != around:
                continue
            stated = one.span.start < (package or 0) or any(
                span.start <= one.span.start < span.end for span in imports
            )
            if not stated and not _GOES_ON.match(text, one.span.end):
                raise RenameError(f"`{one.span.text}` at {one.span} is read as a whole, with the names in it")


def _prove(file: File, meaning: Meaning, new: str, texts: Mapping[str, str]) -> None:
    """Raises RenameError unless with the new name everything means what it meant."""
    view = file.view
    modules: dict[str, Module] = {}
    for name, text in texts.items():
        try:
            modules[name] = parse_module(Source(name, text))
        except ParseError as error:
            raise RenameError(f"with `{new}`, {error.diagnostics[0]}") from None
    together = [modules.get(module.span.source.name, module) for module in view.modules]
    exported = exports(together)
    renamed = _Renamed(meaning, new)
    if isinstance(meaning, Document):
        target = renamed.meaning(meaning)
        path = tuple(part for part in target.path if part is not None) if isinstance(target, Document) else ()
        if path in view.rules or path in view.packages:
            raise RenameError(f"there is a `{'.'.join(path)}` already")
    for other in view.files():
        if other.module is None or not other.fresh:
            continue
        if other.name not in modules and new not in other.source.text:
            continue  # it has neither the old name nor the new
        module = modules.get(other.name, other.module)
        before = [renamed.meaning(one.meaning) for one in other.occurrences]
        after = [one.meaning for one in occurrences(module, exported, view.fields)]
        if not _alike(before, after):
            raise RenameError(f"in `{other.name}` the name `{new}` would come to mean something else")


def _alike(before: list[Meaning], after: list[Meaning]) -> bool:
    """Whether the names of two texts mean the same; variables may be numbered in another way."""
    if len(before) != len(after):
        return False
    forth: dict[Variable, Variable] = {}
    back: dict[Variable, Variable] = {}
    for one, other in zip(before, after, strict=True):
        if isinstance(one, Variable) and isinstance(other, Variable):
            if forth.setdefault(one, other) != other or back.setdefault(other, one) != one:
                return False
        elif one != other:
            return False
    return True


class _Renamed:
    """What things are called once one of them has a new name."""

    def __init__(self, renamed: Meaning, new: str) -> None:
        self._old = renamed
        self._new = new

    def meaning(self, meaning: Meaning) -> Meaning:
        """The same thing, by its name from then on."""
        old = self._old
        if isinstance(old, Alias) and meaning == old:
            return Alias(old.file, self._new, old.path)
        if not isinstance(old, Document):
            return meaning
        length = len(old.path)
        if isinstance(meaning, Document) and meaning.path[:length] == old.path:
            return Document((*old.path[:-1], self._new, *meaning.path[length:]))
        if isinstance(meaning, Alias) and meaning.path[:length] == old.path:
            path = tuple(part for part in old.path[:-1] if part is not None)
            return Alias(meaning.file, meaning.name, (*path, self._new, *meaning.path[length:]))
        return meaning
