"""Secrets in a configuration: named by file or environment variable, never written down."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo, model_validator

__all__ = ["SECRET_SUFFIXES", "ConfigFile", "ConfigPath", "HasSecret", "Section"]

SECRET_SUFFIXES: Final = ("_file", "_env")
_MAX_SECRET: Final = 65_536


class Section(BaseModel):
    """A section of the configuration: no unknown keys, no changes, no values in messages."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, arbitrary_types_allowed=True
    )


class HasSecret(Section):
    """A section with one secret, `keeps`, filled in from `…_file` or `…_env`."""

    keeps: ClassVar[str] = "password"

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any, info: ValidationInfo) -> Any:
        if not isinstance(data, dict):
            return data
        name = cls.keeps
        file_key, env_key = (name + suffix for suffix in SECRET_SUFFIXES)
        if name in data:
            raise ValueError(f"holds a secret: put `{name}` in a file and name it by `{file_key}`")
        if file_key in data and env_key in data:
            raise ValueError(f"has both `{file_key}` and `{env_key}`")
        data = dict(data)
        if file_key in data:
            data[name] = _from_file(data.pop(file_key), file_key, info)
        elif env_key in data:
            data[name] = _from_environment(data.pop(env_key), env_key, info)
        return data


def _from_file(value: Any, key: str, info: ValidationInfo) -> str:
    if not isinstance(value, str):
        raise ValueError(f"`{key}` must be the name of a file")
    path = _directory(info) / value
    try:
        with path.open("rb") as stream:
            secret = stream.read(_MAX_SECRET).decode().strip("\r\n")
    except OSError as error:
        raise ValueError(f"`{key}`: cannot read `{path}`: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"`{key}`: `{path}` is not UTF-8 text") from None
    return _not_empty(secret, key)


def _from_environment(value: Any, key: str, info: ValidationInfo) -> str:
    environment: Mapping[str, str] = (info.context or {}).get("environment", {})
    if not isinstance(value, str) or value not in environment:
        raise ValueError(f"`{key}`: there is no environment variable `{value}`")
    return _not_empty(environment[value], key)


def _not_empty(secret: str, key: str) -> str:
    if not secret:
        raise ValueError(f"`{key}` names an empty secret")
    return secret


def _directory(info: ValidationInfo) -> Path:
    directory: Path = (info.context or {}).get("directory", Path())
    return directory


def _absolute(path: Path, info: ValidationInfo) -> Path:
    return _directory(info) / path


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"there is no file `{path}`")
    return path


ConfigPath = Annotated[Path, AfterValidator(_absolute)]
"""A path, relative to the configuration file where it is not absolute."""

ConfigFile = Annotated[Path, AfterValidator(_absolute), AfterValidator(_existing)]
"""The same, of a file that must be there."""
