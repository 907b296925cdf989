"""A whole file: what stands in it, in order, and the empty lines between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import yaml

from doorward_dsl.format.layout import Layout
from doorward_dsl.format.rules import short
from doorward_dsl.format.tests import WardPrinter
from doorward_dsl.format.writer import Work, Writer, run
from doorward_dsl.source import Span
from doorward_dsl.syntax import (
    Annotations,
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

_Node: TypeAlias = Rule | Statement | TestBlock | Given | Module
"""What stands at the top level besides the package and imports; a module for its `governs`."""


@dataclass(frozen=True, slots=True)
class _Item:
    """Something at the top level: its place, and the task that writes it."""

    span: Span
    work: Work
    short: bool = False
    """May stand right under another short one."""
    family: str = ""
    """What it is a definition of: without a source, only those of one family stand together."""
    annotations: tuple[Annotations, ...] = ()


def module_text(module: Module, layout: Layout) -> str:
    """The text of a module, laid out as `layout` says.

    With a source, comments are those of the source; without one, the annotations of the tree.
    """
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
    begun = 0
    for item in _items(module, printer, behind):
        if previous is not None:
            alone = layout.source is None and writer.rows > begun + 1
            writer.blank() if alone or not _together(previous, item, layout) else writer.newline()
        if layout.source is None:
            _annotate(item.annotations, writer)
        begun = writer.rows
        yield printer.unit(item.span, item.work)
        previous = item


def _together(above: _Item, below: _Item, layout: Layout) -> bool:
    """Whether an item stands right under another, without an empty line."""
    if not (above.short and below.short):
        return False
    if layout.source is None:
        return above.family == below.family and not below.annotations
    return layout.first_row(below.span) == layout.first_row(above.span) + 1


def _items(module: Module, printer: WardPrinter, behind: dict[Import, Comment]) -> Iterator[_Item]:
    yield _Item(module.package_span, printer.package(module), annotations=module.annotations)
    layout = printer.layout
    nodes: list[_Node | Import] = [module] if module.governs else []
    nodes += [*module.imports, *module.givens, *module.rules, *module.statements, *module.tests]
    if layout.source is not None:
        nodes.sort(key=lambda node: _place(node).start)
    group: list[Import] = []
    for node in nodes:
        follows = isinstance(node, Import) and (
            not group or layout.first_row(node.span) <= layout.first_row(group[-1].span) + 1
        )
        if group and not follows:
            yield _imports(group, printer, behind)
            group = []
        if isinstance(node, Import):
            group.append(node)
        else:
            yield _item(node, printer)
    if group:
        yield _imports(group, printer, behind)


def _item(node: _Node, printer: WardPrinter) -> _Item:
    span = _place(node)
    if isinstance(node, Module):
        return _Item(span, printer.governs(node))
    if isinstance(node, TestBlock):
        return _Item(span, printer.test(node))
    if isinstance(node, Given):
        return _Item(span, printer.step(node), True, "given")
    if isinstance(node, Rule):
        brief = not node.default and node.else_ is None and short(node.body)
        name = node.head.ref[0]
        family = name.name if isinstance(name, Var) else ""
        return _Item(span, printer.rule(node), brief, family, node.annotations)
    brief = short(node.when) and short(node.unless)
    return _Item(span, printer.statement(node), brief, type(node).__name__, node.annotations)


def _place(node: _Node | Import) -> Span:
    return (node.governs_span or node.span) if isinstance(node, Module) else node.span


def _annotate(blocks: tuple[Annotations, ...], writer: Writer) -> None:
    for at, block in enumerate(blocks):
        if at:
            writer.blank()
        text = yaml.safe_dump(block.document, sort_keys=False, allow_unicode=True, width=100)
        for line in ("METADATA", *text.splitlines()):
            writer.put(f"# {line}")
            writer.newline()


def _dotted(module: Module) -> bool:
    """Whether `opa fmt` writes `a.b := 1` in this file, rather than `a["b"] := 1`: where a longer name makes it."""
    if module.span.source.dialect == "ward":
        return True
    return any(
        len(rule.head.ref) > 2 or (len(rule.head.ref) == 2 and rule.head.key is not None)
        for rule in module.rules
    )


# --- imports ---------------------------------------------------------------------------------------------------


def _imports(group: list[Import], printer: WardPrinter, behind: dict[Import, Comment]) -> _Item:
    """Imports on lines that follow one another, in order of what they import."""
    first, last = group[0].span, group[-1].span
    if not printer.writer.comment_in(first.start, last.end):
        group = sorted(group, key=import_order)
    return _Item(first.to(last), _import_lines(group, printer, behind))


def _import_lines(group: list[Import], printer: WardPrinter, behind: dict[Import, Comment]) -> Work:
    for at, node in enumerate(group):
        if at:
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
    found: dict[Import, Comment] = {}
    rows: dict[int, Import] = {}
    for node in module.imports:
        last = layout.last_row(node.span)
        rows |= dict.fromkeys(range(layout.first_row(node.span), last + 1), node)
    for comment in comments:
        behind = rows.get(comment.span.line)
        if behind is not None and comment.span.start < behind.span.end:
            return {}  # it stands within an import, which then is left as it is
        if behind is not None:
            found[behind] = comment
    return found
