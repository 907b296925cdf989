"""YAML as plain data that remembers on which line everything stood."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from doorward_gateway.errors import ConfigError

__all__ = ["Tree", "parse_scalar", "parse_tree"]

_MAX_NODES: Final = 20_000
_MAX_DEPTH: Final = 32

_Path = tuple[str | int, ...]


@dataclass(slots=True)
class Tree:
    """The data of a file, and for each path in it the place to name in a message."""

    file: str
    data: dict[str, Any] = field(default_factory=dict)
    places: dict[_Path, str] = field(default_factory=dict)

    def known(self, path: _Path) -> _Path:
        """`path` up to one key (that may be missing) behind the last that is known."""
        depth = 0
        while depth < len(path) and path[: depth + 1] in self.places:
            depth += 1
        return path[: depth + 1]

    def place(self, path: _Path) -> str:
        """Where that path, or the nearest section around it, stands."""
        for depth in range(len(path), 0, -1):
            if path[:depth] in self.places:
                return self.places[path[:depth]]
        return self.file


def parse_tree(text: str, file: str) -> Tree:
    """The data of a YAML text. Raises `ConfigError`: not YAML, a key twice, too large, not a mapping."""
    tree = Tree(file)
    loader: yaml.SafeLoader | None = None
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        data = {} if root is None else _Reader(loader, tree).read(root, ())
    except yaml.YAMLError as error:
        raise ConfigError([f"{file}{_line(error)}: is not YAML: {_reason(error)}"]) from error
    except RecursionError:
        raise ConfigError([f"{file}: is nested too deeply"]) from None
    finally:
        if loader is not None:
            loader.dispose()
    if not isinstance(data, dict):
        raise ConfigError([f"{file}:1: must be a section of keys and values"])
    tree.data = data
    return tree


def parse_scalar(value: str, source: str) -> Any:
    """One value in YAML, as in an environment variable. Raises `ConfigError`, without showing the value."""
    try:
        return yaml.safe_load(value)
    except (yaml.YAMLError, RecursionError, ValueError):
        raise ConfigError([f"{source}: is not a YAML value"]) from None


class _Reader:
    def __init__(self, loader: yaml.SafeLoader, tree: Tree) -> None:
        self._loader = loader
        self._tree = tree
        self._nodes = 0

    def read(self, node: yaml.Node, path: _Path) -> Any:
        """Data of a node; what an alias repeats is counted again, so that aliases cannot explode."""
        place = f"{self._tree.file}:{node.start_mark.line + 1}"
        if path:
            self._tree.places[path] = place
        self._nodes += 1
        if self._nodes > _MAX_NODES or len(path) > _MAX_DEPTH:
            raise ConfigError([f"{place}: is too large or nested too deeply"])
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, number)) for number, item in enumerate(node.value)]
        try:
            return self._loader.construct_object(node)
        except ValueError:
            raise ConfigError([f"{place}: is not a value that YAML knows"]) from None

    def _mapping(self, node: yaml.MappingNode, path: _Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = f"{self._tree.file}:{key_node.start_mark.line + 1}"
            if not isinstance(key_node, yaml.ScalarNode):
                raise ConfigError([f"{place}: a key must be a word"])
            key = key_node.value
            if key in data:
                raise ConfigError([f"{place}: `{key}` stands here twice"])
            data[key] = self.read(value_node, (*path, key))
            self._tree.places[(*path, key)] = place
        return data


def _line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return "" if mark is None else f":{mark.line + 1}:{mark.column + 1}"


def _reason(error: yaml.YAMLError) -> str:
    return getattr(error, "problem", None) or "it cannot be read"
