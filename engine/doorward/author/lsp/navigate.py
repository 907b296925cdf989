"""Where a name is defined, and where else it stands."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol.types import DocumentHighlight, DocumentHighlightKind, Location

from doorward.author.lsp.positions import Positions
from doorward.author.lsp.view import File
from doorward_dsl.occurrences import Alias, Document, Meaning
from doorward_dsl.source import Span

__all__ = ["definitions", "highlights", "location", "references"]


def definitions(file: File, offset: int, encoding: str) -> list[Location]:
    """The places at which the name at an offset is defined: rules, variables, imports; of a package its files."""
    found = file.at(offset)
    if found is None:
        return []
    spans = list(_bindings(file, found.meaning))
    if isinstance(found.meaning, Alias) and (found.binds or not spans):
        spans = list(_bindings(file, Document(found.meaning.path)))
    return [location(file, span, encoding) for span in spans]


def references(file: File, offset: int, encoding: str, *, declaration: bool) -> list[Location]:
    """Every place at which the name at an offset stands; with `declaration` those that define it, too."""
    found = file.at(offset)
    if found is None:
        return []
    return [
        location(file, one.span, encoding)
        for _, one in file.view.everywhere(found.meaning, found.span.text)
        if declaration or not one.binds
    ]


def highlights(file: File, offset: int, positions: Positions) -> list[DocumentHighlight]:
    """The places in the same file."""
    found = file.at(offset)
    if found is None:
        return []
    return [
        DocumentHighlight(
            positions.of(one.span),
            DocumentHighlightKind.Write if one.binds else DocumentHighlightKind.Read,
        )
        for one in file.occurrences
        if one.meaning == found.meaning
    ]


def location(file: File, span: Span, encoding: str) -> Location:
    """A span of any file of the tree, as clients want it."""
    source = span.source
    return Location(file.view.tree.uri_of(source.name), Positions(source.text, encoding).of(span))


def _bindings(file: File, meaning: Meaning) -> Iterator[Span]:
    if not isinstance(meaning, Document):
        bound = [one for one in file.occurrences if one.meaning == meaning and one.binds]
        first = next((one for one in file.occurrences if one.meaning == meaning), None)
        yield from (
            one.span for one in bound or ([] if first is None or isinstance(meaning, Alias) else [first])
        )
        return
    path = tuple(part for part in meaning.path if part is not None)
    if len(path) < len(meaning.path) or path[0] != "data":
        return
    yield from _documents(file, path)


def _documents(file: File, path: tuple[str, ...]) -> Iterator[Span]:
    """Where a document is defined: its rules; the rules that build it; or the packages of that name."""
    view = file.view
    for full in (path, *(path[:length] for length in range(len(path) - 1, 1, -1))):
        rules = view.rules.get(full, ())
        if rules:
            yield from (rule.head.ref[0].span for rule in rules)
            return
        if full in view.packages and full == path:
            yield from (module.package_span for module in view.packages[full])
            return
    below = [rule for full, rules in view.rules.items() if full[: len(path)] == path for rule in rules]
    inside = [rule for rule in below if any(full[: len(path)] == path for full in view.packages)]
    if not inside:
        yield from (rule.head.ref[0].span for rule in below)
