"""Reading PostgreSQL's protocol from hostile bytes: whatever is read is written the same, the rest is a violation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from doorward_gateway.postgres import messages, rows
from doorward_gateway.postgres.framing import BACKEND_KINDS, FRONTEND_KINDS, Framer
from doorward_gateway.postgres.labels import statement_labels
from doorward_gateway.postgres.maskers import format_preserving, keyed_hash, partial, redact
from doorward_gateway.postgres.protocol import ProtocolViolation
from doorward_gateway.postgres.reports import parse_report, without_values
from doorward_gateway.postgres.startup import Startup, parse_first_packet, vet
from doorward_gateway.postgres.values import readable

from .faults import WrongAnswer

__all__ = ["read_wire"]

_LIMIT: Final = 10_000
_KEY: Final = bytes(range(32))
_MASKERS: Final = (redact, partial(4), keyed_hash(_KEY), format_preserving(_KEY), None)
_OIDS: Final = (
    16,
    17,
    19,
    20,
    21,
    23,
    25,
    26,
    114,
    142,
    700,
    701,
    705,
    1042,
    1043,
    1082,
    1114,
    1184,
    1700,
    2950,
    3802,
)


def read_wire(data: bytes) -> None:
    """Run the decoder that the first byte says on the rest. Raises WrongAnswer, and whatever a decoder lets out."""
    if data:
        _DECODERS[data[0] % len(_DECODERS)](data[1:])


def _stream(kinds: frozenset[int], read: Callable[[list[Any], bytes], None], data: bytes) -> None:
    """Feed a stream in two ways of cutting it: the messages are the same, and so is whether it is the protocol."""
    whole, pieces = _cut(kinds, data, len(data) or 1), _cut(kinds, data, 3)
    if whole != pieces:
        raise WrongAnswer("a stream reads differently in pieces", f"{whole} {pieces}")
    shape: list[Any] = []
    for message in whole[0]:
        try:
            read(shape, message)
        except ProtocolViolation:
            continue


def _cut(kinds: frozenset[int], data: bytes, size: int) -> tuple[list[bytes], str]:
    framer = Framer(kinds, _LIMIT)
    found: list[bytes] = []
    try:
        for at in range(0, len(data), size):
            framer.feed(data[at : at + size])
            for message in framer.messages():
                found.append(message)  # noqa: PERF402 - what came before a violation counts
    except ProtocolViolation as violation:
        return found, str(violation)
    if sum(map(len, found)) + len(framer) != len(data):
        raise WrongAnswer("bytes were lost between messages")
    return found, ""


def _frontend(_shape: list[Any], message: bytes) -> None:
    match message[:1]:
        case b"Q":
            text = messages.parse_query(message)
            _same(message, messages.query(text))
            statement_labels(text.decode("utf-8", "replace"))
        case b"P":
            _same(message, messages.parse_parse(message).encode())
        case b"B":
            bind = messages.parse_bind(message)
            _same(message, bind.encode())
            for at, value in enumerate(bind.parameters):
                readable(_OIDS[at % len(_OIDS)], value, rows.format_of(bind.parameter_formats, at) == 1)
        case b"D":
            target = messages.parse_describe(message)
            _same(message, messages.describe(target.what, target.name))
        case b"C":
            closed = messages.parse_close(message)
            _same(message, messages.close(closed.what, closed.name))
        case b"E":
            _same(message, messages.parse_execute(message).encode())


def _backend(shape: list[Any], message: bytes) -> None:
    match message[:1]:
        case b"S":
            messages.parse_parameter_status(message)
        case b"t":
            messages.parse_parameter_description(message)
        case b"C":
            messages.command_tag(message)
        case b"E" | b"N":
            without_values(parse_report(message)).encode()
        case b"T":
            shape[:] = rows.parse_shape(message)
            _same(message, rows.encode_shape(tuple(shape)))
        case b"D":
            _row(tuple(shape), message)


def _row(shape: rows.Shape, message: bytes) -> None:
    maskers = [_MASKERS[at % len(_MASKERS)] for at in range(len(shape))]
    told = rows.told_shape(shape, [masker is not None for masker in maskers])
    changes = [
        None if masker is None else rows.value_masker(masker, came, seen)
        for masker, came, seen in zip(maskers, shape, told, strict=True)
    ]
    masked = rows.row_masker(changes)(message)
    before, after = rows.row_values(message), rows.row_values(masked)
    for masker, old, new in zip(maskers, before, after, strict=True):
        if masker is None and old != new:
            raise WrongAnswer("a value that is not masked has changed")
        if masker is redact and old and old == new and old != redact(old):
            raise WrongAnswer("a masked value has passed")


def _first(data: bytes) -> None:
    try:
        packet = parse_first_packet(data)
        if isinstance(packet, Startup):
            wanted, _ = vet(packet)
            if {"role", "session_authorization", "replication"} & {name.lower() for name in wanted}:
                raise WrongAnswer("a client becomes somebody else at start-up")
    except ProtocolViolation:
        return


def _value(data: bytes) -> None:
    text = readable(int.from_bytes(data[:2], "big"), data[2:], binary=True)
    if text is None:
        raise WrongAnswer("a value reads as null")


def _same(came: bytes, written: bytes) -> None:
    if came != written:
        raise WrongAnswer("a message is written otherwise than it was read", f"{came!r} {written!r}")


_DECODERS: Final[tuple[Callable[[bytes], None], ...]] = (
    lambda data: _stream(FRONTEND_KINDS, _frontend, data),
    lambda data: _stream(BACKEND_KINDS, _backend, data),
    _first,
    _value,
)
