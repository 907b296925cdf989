"""The tokens of this person's logins, by gateway, in a file that only this person can read."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from doorward_gateway.errors import GatewayError
from doorward_gateway.identity.device import Device
from doorward_gateway.identity.oidc import unverified_claims

__all__ = [
    "Login",
    "forget_login",
    "keep_login",
    "kept_login",
    "pgpass_entry",
    "token_of_login",
    "write_pgpass",
]

_ABOUT_TO_EXPIRE = 60.0


@dataclass(frozen=True, slots=True)
class Login:
    """One login: the token, and how to get the next one; `refresh` is empty where there is no way."""

    token: str
    refresh: str
    issuer: str
    client_id: str
    audience: str
    scopes: tuple[str, ...]


def kept_login(gateway: str) -> Login | None:
    """The login at a gateway; `None` where there is none. Raises `OSError`."""
    entry = _read().get(_name(gateway))
    if not isinstance(entry, dict):
        return None
    try:
        return Login(**{**entry, "scopes": tuple(entry["scopes"])})
    except (TypeError, KeyError):
        return None


def keep_login(gateway: str, login: Login) -> Path:
    """Keeps it in place of an earlier one; the file. Raises `OSError`."""
    return _write({**_read(), _name(gateway): asdict(login)})


def forget_login(gateway: str) -> bool:
    """Whether there was one. Raises `OSError`."""
    logins = _read()
    if logins.pop(_name(gateway), None) is None:
        return False
    _write(logins)
    return True


def token_of_login(gateway: str) -> str:
    """The token of the login at a gateway, a new one if it is about to expire; empty if there is no login.

    Raises `OSError`.
    """
    login = kept_login(gateway)
    if login is None:
        return ""
    expires = unverified_claims(login.token).get("exp")
    if login.refresh and isinstance(expires, int | float) and expires - time.time() < _ABOUT_TO_EXPIRE:
        login = _refreshed(login)
        keep_login(gateway, login)
    return login.token


def _refreshed(login: Login) -> Login:
    device = Device(login.issuer, login.client_id, audience=login.audience, scopes=login.scopes)
    try:
        tokens = device.refresh(login.refresh)
    except GatewayError:
        return login  # whether the old one is still good, the gateway will say
    finally:
        device.close()
    token = tokens.meant_for(login.audience)
    return replace(login, token=token, refresh=tokens.refresh or login.refresh) if token else login


def pgpass_entry(host: str, port: int, token: str) -> str:
    """A line of a PostgreSQL password file, for every database and user there."""

    def escaped(text: str) -> str:
        return text.replace("\\", "\\\\").replace(":", "\\:")

    return f"{escaped(host)}:{port}:*:*:{escaped(token)}"


def write_pgpass(entries: dict[tuple[str, int], str | None]) -> Path:
    """Sets the lines for these hosts and ports, or takes them away (`None`); others stay. Raises `OSError`."""
    path = Path(os.environ.get("PGPASSFILE") or Path.home() / ".pgpass")
    lines = path.read_text().splitlines() if path.exists() else []
    ours = tuple(pgpass_entry(host, port, "") for host, port in entries)
    lines = [line for line in lines if not line.startswith(ours)]
    fresh = [pgpass_entry(host, port, token) for (host, port), token in entries.items() if token is not None]
    # the first line that fits counts
    _replace(path, "".join(f"{line}\n" for line in [*fresh, *lines]))
    return path


def _path() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "doorward" / "logins.json"


def _name(gateway: str) -> str:
    return gateway.rstrip("/")


def _read() -> dict[str, Any]:
    try:
        document = json.loads(_path().read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _write(logins: dict[str, Any]) -> Path:
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _replace(path, json.dumps(logins, indent=2))
    return path


def _replace(path: Path, text: str) -> None:
    """A new content for a file that nobody else may read, whole or not at all."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
