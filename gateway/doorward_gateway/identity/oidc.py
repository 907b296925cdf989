"""Identities by OpenID Connect: ID tokens, and access tokens that are JWTs (RFC 9068), of people, services and CI jobs.

A token counts if its issuer signed it for this gateway (`aud`), now (`exp`, `nbf`, `iat`, within the skew). Nothing in it is
believed before its signature has been checked, but for the issuer's name, by which its keys are chosen.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, get_args

import orjson
from joserfc import jwt
from joserfc.errors import JoseError

from doorward_gateway.clock import Clock, system_clock
from doorward_gateway.errors import IdentityRefused
from doorward_gateway.identity.issuer import Issuer
from doorward_gateway.identity.model import Identity, PrincipalKind

__all__ = ["OidcProvider", "unverified_claims"]

_ALGORITHMS: Final = frozenset(
    ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
)
_TYPES: Final = frozenset(("", "jwt", "at+jwt", "application/jwt", "application/at+jwt"))
"""Other types of token, such as those by which a provider ends sessions, name nobody who may come in."""

_MAX_GROUPS: Final = 2000
_MAX_TEXT: Final = 512


class OidcProvider:
    """The tokens of one issuer.

    `audience` must be among those the token is for. `id_claim` and `groups_claim` name the claims that hold who it is
    and the groups; `kind_claim` the one that holds the kind of principal where an issuer serves several, else all of
    them are of `kind`. `skew` is how many seconds clocks may differ.
    """

    def __init__(
        self,
        issuer: Issuer,
        *,
        audience: str,
        kind: PrincipalKind = "human",
        kind_claim: str = "",
        id_claim: str = "sub",
        groups_claim: str = "groups",
        skew: float = 30.0,
        clock: Clock = system_clock,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._kind = kind
        self._kind_claim = kind_claim
        self._id_claim = id_claim
        self._groups_claim = groups_claim
        self._skew = skew
        self._clock = clock

    async def authenticate(self, token: str) -> Identity | None:
        """The identity in a token of this issuer; `None` for what is none. See `IdentityProvider`."""
        parts = _unverified(token)
        if parts is None or parts[1].get("iss") != self._issuer.url:
            return None
        header = parts[0]
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
            raise IdentityRefused("the token is signed in a way that is not taken here")
        if str(header.get("typ", "")).lower() not in _TYPES:
            raise IdentityRefused("the token is of a type that lets nobody in")
        if kid is not None and not isinstance(kid, str):
            raise IdentityRefused("the token names its key in a way that cannot be read")
        key = await self._issuer.key(kid)
        try:
            claims = jwt.decode(token, key, algorithms=[algorithm]).claims
        except (JoseError, ValueError, TypeError):
            raise IdentityRefused("the token is not as its issuer signed it") from None
        return self._identity(claims)

    def _identity(self, claims: dict[str, Any]) -> Identity:
        if claims.get("iss") != self._issuer.url:
            raise IdentityRefused("the token is of another issuer")
        audience = claims.get("aud")
        if self._audience not in (audience if isinstance(audience, list) else [audience]):
            raise IdentityRefused("the token is not meant for this gateway")
        now = self._clock() / 1e9
        expires, begins = _instant(claims, "exp"), _instant(claims, "nbf")
        issued = _instant(claims, "iat")
        if expires is None:
            raise IdentityRefused("the token does not say until when it is good")
        if now >= expires + self._skew:
            raise IdentityRefused("the token has expired")
        if max(begins or 0.0, issued or 0.0) > now + self._skew:
            raise IdentityRefused("the token is not good yet")
        authenticated = _instant(claims, "auth_time") or issued or now
        return Identity(
            id=_text(claims, self._id_claim),
            kind=self._kind_of(claims),
            groups=self._groups(claims),
            issuer=self._issuer.url,
            claims=MappingProxyType(claims),
            authenticated_at_ns=int(min(authenticated, now) * 1e9),
            expires_at_ns=int(expires * 1e9),
        )

    def _kind_of(self, claims: Mapping[str, Any]) -> PrincipalKind:
        if not self._kind_claim:
            return self._kind
        wanted = claims.get(self._kind_claim, self._kind)
        for kind in get_args(PrincipalKind):
            if wanted == kind:
                return kind  # type: ignore[no-any-return] # one of the literals
        raise IdentityRefused(f"the token's claim `{self._kind_claim}` names no kind of principal")

    def _groups(self, claims: Mapping[str, Any]) -> frozenset[str]:
        groups = claims.get(self._groups_claim)
        if groups is None:
            elsewhere = claims.get("_claim_names")
            if isinstance(elsewhere, dict) and self._groups_claim in elsewhere:
                # Without its groups somebody may be allowed less, or spared a mask that a group asks for.
                raise IdentityRefused("the token has more groups than fit into it, and keeps them elsewhere")
            return frozenset()
        if (
            not isinstance(groups, list)
            or len(groups) > _MAX_GROUPS
            or not all(isinstance(group, str) and len(group) <= _MAX_TEXT for group in groups)
        ):
            raise IdentityRefused(f"the token's claim `{self._groups_claim}` is no list of groups")
        return frozenset(groups)


def unverified_claims(token: str) -> dict[str, Any]:
    """What a token says, not checked in any way: for its own bearer to look at. Empty for what is no JWT."""
    parts = _unverified(token)
    return {} if parts is None else parts[1]


def _unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Header and claims of what looks like a JWT, not checked in any way."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    found = []
    for part in parts[:2]:
        try:
            value = orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        except ValueError:
            return None
        if not isinstance(value, dict):
            return None
        found.append(value)
    return found[0], found[1]


def _instant(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:
        raise IdentityRefused(f"the token's claim `{name}` is no time")
    return float(value)


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT or not value.isprintable():
        raise IdentityRefused(f"the token does not say who it is in its claim `{name}`")
    return value
