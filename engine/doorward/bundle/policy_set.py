"""A set of policies and data as one immutable thing with a name: its revision."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from doorward.bundle.data import data_error, load, merge
from doorward_dsl.diagnostics import Diagnostic, PolicyError
from doorward_dsl.schemas import Place
from doorward_dsl.source import Source

__all__ = ["DATA", "DATA_SCHEMAS", "MODULES", "Declaration", "PolicySet", "policies_from", "policies_of"]

MODULES: Final = frozenset({".rego", ".ward"})
DATA: Final = frozenset({".json", ".yaml", ".yml"})

DATA_SCHEMAS: Final = frozenset({"data.schema.json", "data.schema.yaml", "data.schema.yml"})
"""The files that describe the data of their folder."""

_MAX_BYTES: Final = 1 << 30


@dataclass(frozen=True, slots=True, eq=False)
class Declaration:
    """A schema that a file of the set holds: of a kind of request, or of a document of the data."""

    source: Source
    schema: Any
    """JSON Schema of what is to be done, or of the document, if it is one."""


@dataclass(frozen=True, slots=True, eq=False)
class PolicySet:
    """What an engine is made of."""

    sources: tuple[Source, ...]
    """In order of name."""
    data: dict[str, Any]
    revision: str
    """SHA-256 of all names and contents, in hexadecimal."""
    kinds: Mapping[str, Declaration] = field(default_factory=dict)
    """The kinds of request that the set declares, by name."""
    documents: Mapping[Place, Declaration] = field(default_factory=dict)
    """The base documents that the set describes, by the names of their folders."""
    git_commit: str = ""
    """Of the tree, with `-dirty` where files differ from it; empty where there is none."""


def policies_from(sources: Mapping[str, str], data: Mapping[str, Any] | None = None) -> PolicySet:
    """A policy set from texts by name, and data."""
    document = dict(data or {})
    contents = [(name, text.encode("utf-8", "surrogatepass")) for name, text in sources.items()]
    contents.append(("", json.dumps(document, sort_keys=True, default=str).encode()))
    modules = tuple(Source(name, sources[name]) for name in sorted(sources))
    return PolicySet(modules, document, _revision(contents))


def policies_of(
    files: Iterable[tuple[str, bytes]],
    git_commit: str = "",
    known: MutableMapping[str, tuple[bytes, Source]] | None = None,
) -> PolicySet:
    """The policy set of modules and data files by name, relative and with `/`, in order of name.

    `known` are the modules of earlier sets by name, each with the very bytes it was made of; it is brought up to date.
    Raises PolicyError for whatever in any of them cannot be read as text or data.
    """
    problems: list[Diagnostic] = []
    contents: list[tuple[str, bytes]] = []
    sources: list[Source] = []
    documents: list[tuple[Source, Any]] = []
    total = 0
    for name, content in files:
        total += len(content)
        if total > _MAX_BYTES:
            raise PolicyError(
                [data_error(Source(name, ""), f"the policies are larger than {_MAX_BYTES} bytes")]
            )
        contents.append((name, content))
        before = None if known is None else known.get(name)
        if before is not None and before[0] is content:
            sources.append(before[1])
            continue
        try:
            source = Source(name, content.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            problems.append(
                data_error(Source(name, ""), f"the file is not UTF-8: byte {error.start} is not text")
            )
            continue
        if PurePosixPath(name).suffix in MODULES:
            sources.append(source)
            if known is not None:
                known[name] = content, source
            continue
        try:
            documents.append((source, load(source)))
        except PolicyError as error:
            problems.extend(error.diagnostics)
    data: dict[str, Any] = {}
    kinds: dict[str, Declaration] = {}
    described: dict[Place, Declaration] = {}
    for source, document in documents:
        path = PurePosixPath(source.name)
        if path.name in DATA_SCHEMAS:
            if path.parent.parts in described:
                problems.append(data_error(source, "the data of this folder is described twice"))
            described[path.parent.parts] = Declaration(source, document)
            continue
        kind = _declared(source.name)
        if kind is not None:
            if kind in kinds:
                problems.append(data_error(source, f"the kind `{kind}` is declared twice"))
            kinds[kind] = Declaration(source, document)
            continue
        problem = merge(data, source, document)
        if problem is not None:
            problems.append(problem)
    if problems:
        raise PolicyError(problems)
    return PolicySet(tuple(sources), data, _revision(contents), kinds, described, git_commit)


def _declared(name: str) -> str | None:
    """The kind of request that a data file declares: `payments` for `acme/payments.kind.json`."""
    path = PurePosixPath(name)
    return PurePosixPath(path.stem).stem if PurePosixPath(path.stem).suffix == ".kind" else None


def _revision(contents: Iterable[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(contents):
        encoded = name.encode("utf-8", "surrogatepass")
        # lengths, so that no two sets read the same
        digest.update(b"%d:%d:%b%b" % (len(encoded), len(content), encoded, content))
    return digest.hexdigest()
