"""Signatures of bundles, as OPA has them: `.signatures.json` holds one JSON Web Token, and its payload the digest
of every file.

A JSON or YAML file, and the manifest, is digested by what it says, not by how it is spelt: compact JSON with sorted
keys, numbers as written. Every other file is digested as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, RSAKey

from doorward.bundle.canonical import Written, canonical
from doorward.bundle.errors import SignatureError

__all__ = ["ALGORITHMS", "SIGNATURES", "Verification", "read_key", "sign", "verify"]

SIGNATURES: Final = ".signatures.json"

ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "HS256", "HS384", "HS512",
)  # fmt: skip

_DIGESTS: Final = {"SHA-224": "sha224", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
"""By the names that signatures use. What can be forged (MD5, SHA-1) is not among them."""

_STRUCTURED: Final = (".json", ".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Verification:
    """By what a bundle has to be signed: a public key or certificate in PEM, or the secret for the HS algorithms."""

    key: str
    algorithm: str = "RS256"
    scope: str | None = None
    keyid: str | None = None
    """What the signature must call its key."""


def read_key(path: Path, algorithm: str) -> str:
    """The key in a file; of a secret, without the line end that editors add. Raises OSError."""
    text = path.read_bytes().decode(errors="replace")
    return text.rstrip("\r\n") if algorithm.startswith("HS") else text


def sign(
    files: Mapping[str, bytes], key: str, *, algorithm: str = "RS256", claims: Mapping[str, Any] | None = None
) -> bytes:
    """The content of `.signatures.json` for these files. Raises SignatureError for a key that cannot sign.

    `key` is a private key in PEM, or the secret itself for the HS algorithms. `claims` join the payload, such as
    `keyid`, `scope`, `iat`.
    """
    listed = [
        {"name": name, "hash": _digest(name, files[name], "SHA-256"), "algorithm": "SHA-256"}
        for name in sorted(files)
        if name != SIGNATURES
    ]
    payload = json.dumps({**(claims or {}), "files": listed}, sort_keys=True, separators=(",", ":"))
    try:
        registry = jws.JWSRegistry(algorithms=[algorithm])
        token = jws.serialize_compact(
            {"alg": algorithm, "typ": "JWT"}, payload.encode(), _key(key, algorithm), registry=registry
        )
    except (JoseError, ValueError, TypeError) as error:
        raise SignatureError(f"the key cannot sign with {algorithm}: {error}") from None
    return json.dumps({"signatures": [token]}).encode() + b"\n"


def verify(files: Mapping[str, bytes], by: Verification | Sequence[Verification]) -> dict[str, Any]:
    """The payload of the signature, after everything in the bundle was found to be as it was signed.

    Of several keys, any may have signed it: while one takes the place of another, both do. Algorithm and scope are the
    verifier's to say, never the token's. Raises SignatureError.
    """
    by, payload = _signed_by(files, [by] if isinstance(by, Verification) else by)
    if by.scope is not None and payload.get("scope") != by.scope:
        raise SignatureError(
            f"the bundle is signed for the scope `{payload.get('scope', '')}`, not `{by.scope}`"
        )
    if by.keyid is not None and payload.get("keyid") != by.keyid:
        raise SignatureError(f"the signature calls its key `{payload.get('keyid', '')}`, not `{by.keyid}`")
    signed = _signed_files(payload)
    for name in sorted(set(files) - {SIGNATURES}):
        if name not in signed:
            raise SignatureError(f"`{name}` is in the bundle but not in its signature")
    for name, (digest, hashing) in sorted(signed.items()):
        if name not in files:
            raise SignatureError(f"`{name}` is in the signature but not in the bundle")
        if _digest(name, files[name], hashing) != digest:
            raise SignatureError(f"`{name}` is not what was signed")
    return payload


def _signed_by(
    files: Mapping[str, bytes], keys: Sequence[Verification]
) -> tuple[Verification, dict[str, Any]]:
    """Which of the keys has signed, and what."""
    errors = []
    for by in keys:
        try:
            return by, _payload(files, by)
        except SignatureError as error:
            errors.append(error)
    if not errors:
        raise SignatureError("there is no key that the bundle could be signed by")
    raise errors[0]


def _payload(files: Mapping[str, bytes], by: Verification) -> dict[str, Any]:
    """What the key has signed; the files are not looked at."""
    if SIGNATURES not in files:
        raise SignatureError(f"the bundle is not signed: there is no `{SIGNATURES}` in it")
    try:
        tokens = json.loads(files[SIGNATURES])["signatures"]
        (token,) = tokens
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SignatureError(f"`{SIGNATURES}` does not hold one signature") from None
    try:
        checked = jws.deserialize_compact(
            token, _key(by.key, by.algorithm), registry=jws.JWSRegistry(algorithms=[by.algorithm])
        )
        payload = json.loads(checked.payload)
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise SignatureError(
            f"the signature does not verify with this key and {by.algorithm}: {error}"
        ) from None
    if not isinstance(payload, dict):
        raise SignatureError("the payload of the signature is not an object")
    return payload


def _signed_files(payload: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Digest and hashing algorithm by name."""
    signed: dict[str, tuple[str, str]] = {}
    try:
        for entry in payload["files"]:
            name, digest, hashing = entry["name"], entry["hash"], entry.get("algorithm", "SHA-256")
            if hashing not in _DIGESTS:
                raise SignatureError(f"`{name}` is digested with `{hashing}`, which is not to be trusted")
            if name in signed:
                raise SignatureError(f"the signature lists `{name}` twice")
            signed[name] = (digest, hashing)
    except (KeyError, TypeError, AttributeError):
        raise SignatureError("the payload of the signature lists no files") from None
    return signed


def _key(text: str, algorithm: str) -> RSAKey | ECKey | OctKey:
    kinds: dict[str, Any] = {"RS": RSAKey, "PS": RSAKey, "ES": ECKey, "HS": OctKey}
    if algorithm not in ALGORITHMS:
        raise SignatureError(
            f"`{algorithm}` is no signing algorithm: expected one of {', '.join(ALGORITHMS)}"
        )
    key: RSAKey | ECKey | OctKey = kinds[algorithm[:2]].import_key(text)
    return key


# --- digests ---


def _digest(name: str, content: bytes, hashing: str) -> str:
    structured = name == ".manifest" or name.endswith(_STRUCTURED)
    return hashlib.new(
        _DIGESTS[hashing], _in_one_spelling(name, content) if structured else content
    ).hexdigest()


def _in_one_spelling(name: str, content: bytes) -> bytes:
    try:
        if name.endswith((".yaml", ".yml")):
            document = yaml.safe_load(content)
        else:
            document = json.loads(content, parse_int=Written, parse_float=Written)
        return canonical(document)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise SignatureError(f"`{name}` cannot be read: {error}") from None
