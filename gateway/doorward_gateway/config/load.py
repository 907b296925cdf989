"""From a YAML file and the environment to a `Config`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from doorward_gateway.config.model import Config
from doorward_gateway.config.secret import SECRET_SUFFIXES, HasSecret
from doorward_gateway.config.tree import Tree, parse_scalar, parse_tree
from doorward_gateway.errors import ConfigError

__all__ = ["ENVIRONMENT_PREFIX", "load"]

ENVIRONMENT_PREFIX: Final = "DOORWARD_GATEWAY_"
_MAX_FILE: Final = 1 << 20


def load(path: Path, environment: Mapping[str, str]) -> Config:
    """The configuration in the YAML file `path`, with `DOORWARD_GATEWAY_…` variables laid over it.

    `DOORWARD_GATEWAY_ENGINE__TARGET=engine:8181` sets `engine.target`; two underscores step into a section,
    names are taken without regard to case, values are read as YAML. Raises `ConfigError` with every problem
    found.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_FILE + 1)
        if len(content) > _MAX_FILE:
            raise ConfigError([f"{path}: is larger than {_MAX_FILE} bytes"])
        text = content.decode()
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text (at byte {error.start})"]) from error
    tree = parse_tree(text, str(path))
    for name in sorted(environment):
        if name.startswith(ENVIRONMENT_PREFIX):
            _override(tree, name, environment[name])
    context = {"directory": path.resolve().parent, "environment": environment}
    try:
        return Config.model_validate(tree.data, context=context)
    except ValidationError as error:
        raise ConfigError(_problems(error, tree)) from error


def _override(tree: Tree, name: str, value: str) -> None:
    keys = name.removeprefix(ENVIRONMENT_PREFIX).split("__")
    if not all(keys):
        raise ConfigError([f"{name}: does not name a key: write two underscores between its parts"])
    place = tree.data
    path: list[str | int] = []
    for depth, wanted in enumerate(keys):
        key = next((key for key in place if key.casefold() == wanted.casefold()), wanted.lower())
        path.append(key)
        if depth == len(keys) - 1:
            place[key] = parse_scalar(value, name)
            tree.places[tuple(path)] = name
            return
        inner = place.setdefault(key, {})
        if not isinstance(inner, dict):
            raise ConfigError([f"{name}: `{_dotted(path)}` is not a section"])
        tree.places.setdefault(tuple(path), name)
        place = inner


def _problems(error: ValidationError, tree: Tree) -> list[str]:
    """One sentence a problem, in the order of the file."""
    found: set[tuple[int, str]] = set()
    for problem in error.errors(include_url=False, include_context=True):
        # pydantic names the steps through a model's own validators too; only keys of the file are of use here
        location = tree.known(problem["loc"])
        place, key = tree.place(location), _dotted(location)
        sentence = _sentence(problem, location)
        line = place.rpartition(":")[2]
        found.add(
            (
                int(line) if line.isdigit() else 0,
                f"{place}: `{key}` {sentence}" if key else f"{place}: {sentence}",
            )
        )
    return [text for _, text in sorted(found)]


def _sentence(problem: Any, location: tuple[str | int, ...]) -> str:
    kind, message = problem["type"], str(problem["msg"])
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(location[-1]), _keys_at(location[:-1]), n=1)
        return f"is not a known key; did you mean `{near[0]}`?" if near else "is not a known key"
    if kind == "missing":
        secret = any(location[-1] == field for field in ("token", "password"))
        return (
            f"is required: name it by `{location[-1]}_file` or `{location[-1]}_env`"
            if secret
            else "is required"
        )
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    if kind == "too_short":
        return "must not be empty"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return "must be a section of keys and values"
    return message.replace("Input should be ", "must be ").replace("String should ", "must ")


def _keys_at(location: tuple[str | int, ...]) -> list[str]:
    """The keys that the section at that place can have."""
    annotation: Any = Config
    for step in location:
        model = _model_in(annotation)
        if isinstance(step, str) and model is not None and step in model.model_fields:
            annotation = model.model_fields[step].annotation
    model = _model_in(annotation)
    if model is None:
        return []
    keys = list(model.model_fields)
    if issubclass(model, HasSecret):
        keys.remove(model.keeps)
        keys += [model.keeps + suffix for suffix in SECRET_SUFFIXES]
    return keys


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation such as `X`, `X | None`, `tuple[X, ...]`, `dict[str, X]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part)) is not None), None)


def _dotted(location: tuple[str | int, ...] | list[str | int]) -> str:
    dotted = ""
    for step in location:
        dotted += f"[{step}]" if isinstance(step, int) else f".{step}" if dotted else step
    return dotted
