"""What is a secret in a request by the look of it, whatever policies say: tokens, cookies, keys and passwords.

Their values are written over, so that a request keeps its shape: that a header was there is still known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from doorward.serve.decision_log.pointers import format_pointer

__all__ = ["REDACTED", "Hidden", "Secrets"]

REDACTED: Final = "[redacted]"
"""What stands in place of a value."""

_HEADERS: Final = frozenset(
    (
        "api-key",
        "apikey",
        "authentication",
        "authorization",
        "cookie",
        "cookie2",
        "ocp-apim-subscription-key",
        "proxy-authorization",
        "sec-websocket-key",
        "set-cookie",
        "x-amz-security-token",
        "x-api-key",
        "x-auth-key",
        "x-auth-token",
        "x-authorization",
        "x-forwarded-access-token",
        "x-forwarded-authorization",
        "x-functions-key",
        "x-goog-api-key",
    )
)
_HEADER_ENDINGS: Final = ("-token", "-secret", "-password", "-api-key", "-apikey", "-signature", "-assertion")
"""`private-token`, `x-vault-token`, `x-csrf-token`, `x-goog-iap-jwt-assertion`, …"""

_PARAMETERS: Final = frozenset(
    (
        "access_token",
        "api_key",
        "apikey",
        "assertion",
        "client_assertion",
        "client_secret",
        "code",
        "code_verifier",
        "id_token",
        "key",
        "passwd",
        "password",
        "pwd",
        "refresh_token",
        "secret",
        "sig",
        "signature",
        "token",
        "x-amz-credential",
        "x-amz-security-token",
        "x-amz-signature",
        "x-goog-credential",
        "x-goog-signature",
    )
)

_PASSWORD: Final = re.compile(r"password|passwd", re.IGNORECASE)
_IN_SQL: Final = re.compile(
    # alter role a password 'x', options (password 'x'), where password = 'x'; within a text, such as a connection string:
    # 'host=a password=x', and with quotes of its own
    r"""(?P<word>passw(?:or)?d"?\s*(?P<equals>=\s*)?)
        (?: (?P<within>(?:''|\\')(?:[^'\\]|'(?!')|\\(?!'))*(?:''|\\'|$))
          | (?P<quoted>(?:E|U&|B|N)?'(?:[^'\\]|''|\\.)*(?:'|$))
          | (?P<dollar>\$(?:[A-Za-z_]\w*)?\$).*?(?:(?P=dollar)|$)
          | (?(equals)(?![$:?%]|\w+[(.])[^\s',;)]+|(?!)) )""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)


@dataclass(slots=True)
class Hidden:
    """A request and the facts made of it, without secrets."""

    request: Any
    facts: dict[str, Any]
    places: list[str] = field(default_factory=list)
    """What was written over, as JSON pointers into a line of the log."""
    values: list[str] = field(default_factory=list)
    """What stood there: to be found in texts, and never to be shown."""


class Secrets:
    """Knows secrets by their names."""

    def __init__(self, further: Iterable[str] = ()) -> None:
        """`further` headers and query parameters are secrets; in lower case."""
        names = frozenset(further)
        self._headers = _HEADERS | names
        self._parameters = _PARAMETERS | names
        self._in_target = re.compile(
            rf"([?&;](?:{'|'.join(map(re.escape, sorted(self._parameters)))})=)([^&;#]*)", re.IGNORECASE
        )

    def hide(self, request: Any, facts: dict[str, Any]) -> Hidden | None:
        """The request without secrets; None where there are none."""
        if type(request) is not dict:
            return None
        http, postgres = request.get("http_request"), request.get("postgres")
        if type(postgres) is not dict or not _may_hold_passwords(postgres):
            postgres = None
        if type(http) is not dict and postgres is None:
            return None
        hidden = Hidden(request, facts)
        if type(http) is dict:
            self._hide_headers(http, hidden)
            self._hide_parameters(http, hidden)
        if postgres is not None:
            _hide_passwords(postgres, hidden)
        return hidden if hidden.places else None

    def _hide_headers(self, http: dict[str, Any], hidden: Hidden) -> None:
        headers = http.get("headers")
        if type(headers) is not dict:
            return
        names = [name for name in headers if self._is_secret(name)]
        if not names:
            return
        clean = {name: _over(headers[name], hidden) if name in names else headers[name] for name in headers}
        _lay(hidden, "http_request", headers=clean)
        hidden.places += [format_pointer(("request", "http_request", "headers", name)) for name in names]
        self._hide_in_facts("headers", self._is_secret, hidden)

    def _hide_parameters(self, http: dict[str, Any], hidden: Hidden) -> None:
        target = http.get("target")
        if type(target) is not str or "=" not in target:
            return

        def over(match: re.Match[str]) -> str:
            hidden.values.append(match[2])
            return match[1] + REDACTED

        clean = self._in_target.sub(over, target)
        if clean != target:
            _lay(hidden, "http_request", target=clean)
            hidden.places.append("/request/http_request/target")
        # what is decoded there may be a secret that was written in another way
        self._hide_in_facts("query", lambda name: name.lower() in self._parameters, hidden)

    def _hide_in_facts(self, part: str, is_secret: Callable[[str], bool], hidden: Hidden) -> None:
        http = hidden.facts.get("http")
        if type(http) is not dict:
            return
        values = http.get(part)
        if type(values) is not dict:
            return
        names = [name for name in values if is_secret(name)]
        if names:
            clean = {name: _over(values[name], hidden) if name in names else values[name] for name in values}
            hidden.facts = {**hidden.facts, "http": {**http, part: clean}}
            hidden.places += [format_pointer(("decision", "facts", "http", part, name)) for name in names]

    def _is_secret(self, name: str) -> bool:
        lower = name.lower()
        return lower in self._headers or lower.endswith(_HEADER_ENDINGS)


def _over(value: Any, hidden: Hidden) -> Any:
    """What stands in place of a header's or a parameter's values."""
    values = value if type(value) is list else [value]
    hidden.values += [text for text in values if type(text) is str]
    return [REDACTED] * len(value) if type(value) is list else REDACTED


def _may_hold_passwords(postgres: dict[str, Any]) -> bool:
    statement = postgres.get("statement")
    if type(statement) is str and "passw" in statement.lower():
        return True
    return bool(postgres.get("prepared") or postgres.get("cursors"))


def _hide_passwords(postgres: dict[str, Any], hidden: Hidden) -> None:
    clean: dict[str, Any] = {}
    for part in ("statement", "prepared", "cursors"):
        texts = postgres.get(part)
        if type(texts) is str:
            changed: Any = _without_passwords(texts, hidden)
        elif type(texts) is dict and texts:
            changed = {name: _without_passwords(text, hidden) for name, text in texts.items()}
        else:
            continue
        if changed != texts:
            clean[part] = changed
            hidden.places.append(f"/request/postgres/{part}")
    if clean:
        _lay(hidden, "postgres", **clean)


def _without_passwords(text: Any, hidden: Hidden) -> Any:
    if type(text) is not str or _PASSWORD.search(text) is None:
        return text

    def over(match: re.Match[str]) -> str:
        secret = match[0].removeprefix(match["word"])
        hidden.values.append(secret.strip("'"))
        if match["within"] is not None:
            return f"{match['word']}''{REDACTED}''"
        quoted = match["quoted"] is not None or match["dollar"] is not None
        return f"{match['word']}'{REDACTED}'" if quoted else match["word"] + REDACTED

    return _IN_SQL.sub(over, text)


def _lay(hidden: Hidden, section: str, **parts: Any) -> None:
    hidden.request = {**hidden.request, section: {**hidden.request[section], **parts}}
