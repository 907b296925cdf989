"""Who calls: known by a bearer token, by a client certificate, or by both; and what each may ask."""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal, TypeAlias

import structlog

from doorward.serve.configuration.tree import SettingsError
from doorward.serve.operations.asking import Asking, Bounds, Caller, Token
from doorward.serve.operations.settings import CallerSettings, LimitSettings, Method, ResourceScope

__all__ = ["Callers", "Refusal", "Refused"]

_log: Final = structlog.get_logger("doorward.serve")

_MAX_FILE: Final = 1 << 16
_SHORTEST: Final = 16
"""Characters of a token; a shorter one could be guessed."""

_MOST_NAMES: Final = 1000
"""Callers known by nothing but a certificate, of whom is remembered how much they asked."""

_COUNTED: Final = ("explain", "query")
"""Methods of which a call counts like a decision; decisions are counted where they are made."""

Refusal: TypeAlias = Literal["unauthenticated", "forbidden", "overloaded"]

_Stamp: TypeAlias = "tuple[int, int, int] | None"


class Refused(Exception):
    """A call is not taken; the message is one sentence, and says nothing of what was shown."""

    def __init__(self, why: Refusal, message: str) -> None:
        super().__init__(message)
        self.why: Refusal = why


class Callers:
    """Finds out who calls. For one event loop.

    Where no callers are configured, everybody may do everything, under the name in the certificate if one was shown.
    Tokens are kept as SHA-256 only. Raises SettingsError when a file of tokens cannot be taken.
    """

    def __init__(self, configured: Mapping[str, CallerSettings], limits: LimitSettings) -> None:
        self._limits = limits
        self._configured = configured
        self._callers = {name: _caller(name, caller, limits) for name, caller in configured.items()}
        self._by_certificate = {
            caller.certificate: self._callers[name]
            for name, caller in configured.items()
            if caller.certificate and not caller.has_token
        }
        self._files: dict[Path, tuple[_Stamp, frozenset[bytes]]] = {}
        self._anybody = Caller("", rate=limits.rate, calls=limits.calls)
        self._named: OrderedDict[str, Caller] = OrderedDict()
        self._tokens: dict[bytes, Token] = {}
        for name, caller in configured.items():
            if caller.token_file is not None:
                try:
                    self._files[caller.token_file] = (_stamp(caller.token_file), _digests(caller.token_file))
                except ValueError as error:
                    raise SettingsError([f"the tokens of caller `{name}`: {error}"]) from None
        shared = self._take_tokens()
        if shared:
            raise SettingsError([f"callers {shared} have the same token"])

    def call(self, method: Method | None, authorization: str, certificate: Sequence[str]) -> Asking:
        """Who calls a method, by the header of that name and the names in the certificate shown. Raises Refused.

        None is a method that every caller may call.
        """
        asking = self._known(authorization, certificate)
        caller = asking.caller
        if method is not None and caller.may is not None and method not in caller.may:
            raise Refused("forbidden", f"caller `{caller.name}` may not {method}")
        if caller.calls is not None and caller.under_way >= caller.calls:
            raise Refused("overloaded", f"as many calls as may be are under way already: {caller.calls}")
        if method in _COUNTED and caller.rate is not None and not caller.rate.take(1):
            raise Refused("overloaded", "more was asked for than the caller may ask for in a second")
        return asking

    def _known(self, authorization: str, certificate: Sequence[str]) -> Asking:
        if not self._callers:
            return Asking(self._by_name(certificate[0]) if certificate else self._anybody)
        scheme, _, secret = authorization.partition(" ")
        if scheme.lower() == "bearer":
            digest = sha256(secret.strip().encode("utf-8", "surrogatepass")).digest()
            token = self._tokens.get(digest)
            if token is not None and hmac.compare_digest(token.digest, digest):
                needed = self._configured[token.caller.name].certificate
                if not needed or needed in certificate:
                    return Asking(token.caller, token)
            raise Refused("unauthenticated", "the token is not known here, or not with this certificate")
        for name in certificate:
            if name in self._by_certificate:
                return Asking(self._by_certificate[name])
        raise Refused("unauthenticated", "callers have to say who they are")

    def _by_name(self, name: str) -> Caller:
        caller = self._named.get(name)
        if caller is None:
            caller = self._named[name] = Caller(name, rate=self._limits.rate, calls=self._limits.calls)
            if len(self._named) > _MOST_NAMES:
                self._named.popitem(last=False)
        return caller

    def refresh(self) -> None:
        """Read files of tokens again that have changed.

        One that cannot be read, or holds nothing of use, is good for nobody; so is a token that two callers have.
        """
        changed = False
        for name, caller in self._configured.items():
            path = caller.token_file
            if path is None or self._files[path][0] == (stamp := _stamp(path)):
                continue
            changed = True
            try:
                self._files[path] = (stamp, _digests(path))
                _log.info("tokens read", caller=name)
            except ValueError as error:
                self._files[path] = (stamp, frozenset())
                _log.error("tokens cannot be read: the caller is locked out", caller=name, error=str(error))
        if changed and (shared := self._take_tokens()):
            _log.error("the same token is of several callers, and so is refused", callers=shared)

    def _take_tokens(self) -> str:
        """Make the tokens of all files those that are good; names the callers that share one."""
        found: dict[bytes, str] = {}
        shared: set[str] = set()
        twice: set[bytes] = set()
        for name, caller in self._configured.items():
            digests = {bytes.fromhex(digest) for digest in caller.token_sha256}
            if caller.token_file is not None:
                digests |= self._files[caller.token_file][1]
            for digest in digests:
                other = found.setdefault(digest, name)
                if other != name:
                    shared |= {other, name}
                    twice.add(digest)
        tokens: dict[bytes, Token] = {}
        for digest, name in found.items():
            if digest not in twice:
                old = self._tokens.get(digest)
                if old is None or old.caller.name != name:
                    old = Token(self._callers[name], digest)
                tokens[digest] = old
        for digest, token in self._tokens.items():
            token.good = tokens.get(digest) is token
        self._tokens = tokens
        return " and ".join(f"`{name}`" for name in sorted(shared))


def _caller(name: str, caller: CallerSettings, limits: LimitSettings) -> Caller:
    return Caller(
        name,
        may=caller.may,
        bounds=None if ResourceScope() in caller.resources else Bounds(caller.resources),
        rate=caller.rate or limits.rate,
        calls=caller.calls or limits.calls,
    )


def _stamp(path: Path) -> _Stamp:
    try:
        at = path.stat()
    except OSError:
        return None
    return at.st_mtime_ns, at.st_size, at.st_ino


def _digests(path: Path) -> frozenset[bytes]:
    """The digests of the tokens in a file. Raises ValueError, which does not show them."""
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_FILE + 1)
    except OSError as error:
        raise ValueError(f"`{path}`: {(error.strerror or 'cannot be read').lower()}") from None
    if len(content) > _MAX_FILE:
        raise ValueError(f"`{path}` is larger than {_MAX_FILE} bytes")
    tokens = [line.strip() for line in content.splitlines() if line.strip()]
    if not tokens:
        raise ValueError(f"`{path}` holds no token")
    if min(map(len, tokens)) < _SHORTEST:
        raise ValueError(f"`{path}` holds a token of less than {_SHORTEST} characters")
    return frozenset(sha256(token).digest() for token in tokens)
