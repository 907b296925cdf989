"""Policies as files: a directory, or a bundle in OPA's layout, whose bytes depend on its content alone and can be signed."""

from __future__ import annotations

from doorward.bundle.bundle import Bundle, build_bundle, bundle_files, is_bundle, read_bundle
from doorward.bundle.errors import BundleError, SignatureError
from doorward.bundle.manifest import Manifest
from doorward.bundle.policy_set import PolicySet, policies_from, policies_of
from doorward.bundle.signatures import ALGORITHMS, Verification, sign
from doorward.bundle.tree import TreeCache, fingerprint, git_commit, read_files, read_policies

__all__ = [
    "ALGORITHMS",
    "Bundle",
    "BundleError",
    "Manifest",
    "PolicySet",
    "SignatureError",
    "TreeCache",
    "Verification",
    "build_bundle",
    "bundle_files",
    "fingerprint",
    "git_commit",
    "is_bundle",
    "policies_from",
    "policies_of",
    "read_bundle",
    "read_files",
    "read_policies",
    "sign",
]
