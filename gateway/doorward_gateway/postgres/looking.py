"""Looking into the values of columns for what `content(…)` in a policy finds.

Where any text is a value of the type, what was found is masked where it stands, in JSON string by string; a value of any
other type in which something is found becomes null.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import orjson

from doorward_gateway.content import DETECTORS, Scanner
from doorward_gateway.content.scanner import TextMasker
from doorward_gateway.postgres.maskers import Masker, masker_of, strength
from doorward_gateway.postgres.rows import Field
from doorward_gateway.postgres.values import TEXT_FAMILY, text_of_binary

__all__ = ["CONTENT", "ContentMask", "detector_of"]

CONTENT: Final = -1
"""Stands for the method of a column that is looked into, among those of `doorward.v1.MaskMethod`."""

_XML: Final = 142
_JSON: Final = 114
_JSONB: Final = 3802
_BYTEA: Final = 17
_JSONB_VERSION: Final = b"\x01"
_TOO_SMALL: Final = frozenset((16, 21, 23, 26, 700, 1082, 1083, 1114, 1184, 1186, 1266, 2950))
"""Types in whose values nothing can be found: bool, int2, int4, oid, float4, dates and times, uuid."""


def detector_of(target: str) -> str:
    """The detector that a mask's target names; empty where it names none."""
    inside = target.removeprefix("content(").removesuffix(")")
    return inside if target == f"content({inside})" else ""


@dataclass(frozen=True, slots=True)
class ContentMask:
    """The masks (`doorward.v1.Mask`) by content that apply to a column which has no mask of its own."""

    masks: tuple[Any, ...]
    method: int = CONTENT

    def value_masker(self, field: Field, key: bytes) -> Masker | None:
        """Masks the values of a column as they come; `None` where there cannot be anything in them."""
        if field.type_oid in _TOO_SMALL:
            return None
        strongest_first = sorted(self.masks, key=strength, reverse=True)
        scanner = Scanner(
            [
                (DETECTORS[detector_of(mask.target)], _in_text(masker_of(mask, key)))
                for mask in strongest_first
            ]
        )
        if field.type_oid in TEXT_FAMILY or field.type_oid == _XML:
            return _text(scanner)
        if field.type_oid in (_JSON, _JSONB):
            return _json(scanner, prefix=_JSONB_VERSION if field.type_oid == _JSONB and field.format else b"")
        return _other(scanner, field)


def _in_text(masker: Masker) -> TextMasker:
    def mask(found: str) -> str:
        return (masker(found.encode()) or b"").decode(errors="replace")

    return mask


def _text(scanner: Scanner) -> Masker:
    def mask(value: bytes | None) -> bytes | None:
        if value is None:
            return None
        text = value.decode(errors="replace")
        masked = scanner.mask(text)
        return value if masked == text else masked.encode()

    return mask


def _json(scanner: Scanner, *, prefix: bytes) -> Masker:
    def mask(value: bytes | None) -> bytes | None:
        if value is None:
            return None
        text = value.removeprefix(prefix).decode(errors="replace")
        if "\\" not in text and not scanner.finds(text):
            return value  # no escape hides anything
        try:
            document = json.loads(text, parse_float=_Number, parse_int=_Number)
            masked = _walk(document, scanner)
            return prefix + orjson.dumps(masked, default=_as_written)
        except (ValueError, TypeError, RecursionError):
            return None

    return mask


class _Number:
    """A number as it was written, to the last digit. No dataclass, which orjson would write as an object."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def _as_written(value: Any) -> orjson.Fragment:
    if not isinstance(value, _Number):
        raise TypeError
    return orjson.Fragment(value.text)


def _walk(value: Any, scanner: Scanner) -> Any:
    if isinstance(value, str):
        return scanner.mask(value)
    if isinstance(value, _Number):
        masked = scanner.mask(value.text)
        return value if masked == value.text else masked
    if isinstance(value, list):
        return [_walk(item, scanner) for item in value]
    if isinstance(value, dict):
        return {scanner.mask(name): _walk(item, scanner) for name, item in value.items()}
    return value


def _other(scanner: Scanner, field: Field) -> Masker:
    def mask(value: bytes | None) -> bytes | None:
        if value is None:
            return None
        return None if scanner.finds(_readable(field, value)) else value

    return mask


def _readable(field: Field, value: bytes) -> str:
    """What somebody could read in a value."""
    if field.type_oid == _BYTEA:
        raw = value
        if not field.format and value.startswith(b"\\x"):
            try:
                raw = bytes.fromhex(value[2:].decode())
            except ValueError:
                raw = value
        return raw.decode(errors="replace")
    text = text_of_binary(field.type_oid, value) if field.format else None
    return value.decode(errors="replace") if text is None else text
