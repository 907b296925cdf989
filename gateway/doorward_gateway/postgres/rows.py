"""Result sets: reading their shape, and changing the values of masked columns, in text and in binary.

A masked value is text. A masked column of another type is therefore announced as `text` (except under
`null`, which every type has), in the format the client asked for: text is the same bytes in both. Where the
client has been told another type already, or the value came in a binary form that cannot be read, the value
becomes null.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from struct import Struct, error
from typing import Final, TypeAlias

from doorward_gateway.postgres.maskers import Masker
from doorward_gateway.postgres.messages import Reader, cstring, frame
from doorward_gateway.postgres.protocol import Backend, ProtocolViolation
from doorward_gateway.postgres.values import TEXT, TEXT_FAMILY, text_of_binary

__all__ = [
    "Field",
    "RowMasker",
    "Shape",
    "encode_shape",
    "format_of",
    "formatted",
    "parse_shape",
    "row_masker",
    "row_values",
    "told_shape",
    "value_masker",
]

_FIELD: Final = Struct("!IhIhih")
_LENGTH: Final = Struct("!i")
_COUNT: Final = Struct("!H")
_NULL: Final = _LENGTH.pack(-1)


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a result: the name, where the server says it comes from (0: nowhere), and its type."""

    name: bytes
    table_oid: int
    attnum: int
    type_oid: int
    type_size: int
    type_modifier: int
    format: int


Shape: TypeAlias = tuple[Field, ...]
"""The columns of a result."""

RowMasker: TypeAlias = Callable[[bytes], bytes]
"""Takes a whole DataRow message and gives the one to send instead. Raises `ProtocolViolation`."""


def parse_shape(message: bytes) -> Shape:
    """Reads a RowDescription message. Raises `ProtocolViolation`."""
    reader = Reader(message)
    fields = []
    for _ in range(reader.uint16()):
        name = reader.text()
        fields.append(Field(name, *_FIELD.unpack(reader.take(_FIELD.size))))
    reader.finish()
    return tuple(fields)


def encode_shape(shape: Shape) -> bytes:
    """A RowDescription message."""
    parts = [_COUNT.pack(len(shape))]
    for field in shape:
        parts.append(cstring(field.name))
        parts.append(
            _FIELD.pack(
                field.table_oid,
                field.attnum,
                field.type_oid,
                field.type_size,
                field.type_modifier,
                field.format,
            )
        )
    return frame(Backend.ROW_DESCRIPTION, b"".join(parts))


def format_of(formats: Sequence[int], index: int) -> int:
    """The format of a column under result format codes as in Bind: none means text, one is for all
    columns.
    """
    if len(formats) < 2:
        return formats[0] if formats else 0
    return formats[index] if index < len(formats) else 0


def formatted(shape: Shape, formats: Sequence[int]) -> Shape:
    """The shape of a described statement as its rows come under those result formats."""
    wanted = [format_of(formats, index) for index in range(len(shape))]
    return tuple(
        field if field.format == code else replace(field, format=code)
        for field, code in zip(shape, wanted, strict=True)
    )


def told_shape(shape: Shape, retyped: Sequence[bool]) -> Shape:
    """The shape as the client is told it: `retyped` columns as `text`."""
    told = []
    for field, as_text in zip(shape, retyped, strict=True):
        if as_text:
            known = field.type_oid if field.type_oid in TEXT_FAMILY else TEXT
            field = replace(field, type_oid=known, type_size=-1, type_modifier=-1)
        told.append(field)
    return tuple(told)


def row_masker(changes: Sequence[Masker | None]) -> RowMasker:
    """Masks the rows of a result: for each column what becomes of its values as they come, `None` for nothing."""
    changes = tuple(changes)
    count = len(changes)

    def mask(message: bytes) -> bytes:
        try:
            if _COUNT.unpack_from(message, 5)[0] != count:
                raise ProtocolViolation("a row has another number of columns than was announced")
            at = copied = 7
            parts = []
            for change in changes:
                (length,) = _LENGTH.unpack_from(message, at)
                end = at + 4 + (length if length > 0 else 0)
                if change is not None:
                    value = change(None if length < 0 else message[at + 4 : end])
                    parts.append(message[copied:at])
                    parts.append(_NULL if value is None else _LENGTH.pack(len(value)) + value)
                    copied = end
                at = end
        except error:
            raise ProtocolViolation("a row ends before its values do") from None
        if at != len(message):
            raise ProtocolViolation("the values of a row do not fill it")
        parts.append(message[copied:])
        return frame(Backend.DATA_ROW, message[5:7] + b"".join(parts))

    return mask


def row_values(message: bytes) -> list[bytes | None]:
    """The values of a DataRow message. Raises `ProtocolViolation`."""
    reader = Reader(message)
    values = [reader.value() for _ in range(reader.uint16())]
    reader.finish()
    return values


def value_masker(masker: Masker, came: Field, told: Field) -> Masker:
    """A masker of the column's values as they come, whose results fit what the client has been told."""
    if told.type_oid not in TEXT_FAMILY:
        # Only null and other nothings are values of every type; the result of any other masker might not be.
        return _nothing
    if came.format == 0 or came.type_oid in TEXT_FAMILY:
        return masker

    def mask(value: bytes | None) -> bytes | None:
        if value is None:
            return masker(None)
        text = text_of_binary(came.type_oid, value)
        return None if text is None else masker(text.encode())

    return mask


def _nothing(value: bytes | None) -> bytes | None:
    return None
