"""What can be wrong with a bundle."""

from __future__ import annotations

from doorward_dsl.diagnostics import DoorwardError

__all__ = ["BundleError", "SignatureError"]


class BundleError(DoorwardError):
    """The bytes are not a bundle, or not one that can be trusted to be read."""


class SignatureError(BundleError):
    """A bundle's signature is missing or wrong, or does not cover what is in the bundle."""
