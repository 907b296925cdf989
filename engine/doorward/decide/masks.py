"""From mask targets to the outputs of one operation that have to be masked.

Two roads lead to every masked value, so that either alone would catch it: the outputs to which lineage ties
the target, and the physical columns (origins) by which the server itself will report them.

What cannot be masked is blocked: a target that this kind of request does not have, a question about a masked
column (whoever may ask `ssn like '1%'` can read it by asking often enough; an order or a group is such a
question, too), a masked value that is copied to where no mask follows.

A masked column may be joined on: compared for equality with another stored column, as a condition of the whole
query. What stays possible is what such a join tells: which stored values of the other column the masked one
has. A caller who may also write to the other table can put guesses there and see which of them match; temporary
tables, settings and system views do not count as stored. Against the rest, a policy can block writes to the
tables that are joined on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

from doorward.compile.findings import Target
from doorward.decide.combine import Masking
from doorward.decide.decision import Mask, Origin, Output, Reason
from doorward.facts.postgres.catalogue import Catalogue
from doorward.facts.postgres.model import Analysis, Column
from doorward.facts.postgres.shown import shown_columns

__all__ = ["MaskResolver", "column_matches", "masks_of_documents", "target_text"]

_Masks: TypeAlias = Mapping[Target, Masking]

_REMEMBERED: Final = 4096


def target_text(target: Target) -> str:
    """The target as the policy writes it."""
    return f"content({target.text})" if target.kind == "content" else target.text


def column_matches(target: str, relation: str, column: str) -> bool:
    """Whether `table.column`, `*.column` or `schema.table.column` means a column of a relation.

    `relation` is as facts name it: bare in `public`, else `schema.name`. Upper and lower case are one: a mask
    that a capital letter switched off would be no mask.
    """
    *path, wanted = target.casefold().split(".")
    if wanted != column.casefold():
        return False
    schema, _, table = relation.casefold().rpartition(".")
    if len(path) == 1:
        return path[0] == "*" or path[0] == relation.casefold()
    return len(path) == 2 and path[0] in ("*", schema or "public") and path[1] in ("*", table)


class MaskResolver:
    """Resolves masks; remembers which columns of a catalogue a target means. Threads may share it."""

    __slots__ = ("_columns",)

    def __init__(self) -> None:
        self._columns: dict[tuple[str, str], frozenset[Column]] = {}

    def resolve(
        self, masks: _Masks, analysis: Analysis, catalogue: Catalogue
    ) -> tuple[tuple[Mask, ...], set[Reason]]:
        """The obligations, sorted by target, and the blocks for what cannot be carried out."""
        blocks = {
            _block(masking, f"`{target_text(target)}` cannot be masked in an answer of this kind")
            for target, masking in masks.items()
            if target.kind == "json_path"
        }
        by_content = [
            _unresolved(target, masking) for target, masking in masks.items() if target.kind == "content"
        ]
        fields = {target.text: masking for target, masking in masks.items() if target.kind == "field"}
        if not fields:
            return _in_order(by_content), blocks
        for text, masking in fields.items():
            for column in analysis.probed:
                if column_matches(text, column.relation, column.name):
                    why = "masked, so it cannot decide which rows come, or in which order"
                    blocks.add(_block(masking, f"`{column}` is {why}"))
            for column in analysis.stored:
                if column_matches(text, column.relation, column.name):
                    why = "masked, so its value cannot go anywhere but into the answer"
                    blocks.add(_block(masking, f"`{column}` is {why}"))
        by_column = _assign(fields, analysis, lambda text: self._known(text, catalogue))
        return _in_order([*by_column, *by_content]), blocks

    def _known(self, target: str, catalogue: Catalogue) -> frozenset[Column]:
        """The columns of the catalogue that a target means, and those that show one of them."""
        columns = self._columns.get((catalogue.hash, target))
        if columns is None:
            columns = frozenset(
                c for c in catalogue.user_columns if column_matches(target, c.relation, c.name)
            )
            shown = shown_columns(catalogue)
            columns |= {column for column, behind in shown.items() if not columns.isdisjoint(behind)}
            if len(self._columns) >= _REMEMBERED:
                self._columns.clear()
            self._columns[catalogue.hash, target] = columns
        return columns


def masks_of_documents(masks: _Masks) -> tuple[tuple[Mask, ...], set[Reason]]:
    """The obligations on an answer that is a document or a text, sorted by target, and the blocks for what it lacks.

    The gateway finds the places itself, as the answer passes: by path in JSON, by content anywhere.
    """
    made: list[Mask] = []
    blocks: set[Reason] = set()
    for target in sorted(masks, key=target_text):
        masking = masks[target]
        if target.kind == "field":
            blocks.add(_block(masking, f"`{target.text}` is a column, and this answer has none"))
        else:
            made.append(_unresolved(target, masking))
    return tuple(made), blocks


def _unresolved(target: Target, masking: Masking) -> Mask:
    """An obligation whose places the gateway finds itself."""
    return Mask(
        target=target_text(target),
        method=masking.method,
        keep_last=masking.keep_last,
        replacement=masking.replacement,
        outputs=(),
        origins=(),
        reason=masking.reason.text,
    )


def _in_order(masks: Iterable[Mask]) -> tuple[Mask, ...]:
    return tuple(sorted(masks, key=lambda mask: mask.target))


def _block(masking: Masking, text: str) -> Reason:
    return Reason(masking.reason.id, "block", text, masking.reason.place)


def _assign(
    fields: Mapping[str, Masking], analysis: Analysis, known: Callable[[str], Iterable[Column]]
) -> tuple[Mask, ...]:
    """Give every output and origin to the strongest mask that covers it."""
    columns = _all_columns(analysis)
    outputs: dict[tuple[int, int], tuple[str, bool]] = {}
    origins: dict[Origin, str] = {}
    # the weakest first, so that what a stronger one covers too is taken over by it
    for text in sorted(fields, key=lambda text: (fields[text], text)):
        for column in known(text):
            origins[Origin(column.table_oid, column.attnum)] = text
        covered = {c for c in columns if column_matches(text, c.relation, c.name)}
        if not covered:
            continue
        for at, statement in enumerate(analysis.outputs):
            for number, output in enumerate(statement):
                whole = not covered.isdisjoint(output.derived)
                if whole or not covered.isdisjoint(output.direct):
                    _, earlier = outputs.get((at, number), ("", False))
                    outputs[at, number] = (text, whole or earlier)
    made = []
    for text in sorted(fields):
        masking = fields[text]
        mask = Mask(
            target=text,
            method=masking.method,
            keep_last=masking.keep_last,
            replacement=masking.replacement,
            outputs=tuple(sorted(Output(*at, whole) for at, (by, whole) in outputs.items() if by == text)),
            origins=tuple(sorted(origin for origin, by in origins.items() if by == text)),
            reason=masking.reason.text,
        )
        if mask.outputs or mask.origins:
            made.append(mask)
    return tuple(made)


def _all_columns(analysis: Analysis) -> frozenset[Column]:
    """Every column behind any output. Many outputs may share one large set: it is looked at once."""
    sets = {id(found): found for row in analysis.outputs for o in row for found in (o.direct, o.derived)}
    return frozenset().union(*sets.values())
