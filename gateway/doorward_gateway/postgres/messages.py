"""The messages the gateway reads and writes, as values: bytes in, dataclass out, and back.

Decoders take a whole message (header included) and raise `ProtocolViolation` on anything that does not fit
it exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from struct import Struct, error
from typing import Final

from doorward_gateway.postgres.protocol import Backend, Frontend, ProtocolViolation

__all__ = [
    "Bind",
    "Close",
    "Describe",
    "Execute",
    "Parse",
    "Reader",
    "authentication",
    "backend_key_data",
    "command_tag",
    "cstring",
    "describe",
    "flush",
    "frame",
    "negotiate_protocol_version",
    "parameter_status",
    "parse_bind",
    "parse_close",
    "parse_describe",
    "parse_execute",
    "parse_parameter_description",
    "parse_parameter_status",
    "parse_parse",
    "parse_query",
    "password",
    "query",
    "ready_for_query",
    "sync",
    "terminate",
]

_INT16: Final = Struct("!h")
_UINT16: Final = Struct("!H")
_INT32: Final = Struct("!i")
_UINT32: Final = Struct("!I")


class Reader:
    """Reads the fields of one message in order; `finish` checks that nothing is left."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes, at: int = 5) -> None:
        self._data = data
        self._at = at

    def _number(self, form: Struct) -> int:
        try:
            (value,) = form.unpack_from(self._data, self._at)
        except error:
            raise self._torn() from None
        self._at += form.size
        return int(value)

    def int16(self) -> int:
        """A signed 16-bit number."""
        return self._number(_INT16)

    def uint16(self) -> int:
        """An unsigned 16-bit number, as counts are."""
        return self._number(_UINT16)

    def int32(self) -> int:
        """A signed 32-bit number."""
        return self._number(_INT32)

    def uint32(self) -> int:
        """An unsigned 32-bit number, as OIDs are."""
        return self._number(_UINT32)

    def text(self) -> bytes:
        """Bytes up to a zero, which is consumed and left out."""
        end = self._data.find(b"\0", self._at)
        if end < 0:
            raise self._torn()
        value = self._data[self._at : end]
        self._at = end + 1
        return value

    def take(self, count: int) -> bytes:
        """Exactly `count` bytes."""
        end = self._at + count
        if count < 0 or end > len(self._data):
            raise self._torn()
        value = self._data[self._at : end]
        self._at = end
        return value

    def rest(self) -> bytes:
        """Whatever is left."""
        return self.take(len(self._data) - self._at)

    def value(self) -> bytes | None:
        """A length and that many bytes; the length -1 stands for null."""
        length = self.int32()
        return None if length == -1 else self.take(length)

    def finish(self) -> None:
        """Raises `ProtocolViolation` unless everything has been read."""
        if self._at != len(self._data):
            raise ProtocolViolation(f"a message of type {chr(self._data[0])!r} is longer than its contents")

    def _torn(self) -> ProtocolViolation:
        return ProtocolViolation(f"a message of type {chr(self._data[0])!r} ends before its contents do")


@dataclass(frozen=True, slots=True)
class Parse:
    """Makes a prepared statement; the empty name is the unnamed one."""

    name: bytes
    statement: bytes
    types: tuple[int, ...] = ()

    def encode(self) -> bytes:
        """The message as bytes."""
        types = b"".join(map(_UINT32.pack, self.types))
        body = cstring(self.name) + cstring(self.statement) + _UINT16.pack(len(self.types)) + types
        return frame(Frontend.PARSE, body)


@dataclass(frozen=True, slots=True)
class Bind:
    """Makes a portal of a prepared statement. Format codes: 0 text, 1 binary; none: all text; one: for
    all.
    """

    portal: bytes
    statement: bytes
    parameter_formats: tuple[int, ...]
    parameters: tuple[bytes | None, ...]
    result_formats: tuple[int, ...]

    def encode(self) -> bytes:
        """The message as bytes."""
        parts = [cstring(self.portal), cstring(self.statement), _formats(self.parameter_formats)]
        parts.append(_UINT16.pack(len(self.parameters)))
        parts.extend(
            _INT32.pack(-1) if value is None else _INT32.pack(len(value)) + value for value in self.parameters
        )
        parts.append(_formats(self.result_formats))
        return frame(Frontend.BIND, b"".join(parts))


@dataclass(frozen=True, slots=True)
class Describe:
    """Asks for the shape of a statement (`S`) or a portal (`P`)."""

    what: bytes
    name: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Drops a statement (`S`) or a portal (`P`)."""

    what: bytes
    name: bytes


@dataclass(frozen=True, slots=True)
class Execute:
    """Runs a portal; `limit` is the most rows to send before suspending it, 0 for all."""

    portal: bytes
    limit: int = 0

    def encode(self) -> bytes:
        """The message as bytes."""
        return frame(Frontend.EXECUTE, cstring(self.portal) + _INT32.pack(self.limit))


def parse_query(message: bytes) -> bytes:
    """The text of a simple query."""
    reader = Reader(message)
    text = reader.text()
    reader.finish()
    return text


def parse_parse(message: bytes) -> Parse:
    """Reads a Parse message."""
    reader = Reader(message)
    name, statement = reader.text(), reader.text()
    types = tuple(reader.uint32() for _ in range(reader.uint16()))
    reader.finish()
    return Parse(name, statement, types)


def parse_bind(message: bytes) -> Bind:
    """Reads a Bind message."""
    reader = Reader(message)
    portal, statement = reader.text(), reader.text()
    parameter_formats = _read_formats(reader)
    parameters = tuple(reader.value() for _ in range(reader.uint16()))
    result_formats = _read_formats(reader)
    reader.finish()
    if len(parameter_formats) > 1 and len(parameter_formats) != len(parameters):
        raise ProtocolViolation(
            f"a bind message has {len(parameter_formats)} parameter formats but {len(parameters)} parameters"
        )
    return Bind(portal, statement, parameter_formats, parameters, result_formats)


def parse_describe(message: bytes) -> Describe:
    """Reads a Describe message."""
    return Describe(*_target(message))


def parse_close(message: bytes) -> Close:
    """Reads a Close message."""
    return Close(*_target(message))


def parse_execute(message: bytes) -> Execute:
    """Reads an Execute message."""
    reader = Reader(message)
    portal, limit = reader.text(), reader.int32()
    reader.finish()
    return Execute(portal, limit)


def parse_parameter_status(message: bytes) -> tuple[str, str]:
    """Name and value of a ParameterStatus message."""
    reader = Reader(message)
    name, value = reader.text(), reader.text()
    reader.finish()
    return name.decode(errors="replace"), value.decode(errors="replace")


def parse_parameter_description(message: bytes) -> tuple[int, ...]:
    """The type OIDs of a statement's parameters."""
    reader = Reader(message)
    types = tuple(reader.uint32() for _ in range(reader.uint16()))
    reader.finish()
    return types


def command_tag(message: bytes) -> str:
    """The tag of a CommandComplete message, such as `SELECT 3`."""
    reader = Reader(message)
    tag = reader.text()
    reader.finish()
    return tag.decode(errors="replace")


def frame(kind: int, body: bytes = b"") -> bytes:
    """A message of that kind."""
    return bytes((kind,)) + _UINT32.pack(len(body) + 4) + body


def cstring(value: bytes) -> bytes:
    """The bytes and a closing zero. Raises `ProtocolViolation` if there is a zero inside."""
    if b"\0" in value:
        raise ProtocolViolation("a text with a zero byte inside")
    return value + b"\0"


def query(text: bytes) -> bytes:
    """A simple query."""
    return frame(Frontend.QUERY, cstring(text))


def describe(what: bytes, name: bytes) -> bytes:
    """Asks for the shape of a statement (`S`) or a portal (`P`)."""
    return frame(Frontend.DESCRIBE, what + cstring(name))


def close(what: bytes, name: bytes) -> bytes:
    """Drops a statement (`S`) or a portal (`P`)."""
    return frame(Frontend.CLOSE, what + cstring(name))


def flush() -> bytes:
    """Asks for the answers that the server still holds back."""
    return frame(Frontend.FLUSH)


def sync() -> bytes:
    """Ends a run of extended-query messages."""
    return frame(Frontend.SYNC)


def terminate() -> bytes:
    """Says goodbye."""
    return frame(Frontend.TERMINATE)


def password(data: bytes) -> bytes:
    """A password, or a step of SASL."""
    return frame(Frontend.PASSWORD, data)


def authentication(kind: int, data: bytes = b"") -> bytes:
    """An Authentication message."""
    return frame(Backend.AUTHENTICATION, _UINT32.pack(kind) + data)


def ready_for_query(status: bytes = b"I") -> bytes:
    """The server waits for the next statement; status `I` idle, `T` in a transaction, `E` in a failed one."""
    return frame(Backend.READY_FOR_QUERY, status)


def parameter_status(name: str, value: str) -> bytes:
    """A setting that the client is told of."""
    return frame(Backend.PARAMETER_STATUS, cstring(name.encode()) + cstring(value.encode()))


def backend_key_data(pid: int, key: bytes) -> bytes:
    """What the client needs to cancel a statement."""
    return frame(Backend.BACKEND_KEY_DATA, _UINT32.pack(pid) + key)


def negotiate_protocol_version(newest: int, options: Iterable[str]) -> bytes:
    """The newest version spoken here (major << 16 | minor), and the protocol options that are not
    understood.
    """
    names = [cstring(name.encode()) for name in options]
    body = _UINT32.pack(newest) + _UINT32.pack(len(names)) + b"".join(names)
    return frame(Backend.NEGOTIATE_PROTOCOL_VERSION, body)


def _target(message: bytes) -> tuple[bytes, bytes]:
    reader = Reader(message)
    what, name = reader.take(1), reader.text()
    reader.finish()
    if what not in (b"S", b"P"):
        raise ProtocolViolation(
            f"a message of type {chr(message[0])!r} for {what!r}, which is neither `S` nor `P`"
        )
    return what, name


def _formats(formats: Sequence[int]) -> bytes:
    return _UINT16.pack(len(formats)) + b"".join(map(_UINT16.pack, formats))


def _read_formats(reader: Reader) -> tuple[int, ...]:
    formats = tuple(reader.uint16() for _ in range(reader.uint16()))
    if any(code > 1 for code in formats):
        raise ProtocolViolation("a format code that is neither 0 (text) nor 1 (binary)")
    return formats
