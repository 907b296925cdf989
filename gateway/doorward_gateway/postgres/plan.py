"""What a decision's masks mean for one operation: which of its columns, which messages, whether they can be
carried out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from doorward_gateway.content import DETECTORS
from doorward_gateway.postgres.looking import CONTENT, ContentMask, detector_of
from doorward_gateway.postgres.maskers import Masker, masker_of, strength
from doorward_gateway.postgres.rows import (
    Field,
    RowMasker,
    Shape,
    format_of,
    formatted,
    row_masker,
    told_shape,
    value_masker,
)
from doorward_gateway.postgres.values import TEXT_FAMILY
from doorward_proto.v1 import decision_pb2 as pb

__all__ = ["NO_MASKS", "MaskPlan", "MaskedResult", "plan_of"]


@dataclass(frozen=True, slots=True)
class MaskPlan:
    """The masks (`doorward.v1.Mask`) in force for one operation.

    `touched`: the operation has to do with a relation that has masked columns, so that its errors and
    notices may carry their values. `read`: it reads a masked column. `refusal`: a mask that this gateway
    cannot carry out; empty when there is none. `widths`: for each statement of the operation how many columns
    its answer has, as analysis saw it; of every plan that this one was made of.
    """

    masks: tuple[Any, ...] = ()
    touched: bool = False
    read: bool = False
    refusal: str = ""
    widths: frozenset[tuple[int, ...]] = frozenset()

    def __or__(self, other: MaskPlan) -> MaskPlan:
        """Both plans at once."""
        if not other.masks:
            return self
        if not self.masks:
            return other
        return MaskPlan(
            self.masks + other.masks,
            self.touched or other.touched,
            self.read or other.read,
            self.refusal or other.refusal,
            self.widths | other.widths,
        )

    def columns(self, statement: int, shape: Shape) -> tuple[Any, ...]:
        """For each column of the result of that statement (from 0) the mask that applies, or `None`.

        A column is masked where analysis says that a masked value comes out, and where the server says that
        it comes from a masked column; the strongest of all masks wins. An answer that is not the one that was
        analysed is redacted whole: none of it can be told apart.
        """
        if self.masks and not self._foreseen(statement, len(shape)):
            return (_WHOLE,) * len(shape)
        chosen: list[Any] = [None] * len(shape)
        for mask in self.masks:
            for output in mask.outputs:
                if output.statement != statement:
                    continue
                _strengthen(chosen, output.column, _WHOLE if output.whole else mask)
            origins = {(origin.table_oid, origin.column_number) for origin in mask.origins}
            for index, field in enumerate(shape):
                if field.table_oid and (field.table_oid, field.attnum) in origins:
                    _strengthen(chosen, index, mask)
        content = tuple(mask for mask in self.masks if detector_of(mask.target) in DETECTORS)
        if content:
            return tuple(ContentMask(content) if mask is None else mask for mask in chosen)
        return tuple(chosen)

    def _foreseen(self, statement: int, count: int) -> bool:
        """Whether analysis saw an answer of so many columns, and no mask on one beyond them."""
        widths_hold = all(statement < len(widths) and widths[statement] == count for widths in self.widths)
        return widths_hold and all(
            output.column < count
            for mask in self.masks
            for output in mask.outputs
            if output.statement == statement
        )


NO_MASKS: Final = MaskPlan()
_WHOLE: Final = pb.Mask(method=pb.MASK_METHOD_REDACT)


@dataclass(frozen=True, slots=True)
class MaskedResult:
    """One result set under masks: what the client is told of its shape, and how its rows change."""

    told: Shape
    rows: RowMasker
    masks: tuple[Any, ...]

    @classmethod
    def make(
        cls,
        masks: Sequence[Any],
        shape: Shape,
        key: bytes,
        *,
        formats: Sequence[int] | None = None,
        fixed: Shape | None = None,
    ) -> MaskedResult:
        """For a result that the server sends in `shape`.

        `formats` are the result formats that the client asked for; `None`: as the server sends. `fixed` is
        what the client has been told of the types before, to which the values must fit.
        """
        retyped = [
            mask is not None
            and mask.method not in (pb.MASK_METHOD_NULL, CONTENT)
            and (fixed is None or fixed[index].type_oid in TEXT_FAMILY)
            for index, mask in enumerate(masks)
        ]
        told = told_shape(shape if formats is None else formatted(shape, formats), retyped)
        changes = [
            _change(mask, came, seen, key) for mask, came, seen in zip(masks, shape, told, strict=True)
        ]
        return cls(told, row_masker(changes), tuple(masks))

    @staticmethod
    def server_formats(masks: Sequence[Any], formats: Sequence[int]) -> tuple[int, ...]:
        """The result formats to ask the server for: masked columns as text, which every masker
        understands.
        """
        return tuple(
            format_of(formats, index) if mask is None or mask.method == CONTENT else 0
            for index, mask in enumerate(masks)
        )


def plan_of(masks: Iterable[Any], facts: Mapping[str, Any]) -> MaskPlan:
    """The plan for the masks of a decision on an operation with those `sql` facts."""
    kept = tuple(masks)
    if not kept:
        return NO_MASKS
    columns = frozenset(name.rpartition(".")[2] for name in facts.get("columns", ()))
    tables = frozenset(facts.get("tables", ()))
    opaque = bool(facts.get("opaque", True))
    touched = read = opaque
    refusal = ""
    for mask in kept:
        if detector_of(mask.target) in DETECTORS:
            # What it looks for may stand in any value, and so in any error; COPY is not looked into.
            touched = read = True
            continue
        if not mask.outputs and not mask.origins and mask.target.startswith(("content(", "$")):
            refusal = refusal or f"the mask on `{mask.target}` cannot be carried out on this protocol"
        table, _, column = mask.target.rpartition(".")
        read = read or bool(mask.outputs) or column in columns
        # A table is named without its schema where that is `public`, so the target may say more than the
        # fact.
        touched = (
            touched or read or table == "*" or table in tables or table.removeprefix("public.") in tables
        )
    widths = facts.get("widths")
    # without any there is no answer that was foreseen
    seen = tuple(widths) if isinstance(widths, list) else ()
    return MaskPlan(kept, touched, read, refusal, frozenset({seen}))


def _change(mask: Any, came: Field, told: Field, key: bytes) -> Masker | None:
    """What becomes of the values of one column."""
    if mask is None:
        return None
    if isinstance(mask, ContentMask):
        return mask.value_masker(came, key)
    return value_masker(masker_of(mask, key), came, told)


def _strengthen(chosen: list[Any], index: int, mask: Any) -> None:
    present = chosen[index]
    if present is None or strength(mask) > strength(present):
        chosen[index] = mask
