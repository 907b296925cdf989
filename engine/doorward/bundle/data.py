"""Data files: JSON and YAML as OPA takes them, merged into one document by the folders they lie in."""

from __future__ import annotations

import json
from typing import Any, Final

import orjson
import yaml

from doorward.run.exact import exact_number, loads_exactly
from doorward_dsl.diagnostics import Diagnostic, PolicyError
from doorward_dsl.source import Source, Span

__all__ = ["data_error", "load", "merge"]

_MAX_NODES: Final = 3_000_000


def data_error(source: Source, message: str, offset: int = 0) -> Diagnostic:
    """What is wrong with a file at a place in it."""
    end = min(offset + 1, len(source.text))
    return Diagnostic("ward_data_error", message, Span(source, min(offset, end), end))


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


def load(source: Source) -> Any:
    """What a data file says. Raises PolicyError."""
    try:
        if source.name.endswith(".json"):
            return loads_exactly(source.text.encode())
        return _as_json(yaml.load(source.text, _Loader), [_MAX_NODES])  # noqa: S506 - a safe loader
    except orjson.JSONDecodeError as error:
        raise PolicyError([data_error(source, f"the file is not JSON: {error.msg}", error.pos)]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        said = error.problem or "it cannot be read"
        raise PolicyError(
            [data_error(source, f"the file is not YAML: {said}", mark.index if mark is not None else 0)]
        ) from None
    except (yaml.YAMLError, ValueError, ArithmeticError) as error:
        raise PolicyError([data_error(source, f"the data cannot be taken: {error}")]) from None
    except RecursionError:
        raise PolicyError([data_error(source, "the data is nested too deeply")]) from None


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


def merge(data: dict[str, Any], source: Source, document: Any) -> Diagnostic | None:
    """Lay what a file says into `data`, at the place of its folder; what is wrong with that, if anything."""
    folders = source.name.split("/")[:-1]
    if not folders and not isinstance(document, dict):
        return data_error(source, "the data at the top of the tree is not an object")
    for folder in reversed(folders):
        document = {folder: document}
    clash = _lay_over(data, document, "data")
    return None if clash is None else data_error(source, f"`{clash}` is given twice, with different values")


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
