"""A set of policies and data as one immutable thing with a name: its revision.

A tree is read as OPA reads one: every `.rego` and `.ward` file is a module; every `.json`, `.yaml` and
`.yml` file is data at the path of its directory (`acme/roles.yaml` is merged into `data.acme`). Names
that start with a dot are passed over.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import orjson
import yaml

from doorward.decide.document import loads_exactly
from doorward.run.exact import exact_number
from doorward_dsl.diagnostics import Diagnostic, PolicyError
from doorward_dsl.source import Source, Span

__all__ = ["PolicySet", "fingerprint", "policies_from", "read_policies"]

_MODULES: Final = frozenset({".rego", ".ward"})
_DATA: Final = frozenset({".json", ".yaml", ".yml"})
_MAX_FILES: Final = 100_000
_MAX_BYTES: Final = 1 << 30
_MAX_NODES: Final = 3_000_000


@dataclass(frozen=True, slots=True, eq=False)
class PolicySet:
    """What an engine is made of."""

    sources: tuple[Source, ...]
    """In order of name."""
    data: dict[str, Any]
    revision: str
    """SHA-256 of all names and contents, in hexadecimal."""
    git_commit: str = ""
    """Of the tree, with `-dirty` where files differ from it; empty where there is none."""


def policies_from(sources: Mapping[str, str], data: Mapping[str, Any] | None = None) -> PolicySet:
    """A policy set from texts by name, and data."""
    document = dict(data or {})
    contents = [(name, text.encode("utf-8", "surrogatepass")) for name, text in sources.items()]
    contents.append(("", json.dumps(document, sort_keys=True, default=str).encode()))
    modules = tuple(Source(name, sources[name]) for name in sorted(sources))
    return PolicySet(modules, document, _revision(contents))


def read_policies(root: Path) -> PolicySet:
    """The policy set in a directory, or of one file. Raises PolicyError for what cannot be read as text
    or data, OSError for what cannot be read at all.
    """
    problems: list[Diagnostic] = []
    contents: list[tuple[str, bytes]] = []
    sources: list[Source] = []
    documents: list[tuple[Source, Any]] = []
    total = 0
    for name, path in sorted(_files(root)):
        content = path.read_bytes()
        total += len(content)
        if total > _MAX_BYTES:
            raise PolicyError(
                [_problem(Source(name, ""), f"the policies are larger than {_MAX_BYTES} bytes")]
            )
        contents.append((name, content))
        try:
            source = Source(name, content.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            problems.append(
                _problem(Source(name, ""), f"the file is not UTF-8: byte {error.start} is not text")
            )
            continue
        if path.suffix in _MODULES:
            sources.append(source)
            continue
        try:
            documents.append((source, _load(source)))
        except PolicyError as error:
            problems.extend(error.diagnostics)
    data: dict[str, Any] = {}
    for source, document in documents:
        problem = _merge(data, source, document)
        if problem is not None:
            problems.append(problem)
    if problems:
        raise PolicyError(problems)
    return PolicySet(tuple(sources), data, _revision(contents), _git_commit(root))


def fingerprint(root: Path) -> frozenset[tuple[str, int, int, int]]:
    """What a look at the tree shows without reading it:

    It differs when a file was changed, added or removed.
    """
    found = set()
    for name, path in _files(root):
        try:
            status = path.stat()
        except OSError:
            continue  # gone between listing and looking: the next look will show
        found.add((name, status.st_ino, status.st_mtime_ns, status.st_size))
    return frozenset(found)


def _files(root: Path) -> Iterator[tuple[str, Path]]:
    """Names, relative and with `/`, and paths of all files that matter.

    Links are followed, but never in a circle.
    """
    if not root.is_dir():
        yield root.name, root
        return
    count = 0
    seen: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(root, onerror=_refuse, followlinks=True):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            path = Path(folder, name)
            if name.startswith(".") or path.suffix not in _MODULES | _DATA:
                continue
            count += 1
            if count > _MAX_FILES:
                raise PolicyError(
                    [_problem(Source(str(root), ""), f"there are more than {_MAX_FILES} files")]
                )
            yield path.relative_to(root).as_posix(), path


def _refuse(error: OSError) -> NoReturn:
    raise error  # a folder that cannot be read may hold what blocks: policies are loaded whole or not at all


def _revision(contents: Iterable[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(contents):
        encoded = name.encode("utf-8", "surrogatepass")
        digest.update(b"%d:%d:" % (len(encoded), len(content)))  # lengths, so that no two sets read the same
        digest.update(encoded)
        digest.update(content)
    return digest.hexdigest()


def _problem(source: Source, message: str, offset: int = 0) -> Diagnostic:
    end = min(offset + 1, len(source.text))
    return Diagnostic("ward_data_error", message, Span(source, min(offset, end), end))


# --- data ---


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """YAML as OPA takes it: what JSON can say; a date is a string, a key is text and stands once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:
        own = [self._key(key) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        if len(own) != len(set(own)):
            twice = next(key for at, key in enumerate(own) if key in own[:at])
            raise yaml.constructor.ConstructorError(
                None, None, f"the key `{twice}` is given twice", node.start_mark
            )
        self.flatten_mapping(node)
        return {self._key(key): self.construct_object(value, deep=deep) for key, value in node.value}

    def _key(self, node: yaml.Node) -> str:
        key = self.construct_object(node, deep=True)
        return key if isinstance(key, str) else json.dumps(key)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _load(source: Source) -> Any:
    try:
        if source.name.endswith(".json"):
            return loads_exactly(source.text.encode())
        return _as_json(yaml.load(source.text, _Loader), [_MAX_NODES])  # noqa: S506 - a safe loader
    except orjson.JSONDecodeError as error:
        raise PolicyError([_problem(source, f"the file is not JSON: {error.msg}", error.pos)]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        said = error.problem or "it cannot be read"
        raise PolicyError(
            [_problem(source, f"the file is not YAML: {said}", mark.index if mark is not None else 0)]
        ) from None
    except (yaml.YAMLError, ValueError, ArithmeticError) as error:
        raise PolicyError([_problem(source, f"the data cannot be taken: {error}")]) from None
    except RecursionError:
        raise PolicyError([_problem(source, "the data is nested too deeply")]) from None


def _as_json(value: Any, left: list[int]) -> Any:
    """YAML's values as JSON has them, numbers exact; `left` bounds what aliases may grow to."""
    left[0] -= 1
    if left[0] < 0:
        raise ValueError("it is too large")
    if isinstance(value, dict):
        return {key: _as_json(item, left) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_json(item, left) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return exact_number(repr(value))
    raise ValueError(f"`{type(value).__name__}` has no place in JSON")


def _merge(data: dict[str, Any], source: Source, document: Any) -> Diagnostic | None:
    folders = source.name.split("/")[:-1]
    if not folders and not isinstance(document, dict):
        return _problem(source, "the data at the top of the tree is not an object")
    for folder in reversed(folders):
        document = {folder: document}
    clash = _lay_over(data, document, "data")
    return None if clash is None else _problem(source, f"`{clash}` is given twice, with different values")


def _lay_over(under: dict[str, Any], over: dict[str, Any], path: str) -> str | None:
    """Merge objects in place; the path of the first place that both fill."""
    for key, value in over.items():
        if key not in under:
            under[key] = value
        elif isinstance(value, dict) and isinstance(under[key], dict):
            clash = _lay_over(under[key], value, f"{path}.{key}")
            if clash is not None:
                return clash
        else:
            return f"{path}.{key}"
    return None


# --- git ---


def _git_commit(root: Path) -> str:
    folder = root if root.is_dir() else root.parent
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ""  # no git: the content hash alone names the revision
    return ran.stdout.strip() if ran.returncode == 0 else ""
