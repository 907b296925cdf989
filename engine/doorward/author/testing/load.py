"""The policies in several files and folders as one set, named by the paths they were given under."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from doorward.bundle.policy_set import Declaration
from doorward.engine import PolicySet, read_policies
from doorward_dsl.diagnostics import Diagnostic, PolicyError
from doorward_dsl.schemas import Place
from doorward_dsl.source import Source, Span

__all__ = ["load"]


def load(paths: Iterable[Path]) -> PolicySet:
    """The policies and data of all paths together; their sources are named as an editor or a shell would find them.

    Raises PolicyError, OSError.
    """
    sources: dict[str, Source] = {}
    data: dict[str, Any] = {}
    kinds: dict[str, Declaration] = {}
    documents: dict[Place, Declaration] = {}
    digest = hashlib.sha256()
    for path in paths:
        policies = read_policies(path)
        for source in policies.sources:
            name = (path / source.name if path.is_dir() else path).as_posix()
            sources.setdefault(name, Source(name, source.text))
        clash = _lay_over(data, policies.data, "data")
        if clash is not None:
            nowhere = Span(Source(str(path), ""), 0, 0)
            raise PolicyError(
                [Diagnostic("ward_data_error", f"`{clash}` is given twice, with different values", nowhere)]
            )
        kinds.update(policies.kinds)
        documents.update(policies.documents)
        digest.update(policies.revision.encode())
    modules = tuple(sources[name] for name in sorted(sources))
    return PolicySet(modules, data, digest.hexdigest(), kinds, documents)


def _lay_over(under: dict[str, Any], over: dict[str, Any], path: str) -> str | None:
    """Merge objects in place; the path of the first place that both fill with different values."""
    for name, value in over.items():
        known = under.get(name)
        if isinstance(known, dict) and isinstance(value, dict):
            clash = _lay_over(known, value, f"{path}.{name}")
            if clash is not None:
                return clash
        elif name in under and known != value:
            return f"{path}.{name}"
        else:
            under[name] = dict(value) if isinstance(value, dict) else value
    return None
