"""A decision point in this process, for tests of one face of the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.served import write_policies

from doorward.run.budget import Limits
from doorward.serve.catalogues import Catalogues
from doorward.serve.point import DecisionPoint, Observer
from doorward.serve.policies.revisions import Revisions
from doorward.serve.policies.settings import PolicySettings
from doorward.serve.policies.sources import source_of

__all__ = ["point_of"]


async def point_of(
    folder: Path,
    files: Mapping[str, str],
    limits: Limits | None = None,
    observers: Sequence[Observer] = (),
) -> DecisionPoint:
    """A decision point over policies written below a folder."""
    write_policies(folder, files)
    source = source_of(PolicySettings(source=str(folder)))
    revisions = Revisions(source, strict=False, limits=limits or Limits())
    await revisions.start()
    return DecisionPoint(revisions, Catalogues(), observers=observers)
