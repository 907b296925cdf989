"""From a file, the environment and flags to settings: a flag counts for more than a variable, a variable for more than
the file, the file for more than what is usual.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from doorward.serve.configuration import tree as trees
from doorward.serve.configuration.section import Section
from doorward.serve.configuration.tree import SettingsError, Tree, parse_tree, parse_value
from doorward_dsl.suggest import nearest

__all__ = ["ENVIRONMENT_PREFIX", "load"]

ENVIRONMENT_PREFIX: Final = "DOORWARD_"
_OTHERS: Final = ("DOORWARD_GATEWAY_",)
"""Prefixes of variables that are the gateway's."""

_MAX_FILE: Final = 1 << 20

_Model = TypeVar("_Model", bound=BaseModel)


def load(
    model: type[_Model], *, file: Path | None, environment: Mapping[str, str], flags: Mapping[str, Any]
) -> _Model:
    """The settings told.

    `DOORWARD_LIMITS__RATE=100` sets `limits.rate`: two underscores step into a section, values are read as YAML. Other
    programs of this product have variables with the same beginning, and an orchestrator may add some; so one
    whose first word is no key is only refused where it is nearly one. `flags` are by what they are called
    (`--max-concurrent`, `--set limits.rate`), with `None` where a flag was not given; those of `--set` are YAML.
    Paths are from the folder of the file. Raises SettingsError with every problem found.
    """
    tree = Tree() if file is None else _read(file)
    for key, value in list(tree.data.items()):
        whole = _spelled_out((key,), value, model)
        if len(whole) > 1:
            del tree.data[key]
            tree.lay(whole, value, tree.place((key,)))
    for name in sorted(environment):
        path = _named(name, model)
        if path:
            value = parse_value(environment[name], name)
            tree.lay(_spelled_out(_as_written(path, tree.data), value, model), value, name)
    for flag, given in flags.items():
        if given is not None:
            value = parse_value(given, flag) if " " in flag else given
            tree.lay(_spelled_out(_flagged(flag), value, model), value, flag)
    folder = Path.cwd() if file is None else file.resolve().parent
    try:
        return model.model_validate(tree.data, context={"directory": folder})
    except ValidationError as error:
        raise SettingsError(_problems(error, tree, model)) from None


def _read(file: Path) -> Tree:
    try:
        with file.open("rb") as stream:
            content = stream.read(_MAX_FILE + 1)
        if len(content) > _MAX_FILE:
            raise SettingsError([f"{file}: is larger than {_MAX_FILE} bytes"])
        return parse_tree(content.decode(), str(file))
    except OSError as error:
        raise SettingsError([f"{file}: cannot be read: {(error.strerror or str(error)).lower()}"]) from None
    except UnicodeDecodeError as error:
        raise SettingsError([f"{file}: is not UTF-8 text (at byte {error.start})"]) from None


def _named(name: str, model: type[BaseModel]) -> tuple[str, ...]:
    """What a variable sets; nothing where it is not one of these settings."""
    if not name.startswith(ENVIRONMENT_PREFIX) or name.startswith(_OTHERS):
        return ()
    first, *rest = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
    if first not in model.model_fields:
        near = nearest(first, model.model_fields, 0.75)
        if near is None and not rest:
            return ()
        meant = f": did you mean `{ENVIRONMENT_PREFIX}{near.upper()}`?" if near else ""
        raise SettingsError([f"{name}: there is no setting `{first}`{meant}"])
    if not all(rest):
        raise SettingsError([f"{name}: does not name a setting: write two underscores between its parts"])
    return (first, *rest)


def _spelled_out(path: tuple[str, ...], value: Any, model: type[BaseModel]) -> tuple[str, ...]:
    """The whole path where a section is named, and what is given is the one key that it may stand for."""
    if len(path) == 1 and not isinstance(value, dict) and path[0] in model.model_fields:
        section = _model_in(model.model_fields[path[0]].annotation)
        if section is not None and issubclass(section, Section) and section.stands_for:
            return (*path, section.stands_for)
    return path


def _as_written(path: tuple[str, ...], data: Any) -> tuple[str, ...]:
    """The same path with keys as the file has them: names of variables do not tell capitals from small letters."""
    written = []
    for step in path:
        keys = data if isinstance(data, dict) else {}
        key = next((key for key in keys if key.lower() == step), step)
        written.append(key)
        data = keys.get(key)
    return tuple(written)


def _flagged(flag: str) -> tuple[str, ...]:
    path = tuple(flag.removeprefix("--set ").removeprefix("--").replace("-", "_").split("."))
    if not all(path):
        raise SettingsError([f"{flag}: does not name a setting: write `section.key=value`"])
    return path


def _problems(error: ValidationError, tree: Tree, model: type[BaseModel]) -> list[str]:
    """One sentence a problem, in the order of the file."""
    found: set[tuple[int, str]] = set()
    errors = error.errors(include_url=False, include_context=True)
    for problem in errors:
        if problem["type"] == "too_short" and any(
            other["loc"][:-1] == problem["loc"] for other in errors if other["loc"]
        ):
            continue  # for want of what is wrong itself
        # pydantic names the steps through a model's own validators too; only keys of the file are of use here
        location = tree.known(tuple(step for step in problem["loc"] if step != "[key]"))
        place, key = tree.place(location), _dotted(location)
        said = " ".join(filter(None, (f"`{key}`" if key else "", _sentence(problem, location, model))))
        line = place.rpartition(":")[2]
        found.add((int(line) if line.isdigit() else 0, f"{place}: {said}" if place else said))
    return [text for _, text in sorted(found)]


def _sentence(problem: Any, location: trees.Path, model: type[BaseModel]) -> str:
    kind, message = problem["type"], str(problem["msg"])
    if kind == "extra_forbidden":
        near = nearest(str(location[-1]), _keys_at(location[:-1], model))
        return "is not a known key" + (f": did you mean `{near}`?" if near else "")
    if kind == "missing":
        return "is required"
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    if kind == "too_short":
        return "must not be empty"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return "must be a section of keys and values"
    if kind in ("tuple_type", "list_type", "frozen_set_type", "set_type"):
        return "must be a list"
    said = message.replace("Input should be ", "must be ").replace("String should ", "must ")
    return said.split(", unable to parse")[0].replace("a valid ", "a ").replace("a integer", "an integer")


def _keys_at(location: trees.Path, model: type[BaseModel]) -> list[str]:
    """The keys that the section at that place can have."""
    inner: Any = model
    for step in location:
        section = _model_in(inner)
        if isinstance(step, str) and section is not None and step in section.model_fields:
            inner = section.model_fields[step].annotation
    section = _model_in(inner)
    return [] if section is None else list(section.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation such as `X`, `X | None`, `tuple[X, ...]`, `dict[str, X]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part)) is not None), None)


def _dotted(location: trees.Path) -> str:
    dotted = ""
    for step in location:
        dotted += f"[{step}]" if isinstance(step, int) else f".{step}" if dotted else step
    return dotted
