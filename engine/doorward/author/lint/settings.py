"""The settings of a policy repository: `.doorward.yaml`, beside the policies or above them.

```yaml
lint:
  rules:
    shadowing: off
    missing-reason: error
```
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, field_validator

from doorward_dsl.diagnostics import DoorwardError
from doorward_dsl.lint import RULES, LintSeverity
from doorward_dsl.suggest import nearest

__all__ = ["LintSettings", "Settings", "SettingsError", "find_settings", "read_settings"]

_NAME: Final = ".doorward.yaml"


class SettingsError(DoorwardError):
    """A settings file that cannot be taken. The message names the file and the place in it."""


def _off(value: Any) -> Any:
    return "off" if value is False else value  # YAML reads the word so


class LintSettings(BaseModel):
    """What lint tells, and how severely."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: dict[str, Annotated[LintSeverity, BeforeValidator(_off)]] = {}

    @field_validator("rules")
    @classmethod
    def _known(cls, rules: dict[str, LintSeverity]) -> dict[str, LintSeverity]:
        for name in rules:
            if name not in RULES:
                near = nearest(name, RULES)
                raise ValueError(f"there is no rule `{name}`" + (f": did you mean `{near}`?" if near else ""))
        return rules


class Settings(BaseModel):
    """All settings of a repository."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lint: LintSettings = LintSettings()


def find_settings(policies: Path) -> Path | None:
    """The settings file of some policies: in their folder or the nearest one above it, no further up than a repository."""
    folder = policies.resolve()
    for place in (folder, *folder.parents) if folder.is_dir() else folder.parents:
        if (place / _NAME).is_file():
            return place / _NAME
        if (place / ".git").exists():
            break
    return None


def read_settings(path: Path | None) -> Settings:
    """The settings in a file; the usual ones without a file. Raises SettingsError, OSError."""
    if path is None:
        return Settings()
    try:
        document = yaml.safe_load(path.read_bytes()) or {}
        return Settings.model_validate(document)
    except yaml.YAMLError as error:
        raise SettingsError(f"`{path}` is not YAML: {error}".replace("\n", " ")) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"`{path}`: `{place}`: {said[:1].lower()}{said[1:]}") from None
