"""What the sections of the settings are made of."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationInfo

__all__ = ["Address", "ConfigFile", "ConfigPath", "Section", "Words", "is_loopback", "resolved"]

_UNIX: Final = "unix:"


class Section(BaseModel):
    """A section of the settings: no unknown keys, no changes, no values in messages."""

    stands_for: ClassVar[str] = ""
    """The key that is meant where something else than a section stands in its place; empty where nothing may."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def resolved(path: Path, info: ValidationInfo) -> Path:
    """A path as the file of settings means it: from the folder that the file is in."""
    folder: Path = (info.context or {}).get("directory", Path())
    return folder / path


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"there is no file `{path}`")
    return path


ConfigPath = Annotated[Path, AfterValidator(resolved)]
"""A path, from the folder of the configuration file where it is not absolute."""

ConfigFile = Annotated[Path, AfterValidator(resolved), AfterValidator(_existing)]
"""The same, of a file that must be there."""


def _words(value: Any) -> Any:
    return value.replace(",", " ").split() if isinstance(value, str) else value


Words = BeforeValidator(_words)
"""A list may be written as one text, its parts apart by commas or blanks: so it fits into a variable."""


def _address(value: str) -> str:
    if value.startswith(_UNIX):
        if len(value) > len(_UNIX):
            return value
    else:
        host, _, port = value.rpartition(":")
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if bare and ":" not in host.replace(f"[{bare}]", "") and port.isdecimal() and int(port) <= 65_535:
            return value
    raise ValueError("must be `host:port`, such as `127.0.0.1:8181` or `[::1]:8181`, or `unix:/path`")


Address = Annotated[str, AfterValidator(_address)]
"""Where something listens: `host:port` (port 0: any free one) or `unix:/path`."""


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach an `Address`."""
    if address.startswith(_UNIX):
        return True
    host = address.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
