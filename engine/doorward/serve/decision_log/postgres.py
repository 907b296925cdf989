"""The log as a table of PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import psycopg

from doorward.serve.decision_log.settings import PostgresSettings
from doorward.serve.decision_log.sink import LinesRefused, SinkUnavailable
from doorward.serve.decision_log.table import insert_statement

__all__ = ["PostgresSink"]

_NUL: Final = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
"""What JSON can hold, and PostgreSQL cannot: it is written as the sign for what cannot be shown."""

_TELLING: Final = ("08", "28", "3D", "42", "53", "57", "25", "3F")
"""Classes of errors whose message is about the server and not about the lines."""


class PostgresSink:
    """Inserts lines, many in one statement. One that is there already is left as it is, so lines may come twice."""

    def __init__(self, settings: PostgresSettings) -> None:
        self._settings = settings
        self._statement = insert_statement(settings.table)
        self._connection: psycopg.Connection[Any] | None = None

    def send(self, lines: Sequence[bytes]) -> int:
        """See `Sink`."""
        texts = [_NUL.sub(rb"\1\\ufffd", line).decode() for line in lines]
        try:
            connection = self._connected()
            connection.execute(self._statement, (texts,), prepare=True)
        except (psycopg.DataError, psycopg.errors.ProgramLimitExceeded) as error:
            raise LinesRefused(f"PostgreSQL says {error.sqlstate}") from None
        except psycopg.Error as error:
            self.close()
            raise SinkUnavailable(_said(error, self._settings.table)) from None
        except OSError as error:
            raise SinkUnavailable(str(error)) from None
        return 0

    def close(self) -> None:
        """See `Sink`."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            settings = self._settings
            password: dict[str, Any] = {}
            if settings.password_file is not None:
                password["password"] = settings.password_file.read_text().rstrip("\n")
            connection = psycopg.connect(
                settings.conninfo,
                autocommit=True,
                connect_timeout=max(2, round(settings.timeout_seconds)),
                application_name="doorward decision log",
                **password,
            )
            milliseconds = round(settings.timeout_seconds * 1000)
            connection.execute(
                "select set_config('statement_timeout', %s, false), set_config('client_encoding', 'UTF8', false)",
                (str(milliseconds),),
            )
            self._connection = connection
        return self._connection


def _said(error: psycopg.Error, table: str) -> str:
    if error.sqlstate == "42P01":
        return f"there is no table `{table}`: `doorward log schema` prints it"
    if error.sqlstate is None:  # of the connection
        return str(error).strip().partition("\n")[0]
    primary = error.diag.message_primary or ""
    return f"PostgreSQL says {error.sqlstate}" + (
        f": {primary}" if error.sqlstate.startswith(_TELLING) else ""
    )
