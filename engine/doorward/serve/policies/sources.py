"""Which source a setting means."""

from __future__ import annotations

from pathlib import Path

from doorward.serve.policies.git_remote import GitRemote
from doorward.serve.policies.http_bundle import HttpBundle
from doorward.serve.policies.settings import PolicySettings
from doorward.serve.policies.source import PolicySource
from doorward.serve.policies.watched import Watched

__all__ = ["source_of"]


def source_of(settings: PolicySettings) -> PolicySource:
    """The source, not yet asked for anything."""
    match settings.kind:
        case "bundle":
            return HttpBundle(settings)
        case "git":
            return GitRemote(settings)
        case _:
            return Watched(Path(settings.source), max_bytes=settings.max_bytes)
