"""YAML as plain data that remembers on which line everything stood."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import yaml

from doorward_dsl.diagnostics import DoorwardError

__all__ = ["Path", "SettingsError", "Tree", "parse_tree", "parse_value"]

_MAX_NODES: Final = 20_000
_MAX_DEPTH: Final = 32

Path: TypeAlias = tuple[str | int, ...]
"""The keys and numbers that lead to a value."""


class SettingsError(DoorwardError):
    """The settings cannot be used. `problems` are whole sentences, each with its place; the message is all of them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(slots=True)
class Tree:
    """The data of a file, and for each path in it the place to name in a message."""

    file: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    places: dict[Path, str] = field(default_factory=dict)

    def lay(self, path: tuple[str, ...], value: Any, place: str) -> None:
        """Set one value, over what stood there. Raises SettingsError where the way to it is not through sections."""
        section = self.data
        for depth, key in enumerate(path[:-1], 1):
            section = section.setdefault(key, {})
            if not isinstance(section, dict):
                raise SettingsError([f"{place}: `{'.'.join(path[:depth])}` is not a section"])
            self.places.setdefault(path[:depth], place)
        section[path[-1]] = value
        for known in [known for known in self.places if known[: len(path)] == path]:
            del self.places[known]
        self.places[path] = place

    def known(self, path: Path) -> Path:
        """`path` up to one key (that may be missing) behind the last that is known."""
        depth = 0
        while depth < len(path) and path[: depth + 1] in self.places:
            depth += 1
        return path[: depth + 1]

    def place(self, path: Path) -> str:
        """Where that path, or the nearest section around it, stands."""
        for depth in range(len(path), 0, -1):
            if path[:depth] in self.places:
                return self.places[path[:depth]]
        return self.file


def parse_tree(text: str, file: str) -> Tree:
    """The data of a YAML text. Raises SettingsError: not YAML, a key twice, too large, no mapping."""
    tree = Tree(file)
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        data = {} if root is None else _Reader(loader, tree).read(root, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        at = "" if mark is None else f":{mark.line + 1}:{mark.column + 1}"
        raise SettingsError([f"{file}{at}: is not YAML: {error.problem or 'it cannot be read'}"]) from None
    except yaml.YAMLError:
        raise SettingsError([f"{file}: is not YAML: it holds characters that cannot stand there"]) from None
    except RecursionError:
        raise SettingsError([f"{file}: is nested too deeply"]) from None
    finally:
        loader.dispose()
    if not isinstance(data, dict):
        raise SettingsError([f"{file}:1: must be a section of keys and values"])
    tree.data = data
    return tree


def parse_value(text: str, place: str) -> Any:
    """One value in YAML, as in a variable. Raises SettingsError, which does not show the value."""
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        raise SettingsError([f"{place}: is not a YAML value"]) from None


class _Reader:
    def __init__(self, loader: yaml.SafeLoader, tree: Tree) -> None:
        self._loader = loader
        self._tree = tree
        self._nodes = 0

    def read(self, node: yaml.Node, path: Path) -> Any:
        """Data of a node; what an alias repeats is counted again, so that aliases cannot explode."""
        place = f"{self._tree.file}:{node.start_mark.line + 1}"
        if path:
            self._tree.places[path] = place
        self._nodes += 1
        if self._nodes > _MAX_NODES or len(path) > _MAX_DEPTH:
            raise SettingsError([f"{place}: is too large or nested too deeply"])
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, number)) for number, item in enumerate(node.value)]
        try:
            return self._loader.construct_object(node)
        except ValueError:
            raise SettingsError([f"{place}: is not a value that YAML knows"]) from None

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = f"{self._tree.file}:{key_node.start_mark.line + 1}"
            if not isinstance(key_node, yaml.ScalarNode):
                raise SettingsError([f"{place}: a key must be a word"])
            key = key_node.value
            if key in data:
                raise SettingsError([f"{place}: `{key}` stands here twice"])
            data[key] = self.read(value_node, (*path, key))
            self._tree.places[(*path, key)] = place
        return data
