"""A whole file: what stands in it, in order, and the empty lines between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from doorward_dsl.format.layout import Layout
from doorward_dsl.format.rules import short
from doorward_dsl.format.tests import WardPrinter
from doorward_dsl.format.writer import Work, Writer, run
from doorward_dsl.source import Span
from doorward_dsl.syntax import (
    Comment,
    Given,
    Import,
    Module,
    Ref,
    Rule,
    Scalar,
    Statement,
    TestBlock,
    Var,
)

__all__ = ["behind_imports", "import_order", "module_text"]

_Node: TypeAlias = Rule | Statement | TestBlock | Given


@dataclass(frozen=True, slots=True)
class _Item:
    """Something at the top level: its place, the task that writes it, and whether it may stand right under another."""

    span: Span
    work: Work
    short: bool = False


def module_text(module: Module, layout: Layout) -> str:
    """The text of a module, laid out as `layout` says; comments are those of a layout with a source only."""
    comments = module.comments if layout.source is not None else ()
    behind = behind_imports(module, comments, layout)
    taken = set(behind.values())
    writer = Writer([comment for comment in comments if comment not in taken])
    printer = WardPrinter(layout, writer, dotted=_dotted(module))
    run(_module(module, printer, behind))
    return writer.text()


def _module(module: Module, printer: WardPrinter, behind: dict[Import, Comment]) -> Work:
    writer, layout = printer.writer, printer.layout
    previous: _Item | None = None
    for item in _items(module, printer, behind):
        if previous is not None:
            adjacent = layout.first_row(item.span) == layout.first_row(previous.span) + 1
            together = previous.short and item.short and (adjacent or layout.source is None)
            writer.newline() if together else writer.blank()
        writer.mark(item.span.start)
        yield printer.unit(item.span, item.work)
        previous = item


def _items(module: Module, printer: WardPrinter, behind: dict[Import, Comment]) -> Iterator[_Item]:
    yield _Item(module.package_span, printer.package(module))
    nodes: list[_Node | Import | Module] = [*module.imports]
    if module.governs:
        nodes.append(module)
    nodes += [*module.givens, *module.rules, *module.statements, *module.tests]
    if printer.layout.source is not None:
        nodes.sort(key=lambda node: _place(node).start)
    imports: list[Import] = []
    for node in nodes:
        if isinstance(node, Import):
            if (
                imports
                and printer.layout.first_row(node.span) > printer.layout.first_row(imports[-1].span) + 1
            ):
                yield _imports(imports, printer, behind)
                imports = []
            imports.append(node)
            continue
        if imports:
            yield _imports(imports, printer, behind)
            imports = []
        yield _item(node, printer)
    if imports:
        yield _imports(imports, printer, behind)


def _item(node: _Node | Module, printer: WardPrinter) -> _Item:
    if isinstance(node, Module):
        return _Item(_place(node), printer.governs(node))
    if isinstance(node, Rule):
        return _Item(
            node.span, printer.rule(node), not node.default and node.else_ is None and short(node.body)
        )
    if isinstance(node, TestBlock):
        return _Item(node.span, printer.test(node))
    if isinstance(node, Given):
        return _Item(node.span, printer.step(node), True)
    return _Item(node.span, printer.statement(node), short(node.when) and short(node.unless))


def _place(node: _Node | Import | Module) -> Span:
    return (node.governs_span or node.span) if isinstance(node, Module) else node.span


# --- imports ---------------------------------------------------------------------------------------------------


def _imports(group: list[Import], printer: WardPrinter, behind: dict[Import, Comment]) -> _Item:
    """Imports on lines that follow one another, in order of what they import."""
    first, last = group[0].span, group[-1].span
    if not printer.writer.comment_in(first.start, last.end):
        group = sorted(group, key=import_order)
    return _Item(first.to(last), _import_lines(group, printer, behind))


def _import_lines(group: list[Import], printer: WardPrinter, behind: dict[Import, Comment]) -> Work:
    for node in group:
        printer.writer.newline()
        yield printer.import_(node)
        if node in behind:
            printer.writer.put(f" #{behind[node].text.rstrip()}")


def import_order(node: Import) -> tuple[tuple[str, ...], str]:
    """What imports are sorted by: their paths, step by step, then their aliases."""
    ref = node.ref
    head = ref.head if isinstance(ref, Ref) else ref
    parts = [head.name] if isinstance(head, Var) else []
    if isinstance(ref, Ref):
        parts += [str(part.value) for part in ref.path if isinstance(part, Scalar)]
    return tuple(parts), node.alias or ""


def behind_imports(module: Module, comments: tuple[Comment, ...], layout: Layout) -> dict[Import, Comment]:
    """The comment that stands behind an import on its line, and moves with it."""
    rows = {layout.last_row(node.span): node for node in module.imports}
    found: dict[Import, Comment] = {}
    for comment in comments:
        node = rows.get(comment.span.line)
        if node is not None and comment.span.start >= node.span.end:
            found[node] = comment
    return found


def _dotted(module: Module) -> bool:
    """Whether `opa fmt` writes `a.b := 1` in this file, rather than `a["b"] := 1`: where a longer name makes it."""
    if module.span.source.dialect == "ward":
        return True
    return any(
        len(rule.head.ref) > 2 or (len(rule.head.ref) == 2 and rule.head.key is not None)
        for rule in module.rules
    )
