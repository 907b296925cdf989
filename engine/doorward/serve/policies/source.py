"""Where policies come from, as one small protocol, and what comes from there."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from doorward.bundle import PolicySet, SignatureError, policies_of, read_bundle
from doorward.serve.policies.settings import SignatureSettings
from doorward_dsl.diagnostics import DoorwardError
from doorward_dsl.source import Source

__all__ = ["Arrived", "Bundled", "PolicySource", "SourceError", "Tree", "opened"]


class SourceError(DoorwardError):
    """The source does not answer, or has no policies; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Bundled:
    """A bundle, as its bytes came. Nothing in them is trusted."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Tree:
    """The files of a directory, or of a git commit."""

    files: Sequence[tuple[str, bytes]]
    """In order of name."""
    commit: str = ""
    known: MutableMapping[str, tuple[bytes, Source]] = field(default_factory=dict)
    """Modules as they were last made of files, which the source keeps."""


Arrived: TypeAlias = Bundled | Tree


class PolicySource(Protocol):
    """Gives policies when there are new ones. For one task at a time."""

    name: str
    """As it may stand in a log."""

    async def fetch(self) -> Arrived | None:
        """What is there now; None where that is what was given last.

        Raises SourceError, and another DoorwardError for what is there but cannot be taken, again as long as that is so.
        """

    async def wait(self) -> None:
        """Comes back when it is time to fetch again: something has happened, or might have. Never raises."""

    async def close(self) -> None:
        """Leaves nothing behind."""


def opened(arrived: Arrived, signatures: SignatureSettings | None) -> PolicySet:
    """The policies that have arrived, signed as they must be.

    Raises BundleError, SignatureError, PolicyError, and OSError for keys that cannot be read.
    """
    if isinstance(arrived, Bundled):
        keys = None if signatures is None else signatures.verifications()
        required = signatures is not None and signatures.required
        return read_bundle(arrived.content, keys, required=required).policies
    if signatures is not None and signatures.required:
        raise SignatureError(
            "only a bundle can be signed, and a signature is required: this is a tree of files"
        )
    return policies_of(arrived.files, arrived.commit, arrived.known)
