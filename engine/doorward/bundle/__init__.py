"""Policies as one signed file: OPA's bundle layout, with bytes that depend on the content alone."""

from __future__ import annotations

from doorward.bundle.archive import pack, unpack
from doorward.bundle.errors import BundleError, SignatureError
from doorward.bundle.manifest import MANIFEST, Manifest, read_manifest
from doorward.bundle.signatures import ALGORITHMS, SIGNATURES, sign, verify

__all__ = [
    "ALGORITHMS",
    "MANIFEST",
    "SIGNATURES",
    "BundleError",
    "Manifest",
    "SignatureError",
    "pack",
    "read_manifest",
    "sign",
    "unpack",
    "verify",
]
