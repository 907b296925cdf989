"""The first packet of a connection: what a client may ask for, and what of it is passed on. No input or
output here.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from struct import unpack_from
from typing import Final, TypeAlias

from doorward_gateway.attribution import MAX_ATTRIBUTION, Attribution
from doorward_gateway.postgres.labels import labels_of
from doorward_gateway.postgres.messages import Reader
from doorward_gateway.postgres.protocol import ProtocolViolation, Request, SqlState
from doorward_gateway.postgres.reports import Report

__all__ = [
    "MAX_STARTUP",
    "NEWEST_VERSION",
    "Cancel",
    "Encryption",
    "FirstPacket",
    "Startup",
    "StartupRefused",
    "parse_first_packet",
    "vet",
]

MAX_STARTUP: Final = 10_000
"""The greatest length of a start-up packet in bytes, as in PostgreSQL."""

NEWEST_VERSION: Final = (3 << 16) | 2
"""Protocol 3.2, the newest spoken here."""

_MAX_KEY: Final = 256
_UTF8: Final = frozenset(("utf8", "utf-8", "unicode"))

# Settings a client may choose at start-up. None of them changes who it is or what a name stands for, other
# than `search_path`, which the gateway asks the server for.
_PASSED_ON: Final = frozenset(
    (
        *("application_name", "bytea_output", "datestyle", "default_transaction_deferrable"),
        *("default_transaction_isolation", "default_transaction_read_only", "extra_float_digits", "geqo"),
        *("idle_in_transaction_session_timeout", "idle_session_timeout", "intervalstyle", "jit"),
        *("lock_timeout", "search_path", "statement_timeout", "timezone", "transaction_timeout", "work_mem"),
    )
)
_PURPOSE: Final = "doorward.purpose"
_LABEL: Final = "doorward."


@dataclass(frozen=True, slots=True)
class Encryption:
    """A request for TLS, or for GSSAPI encryption."""

    tls: bool


@dataclass(frozen=True, slots=True)
class Cancel:
    """A request to cancel what another connection runs."""

    pid: int
    key: bytes


@dataclass(frozen=True, slots=True)
class Startup:
    """A client that wants a session. `options` are `_pq_.` protocol options, none of which is known here."""

    version: int
    parameters: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()

    @property
    def needs_negotiation(self) -> bool:
        """Whether the client has to be told that less is spoken here than it asked for."""
        return self.version > NEWEST_VERSION or bool(self.options)

    @property
    def long_key(self) -> bool:
        """Whether the client takes cancel keys of more than four bytes."""
        return self.version >= NEWEST_VERSION

    @property
    def resource(self) -> str:
        """The resource that the database name stands for: `warehouse`, or what comes before `/` in it."""
        return (self.parameters.get("database") or self.parameters.get("user", "")).partition("/")[0]

    @property
    def database(self) -> str:
        """The database that it names behind the `/`; empty: the resource's own."""
        return self.parameters.get("database", "").partition("/")[2]


FirstPacket: TypeAlias = Encryption | Cancel | Startup


class StartupRefused(ProtocolViolation):
    """The client asks for what is not given; `report` is what it is told."""

    def __init__(self, report: Report) -> None:
        super().__init__(report.message)
        self.report = report

    @classmethod
    def because(cls, sqlstate: str, message: str, *, hint: str = "") -> StartupRefused:
        """With a fatal error of these parts."""
        return cls(Report.fatal(sqlstate, message, hint=hint))


def parse_first_packet(body: bytes) -> FirstPacket:
    """Reads a start-up packet, without its length. Raises `ProtocolViolation` and `StartupRefused`."""
    if len(body) < 4:
        raise ProtocolViolation("a start-up packet that is too short")
    (code,) = unpack_from("!I", body)
    if code in (Request.SSL, Request.GSSENC):
        if len(body) != 4:
            raise ProtocolViolation("a request for encryption with something behind it")
        return Encryption(tls=code == Request.SSL)
    if code == Request.CANCEL:
        if not 12 <= len(body) <= 8 + _MAX_KEY:
            raise ProtocolViolation("a cancel request of the wrong length")
        return Cancel(unpack_from("!I", body, 4)[0], body[8:])
    if code >> 16 != 3:
        raise StartupRefused.because(
            SqlState.NOT_SUPPORTED,
            f"doorward: protocol {code >> 16}.{code & 0xFFFF} is not spoken here, only 3.x",
        )
    return _startup(code, Reader(body, 4))


def vet(startup: Startup) -> tuple[dict[str, str], Attribution]:
    """The parameters to pass on to the server, and the labels among them.

    Raises `StartupRefused` where a client asks for what would change who it is (`role`), how text is read
    (`client_encoding`), or for replication: such a session would not be what policies think it is.
    """
    wanted: dict[str, str] = {}
    claims: list[Attribution] = []
    for name, value in startup.parameters.items():
        if name in ("user", "database"):
            continue
        if name == "options":
            for key, setting in _options(value):
                _add(wanted, claims, key, setting)
        else:
            _add(wanted, claims, name, value)
    if "application_name" in wanted:
        claims.append(labels_of(wanted["application_name"]))
    attribution = Attribution()
    for claim in claims:
        attribution = attribution.or_else(claim)
    # All text is analysed and masked as UTF-8, so that is what both sides speak.
    return {**wanted, "client_encoding": "UTF8"}, attribution


def _startup(version: int, reader: Reader) -> Startup:
    parameters: dict[str, str] = {}
    options: list[str] = []
    while name := _text(reader):
        value = _text(reader)
        if name.startswith("_pq_."):
            options.append(name)
        else:
            parameters[name] = value
    reader.finish()
    if not parameters.get("user"):
        raise StartupRefused.because(
            SqlState.INVALID_AUTHORIZATION, "no PostgreSQL user name specified in startup packet"
        )
    return Startup(version, parameters, tuple(options))


def _text(reader: Reader) -> str:
    try:
        return reader.text().decode()
    except UnicodeDecodeError:
        raise ProtocolViolation("a start-up packet that is not UTF-8") from None


def _add(wanted: dict[str, str], claims: list[Attribution], name: str, value: str) -> None:
    key = name.lower()
    if key == _PURPOSE:
        # What a token is used for, which has no credential that says it. Where there is one, that counts.
        if value.isprintable() and len(value) <= MAX_ATTRIBUTION:
            claims.append(Attribution(purpose=value or None))
    elif key.startswith(_LABEL):
        claims.append(labels_of(f"{key.removeprefix(_LABEL)}='{value}'"))
    elif key == "client_encoding":
        if value.strip("'\"").lower() not in _UTF8:
            raise StartupRefused.because(
                SqlState.INVALID_PARAMETER,
                f"doorward: client encoding `{value}` is not supported, only `UTF8`",
            )
    elif key == "replication":
        if value.lower() not in ("false", "off", "no", "0"):
            raise StartupRefused.because(SqlState.NOT_SUPPORTED, "doorward: replication is not passed on")
    elif key in _PASSED_ON:
        wanted[key] = value
    else:
        raise StartupRefused.because(
            SqlState.INVALID_PARAMETER,
            f"doorward: the start-up parameter `{name}` is not passed on",
            hint="set it with a SET statement, which the policy decides on",
        )


def _options(text: str) -> list[tuple[str, str]]:
    """The settings in `-c name=value` and `--name=value` switches. Raises `StartupRefused` for any other."""
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace_split = True
    lexer.commenters = lexer.quotes = ""  # as PostgreSQL reads them: only a backslash escapes
    try:
        words = list(lexer)
    except ValueError:
        words = [text]
    found = []
    while words:
        word = words.pop(0)
        if word == "-c" and words:
            setting = words.pop(0)
        elif word.startswith(("-c", "--")):
            setting = word[2:]
        else:
            setting = ""
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise StartupRefused.because(
                SqlState.INVALID_PARAMETER, f"doorward: the start-up option `{word}` is not passed on"
            )
        found.append((name.replace("-", "_"), value))
    return found
