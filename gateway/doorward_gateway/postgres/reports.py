"""Errors and notices: reading the server's, writing the gateway's, and taking values out of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from doorward_gateway.postgres.messages import Reader, cstring, frame
from doorward_gateway.postgres.protocol import Backend, ProtocolViolation

__all__ = ["Report", "parse_report", "without_values"]

_WITHHELD: Final = "the server's message is withheld, because the statement touches masked columns"

# Source files of the server whose messages quote names and the statement's own words, never stored values:
# the parser and the analysis that runs before any row is read.
_VALUE_FREE_FILES: Final = frozenset(
    (
        *(
            "scan.l",
            "gram.y",
            "parser.c",
            "analyze.c",
            "namespace.c",
            "aclchk.c",
            "lock.c",
            "postgres.c",
            "xact.c",
        ),
        *("parse_agg.c", "parse_clause.c", "parse_cte.c", "parse_expr.c", "parse_func.c", "parse_node.c"),
        *(
            "parse_oper.c",
            "parse_param.c",
            "parse_relation.c",
            "parse_target.c",
            "parse_type.c",
            "parse_utilcmd.c",
        ),
    )
)
_KEPT_FIELDS: Final = "SVCPFLR"


@dataclass(frozen=True, slots=True)
class Report:
    """An error or a notice. `fields` by their letters: `S`/`V` severity, `C` SQLSTATE, `M` message, `D`
    detail, …
    """

    fields: dict[str, str]

    @classmethod
    def make(cls, severity: str, sqlstate: str, message: str, *, detail: str = "", hint: str = "") -> Report:
        """One of the gateway's own; empty parts are left out."""
        parts = {"S": severity, "V": severity, "C": sqlstate, "M": message, "D": detail, "H": hint}
        return cls({key: value.replace("\0", "") for key, value in parts.items() if value})

    @classmethod
    def error(
        cls, sqlstate: str, message: str, *, detail: str = "", hint: str = "", place: int = 0
    ) -> Report:
        """An error after which the session goes on; `place`: of the character of the statement, from 1."""
        report = cls.make("ERROR", sqlstate, message, detail=detail, hint=hint)
        return cls({**report.fields, "P": str(place)}) if place else report

    @classmethod
    def fatal(cls, sqlstate: str, message: str, *, detail: str = "", hint: str = "") -> Report:
        """An error that ends the session."""
        return cls.make("FATAL", sqlstate, message, detail=detail, hint=hint)

    @property
    def sqlstate(self) -> str:
        """The five letters."""
        return self.fields.get("C", "")

    @property
    def message(self) -> str:
        """The primary message."""
        return self.fields.get("M", "")

    @property
    def ends_session(self) -> bool:
        """Whether the server closes the connection after it."""
        return self.fields.get("V", self.fields.get("S")) in ("FATAL", "PANIC")

    def encode(self, kind: int = Backend.ERROR_RESPONSE) -> bytes:
        """The message as bytes; `kind` is ErrorResponse or NoticeResponse."""
        parts = [key.encode() + cstring(value.encode(errors="replace")) for key, value in self.fields.items()]
        return frame(kind, b"".join(parts) + b"\0")


def parse_report(message: bytes) -> Report:
    """Reads an ErrorResponse or a NoticeResponse. Raises `ProtocolViolation`."""
    return Report(dict(_fields(Reader(message))))


def without_values(report: Report) -> Report:
    """The report with everything left out that could carry a stored value: the SQLSTATE and the place remain.

    Messages of the parser and of name resolution stay whole: they speak of names, before any row is read.
    """
    if report.fields.get("F") in _VALUE_FREE_FILES:
        return report
    kept = {key: value for key, value in report.fields.items() if key in _KEPT_FIELDS}
    return Report({**kept, "M": _WITHHELD})


def _fields(reader: Reader) -> Iterator[tuple[str, str]]:
    while True:
        key = reader.take(1)
        if key == b"\0":
            reader.finish()
            return
        if key[0] > 0x7F:
            raise ProtocolViolation("an error field whose letter is not ASCII")
        yield key.decode(), reader.text().decode(errors="replace")
