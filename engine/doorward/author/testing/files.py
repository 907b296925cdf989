"""The files that tests name: `file("schema.sql")`, beside the test file or below it, never outside of what is tested."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeAlias

import yaml

from doorward.run.exact import loads_exactly

__all__ = ["FileError", "FilesBelow", "ReadFile", "content_of"]

_MAX_BYTES: Final = 16 * 1024 * 1024

ReadFile: TypeAlias = Callable[[str, str], bytes]
"""From the name of the test file and the name it gives to the bytes. Raises FileError."""


class FileError(ValueError):
    """A file that a test names cannot be had."""


@dataclass(frozen=True, slots=True)
class FilesBelow:
    """Reads files below some directories: names are taken from where the test file stands."""

    roots: tuple[Path, ...]

    def __call__(self, test_file: str, name: str) -> bytes:
        path = (Path(test_file).parent / name).resolve()
        bounds = [root.resolve() for root in self.roots]
        if not any(path.is_relative_to(root if root.is_dir() else root.parent) for root in bounds):
            raise FileError(f"the file `{name}` is outside of the policies that are tested")
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise FileError(f"the file `{name}` is larger than {_MAX_BYTES} bytes")
            return path.read_bytes()
        except OSError as error:
            raise FileError(
                f"the file `{name}` cannot be read: {(error.strerror or str(error)).lower()}"
            ) from None


def content_of(name: str, content: bytes) -> Any:
    """What a file says: of JSON and YAML the document, of any other its text. Raises FileError."""
    suffix = PurePosixPath(name).suffix
    try:
        if suffix == ".json":
            return loads_exactly(content)
        text = content.decode("utf-8-sig")
        return yaml.safe_load(text) if suffix in (".yaml", ".yml") else text
    except (ValueError, ArithmeticError, yaml.YAMLError, RecursionError) as error:
        raise FileError(f"the file `{name}` cannot be read: {error}") from None
