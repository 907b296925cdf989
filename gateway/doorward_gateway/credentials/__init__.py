"""Just-in-time credentials: an opaque secret that opens one resource, for one purpose, for a short time.

store = CredentialStore(await Database.open(path))
issued = await store.issue(principal=…, resource="warehouse", attribution=…, ttl_ms=60_000, single_use=True)
grant = await store.redeem(secret, "warehouse")        # raises CredentialRefused
await store.revoke(grant.credential_id)
"""

from __future__ import annotations

from doorward_gateway.credentials.grant import Grant, Issued
from doorward_gateway.credentials.store import CredentialState, CredentialStore

__all__ = ["CredentialState", "CredentialStore", "Grant", "Issued"]
