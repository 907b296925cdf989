"""What of a session decides the meaning of its statements, as the server itself tells it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from doorward_gateway.postgres.protocol import ProtocolViolation

__all__ = ["SETTINGS_QUERY", "SessionSettings", "changes_settings", "split_identifiers"]

SETTINGS_QUERY: Final = (
    "SELECT 'setting', 'search_path', pg_catalog.current_setting('search_path')"
    " UNION ALL SELECT 'setting', 'user', CURRENT_USER::pg_catalog.text"
    " UNION ALL SELECT 'setting', 'standard_conforming_strings',"
    " pg_catalog.current_setting('standard_conforming_strings')"
    " UNION ALL SELECT 'setting', 'client_encoding', pg_catalog.current_setting('client_encoding')"
    " UNION ALL SELECT 'prepared', name, statement FROM pg_catalog.pg_prepared_statements"
    " UNION ALL SELECT 'cursor', name, statement FROM pg_catalog.pg_cursors WHERE name <> ''"
)
"""Three columns of text: what kind of thing, its name, its value. `SessionSettings.read` takes the rows."""

# After these the settings, the prepared statements or the cursors of a session may be others.
_CHANGERS: Final = frozenset(
    (
        *(
            "set",
            "reset",
            "discard",
            "prepare",
            "deallocate",
            "declare",
            "declare_cursor",
            "close",
            "close_cursor",
        ),
        *("do", "call", "execute", "load"),
    )
)
_ENDS: Final = frozenset(
    ("commit", "rollback", "end", "abort", "prepare_transaction", "rollback_to", "savepoint")
)


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """The settings that go with every statement to the engine."""

    search_path: tuple[str, ...] = ("$user", "public")
    user: str = ""
    standard_conforming_strings: bool = True
    prepared: Mapping[str, str] = field(default_factory=dict)
    cursors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, rows: Iterable[tuple[str | None, ...]], *, hidden: frozenset[str]) -> SessionSettings:
        """From the answer to `SETTINGS_QUERY`; names in `hidden` are the gateway's own. Raises
        `ProtocolViolation`.
        """
        settings: dict[str, str] = {}
        names: dict[str, dict[str, str]] = {"prepared": {}, "cursor": {}}
        for row in rows:
            if len(row) != 3 or row[1] is None or row[2] is None:
                raise ProtocolViolation("the server's answer about its settings is not as asked")
            if row[0] == "setting":
                settings[row[1]] = row[2]
            elif row[0] in names and row[1] not in hidden:
                names[row[0]][row[1]] = row[2]
        if settings.get("client_encoding") != "UTF8":
            raise ProtocolViolation("the client encoding is no longer UTF8")
        return cls(
            search_path=split_identifiers(settings.get("search_path", "")),
            user=settings.get("user", ""),
            standard_conforming_strings=settings.get("standard_conforming_strings") == "on",
            prepared=names["prepared"],
            cursors=names["cursor"],
        )

    def document(self) -> dict[str, Any]:
        """Its part of the `postgres` section of an access request."""
        return {
            "search_path": list(self.search_path),
            "user": self.user,
            "standard_conforming_strings": self.standard_conforming_strings,
            "prepared": dict(self.prepared),
            "cursors": dict(self.cursors),
        }


def changes_settings(facts: Mapping[str, Any], *, temporary: bool) -> bool:
    """Whether a statement of those `sql` facts may have changed what `SessionSettings` holds.

    `temporary`: something has been set for the present transaction only, so that its end changes it back.
    """
    if facts.get("opaque", True) or facts.get("changes_session", True):
        return True
    kinds = frozenset(facts.get("statements", ()))
    return bool(kinds & _CHANGERS) or (temporary and bool(kinds & _ENDS))


def split_identifiers(text: str) -> tuple[str, ...]:
    """The identifiers of a list such as `"$user", public`, unquoted."""
    names: list[str] = []
    rest = text.strip()
    while rest:
        if rest.startswith('"'):
            end = 1
            while (end := rest.find('"', end)) >= 0 and rest[end : end + 2] == '""':
                end += 2
            if end < 0:
                break
            names.append(rest[1:end].replace('""', '"'))
            _, _, rest = rest[end + 1 :].partition(",")
        else:
            name, _, rest = rest.partition(",")
            if name.strip():
                names.append(name.strip().lower())
        rest = rest.strip()
    return tuple(names)
