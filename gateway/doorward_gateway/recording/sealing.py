"""Seals: signed statements of which records there are, so that nobody without the key can write them anew.

A line of the file `seals.jsonl` is a JSON object in UTF-8, without spaces, its members in this order: `first`, `hashes`,
`key`, `last`, `node`, `prev`, `root`, `time`, and last `signature`.

- It speaks of the records `first` to `last`; `hashes` are theirs, one after the other, in base64.
- `root` is the root of the Merkle tree over these hashes, in hex, as RFC 6962 builds it (section 2.1): whoever has a
  record, its neighbours' hashes on the way up and the root can prove it without the rest.
- `prev` is the SHA-256, in hex, of the line before, without its line end; of the first, 64 zeros. `first` follows on the
  `last` of the line before.
- `key` is the SHA-256, in hex, of the raw public key; `signature`, in base64, is Ed25519 over the line as it stands
  **without its last member**, as with the `hash` of a record.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from doorward_gateway.errors import RecordingUnavailable
from doorward_gateway.recording.chain import GENESIS_PREV

__all__ = [
    "FIRST_PREV",
    "MAX_RUN",
    "PUBLIC_KEY_NAME",
    "SEALS_NAME",
    "MalformedSeal",
    "Seal",
    "Signer",
    "decode_seal",
    "fingerprint",
    "line_digest",
    "load_signer",
    "merkle_root",
    "public_keys",
    "public_pem",
]

SEALS_NAME: Final = "seals.jsonl"
PUBLIC_KEY_NAME: Final = "record.pub"
FIRST_PREV: Final = GENESIS_PREV
MAX_RUN: Final = 1 << 14
"""The most records that one seal speaks of."""

_TAIL: Final = b',"signature":"'
_MEMBERS: Final = {
    "first": int,
    "hashes": str,
    "key": str,
    "last": int,
    "node": str,
    "prev": str,
    "root": str,
    "time": str,
    "signature": str,
}
_HASH: Final = 32
_PEM_END: Final = b"-----END PUBLIC KEY-----"


class MalformedSeal(ValueError):
    """A line is no seal, or not one by a key that is known. The message says which, in a few words."""


@dataclass(frozen=True, slots=True)
class Seal:
    """A seal that holds: `hashes` are, in hex, those of the records `first` to `last`."""

    first: int
    last: int
    hashes: tuple[str, ...]
    prev: str
    time: str
    key: str

    def hash_of(self, seq: int) -> str:
        """Of a record that the seal speaks of."""
        return self.hashes[seq - self.first]


class Signer:
    """Signs seals."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key()
        self._fingerprint = fingerprint(self.public)

    def seal(self, first: int, hashes: Sequence[str], prev: str, time: str, node: str) -> bytes:
        """The line, without its end, that seals the records from `first` on with these hashes (hex)."""
        raw = [bytes.fromhex(each) for each in hashes]
        covered = (
            b'{"first":%d,"hashes":"%b","key":"%b","last":%d,"node":%b,"prev":"%b","root":"%b","time":"%b"'
            % (
                first,
                base64.b64encode(b"".join(raw)),
                self._fingerprint.encode(),
                first + len(raw) - 1,
                orjson.dumps(node),
                prev.encode(),
                merkle_root(raw).hex().encode(),
                time.encode(),
            )
        )
        return b'%b%b%b"}' % (covered, _TAIL, base64.b64encode(self._key.sign(covered + b"}")))


def decode_seal(line: bytes, keys: Mapping[str, Ed25519PublicKey]) -> Seal:
    """The seal of a line without its end, its signature and root checked; the chain is the caller's.

    `keys` by fingerprint. Raises `MalformedSeal`.
    """
    covered, tail, _ = line.rpartition(_TAIL)
    try:
        members = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise MalformedSeal("is not JSON") from error
    if not tail or not isinstance(members, dict) or list(members) != list(_MEMBERS):
        raise MalformedSeal("does not have the members of a seal")
    if not all(type(members[name]) is kind for name, kind in _MEMBERS.items()):
        raise MalformedSeal("has a member of the wrong type")
    key = keys.get(members["key"])
    if key is None:
        raise MalformedSeal(f"is by a key that is not known here ({members['key'][:16]}…)")
    try:
        key.verify(base64.b64decode(members["signature"], validate=True), covered + b"}")
    except (InvalidSignature, ValueError):
        raise MalformedSeal("is not as it was signed") from None
    try:
        raw = base64.b64decode(members["hashes"], validate=True)
    except ValueError:
        raise MalformedSeal("has hashes that cannot be read") from None
    hashes = [raw[at : at + _HASH] for at in range(0, len(raw), _HASH)]
    if len(raw) % _HASH or not hashes or len(hashes) != members["last"] - members["first"] + 1:
        raise MalformedSeal("has another number of hashes than of records")
    if merkle_root(hashes).hex() != members["root"]:
        raise MalformedSeal("has a root that is not of its hashes")
    return Seal(
        members["first"],
        members["last"],
        tuple(each.hex() for each in hashes),
        members["prev"],
        members["time"],
        members["key"],
    )


def line_digest(line: bytes) -> str:
    """What the next seal names as `prev`; of the line without its end."""
    return hashlib.sha256(line).hexdigest()


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The root of the tree of RFC 6962 over the leaves."""
    level = [hashlib.sha256(b"\0" + leaf).digest() for leaf in leaves]
    if not level:
        return hashlib.sha256(b"").digest()
    # Pairing from the left, and carrying a last odd node up as it is, builds the tree that the RFC defines by splitting.
    while len(level) > 1:
        paired = [
            hashlib.sha256(b"\1" + level[at] + level[at + 1]).digest() for at in range(0, len(level) - 1, 2)
        ]
        level = paired + level[len(level) & ~1 :]
    return level[0]


def fingerprint(key: Ed25519PublicKey) -> str:
    """How a seal names the key that signed it."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()


def load_signer(path: Path) -> Signer:
    """The key of a PEM file, made on first use; nodes that share the file share the key.

    Raises `RecordingUnavailable`.
    """
    try:
        if not path.exists():
            _make_key(path)
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise RecordingUnavailable(f"cannot read or make the sealing key `{path}`: {error}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise RecordingUnavailable(f"the sealing key `{path}` is no PEM private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise RecordingUnavailable(f"the sealing key `{path}` is not of Ed25519")
    return Signer(key)


def _make_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(pem)
        os.fsync(file.fileno())
    try:
        os.link(fresh, path)  # the first of several nodes wins, and none sees half a key
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


def public_pem(key: Ed25519PublicKey) -> bytes:
    """The key as a PEM file holds it."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def public_keys(files: Iterable[Path]) -> dict[str, Ed25519PublicKey]:
    """The keys of PEM files, each of one or more, by fingerprint.

    Raises `OSError`, and `ValueError` for what is no such key.
    """
    keys = {}
    for file in files:
        blocks = file.read_bytes().split(_PEM_END)
        if len(blocks) == 1 or blocks[-1].strip():
            raise ValueError(f"`{file}` is no PEM public key")
        for block in blocks[:-1]:
            try:
                key = serialization.load_pem_public_key(block + _PEM_END)
            except (ValueError, UnsupportedAlgorithm):
                raise ValueError(f"`{file}` is no PEM public key") from None
            if not isinstance(key, Ed25519PublicKey):
                raise ValueError(f"the key `{file}` is not of Ed25519")
            keys[fingerprint(key)] = key
    return keys
