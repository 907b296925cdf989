"""A bundle read, and a bundle built: policies and data in OPA's layout, with what the bundle says of itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

from doorward.bundle.archive import pack, unpack
from doorward.bundle.canonical import canonical
from doorward.bundle.errors import BundleError
from doorward.bundle.manifest import MANIFEST, Manifest, read_manifest
from doorward.bundle.policy_set import DATA_SCHEMAS, MODULES, PolicySet, policies_of
from doorward.bundle.signatures import SIGNATURES, Verification, verify
from doorward_dsl.parse import parse_module

__all__ = ["Bundle", "build_bundle", "bundle_files", "is_bundle", "read_bundle"]

_SUFFIXES: Final = (".tar.gz", ".tgz")
_DATA_NAMES: Final = frozenset({"data.json", "data.yaml", "data.yml"})
"""The files of a bundle that are data. In a tree every JSON and YAML file is."""

_KIND: Final = (".kind.json", ".kind.yaml", ".kind.yml")


@dataclass(frozen=True, slots=True)
class Bundle:
    """What is in a bundle."""

    files: Mapping[str, bytes]
    manifest: Manifest
    policies: PolicySet
    signature: Mapping[str, Any] | None
    """The payload of its signature, where it was verified."""


def is_bundle(path: Path) -> bool:
    """Whether a file's name says that it is a bundle."""
    return path.name.endswith(_SUFFIXES)


def read_bundle(
    content: bytes,
    verification: Verification | Sequence[Verification] | None = None,
    *,
    required: bool = True,
) -> Bundle:
    """The bundle in the bytes of a file, signed as `verification` says; where it is not `required`, or not signed at all.

    Raises BundleError, SignatureError, PolicyError.
    """
    files = unpack(content)
    unchecked = verification is None or (not required and SIGNATURES not in files)
    signature = None if verification is None or unchecked else verify(files, verification)
    manifest = read_manifest(files[MANIFEST]) if MANIFEST in files else Manifest()
    if any(PurePosixPath(name).suffix == ".wasm" for name in files):
        raise BundleError("the bundle holds compiled modules (wasm), which cannot be run here")
    policies = policies_of((name, files[name]) for name in sorted(files) if _belongs(name))
    _check_roots(manifest, policies)
    commit = manifest.metadata.get("git_commit", "")
    named = replace(policies, git_commit=commit if isinstance(commit, str) else "")
    return Bundle(files, manifest, named, signature)


def _belongs(name: str) -> bool:
    path = PurePosixPath(name)
    return path.name in _DATA_NAMES or _stays(path)


def _stays(path: PurePosixPath) -> bool:
    """Whether a file is in a bundle as it is in a tree."""
    return path.suffix in MODULES or path.name.endswith(_KIND) or path.name in DATA_SCHEMAS


def _check_roots(manifest: Manifest, policies: PolicySet) -> None:
    """What lies outside its roots would be taken from whoever owns that place."""
    if manifest.owns(()):
        return
    packages = [parse_module(source).package for source in policies.sources]
    places = (*_places(policies.data, ()), *policies.documents, *packages)
    outside = [path for path in places if not manifest.owns(path)]
    if outside:
        raise BundleError(f"`{'.'.join(('data', *min(outside)))}` is outside the bundle's roots")


def _places(data: Mapping[str, Any], above: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    for key, value in data.items():
        if isinstance(value, dict) and value:
            yield from _places(value, (*above, key))
        else:
            yield (*above, key)


def bundle_files(tree: Mapping[str, bytes], manifest: Manifest) -> dict[str, bytes]:
    """The files of a bundle of a tree, as `read_files` gives it.

    Modules stay as they are, and so does data in files named as OPA looks for it; what lies in a folder under other
    names is merged into its `data.json`. Raises PolicyError for data that cannot be read or merged.
    """
    files = {MANIFEST: manifest.to_json()}
    folders: dict[str, dict[str, bytes]] = {}
    for name, content in tree.items():
        path = PurePosixPath(name)
        if _stays(path):
            files[name] = content
        else:
            folders.setdefault(path.parent.as_posix(), {})[path.name] = content
    for folder, contents in folders.items():
        within = "" if folder == "." else folder + "/"
        if contents.keys() <= _DATA_NAMES:
            files |= {within + name: content for name, content in contents.items()}
        else:
            files[within + "data.json"] = canonical(policies_of(sorted(contents.items())).data) + b"\n"
    return files


def build_bundle(files: Mapping[str, bytes], signatures: bytes | None = None) -> bytes:
    """The bytes of a bundle with these files; a function of names and contents alone."""
    return pack(files if signatures is None else {**files, SIGNATURES: signatures})
