"""Who is asking: bearer tokens become identities, by OpenID Connect (`oidc`) or, to try things out, from the
configuration (`static`).
"""

from __future__ import annotations

from doorward_gateway.identity.model import Identities, Identity, IdentityProvider, PrincipalKind
from doorward_gateway.identity.oidc import OidcProvider
from doorward_gateway.identity.static import StaticIdentities, StaticIdentity

__all__ = [
    "Identities",
    "Identity",
    "IdentityProvider",
    "OidcProvider",
    "PrincipalKind",
    "StaticIdentities",
    "StaticIdentity",
]
