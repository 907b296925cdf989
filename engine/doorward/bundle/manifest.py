"""The manifest of a bundle: its revision, and the part of `data` that it speaks for."""

from __future__ import annotations

import json
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from doorward.bundle.errors import BundleError

__all__ = ["MANIFEST", "Manifest", "read_manifest"]

MANIFEST: Final = ".manifest"


class Manifest(BaseModel):
    """What a bundle says of itself. A bundle without a manifest says nothing, and owns all of `data`."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    revision: str = Field(default="", description="named by whoever built it")
    roots: tuple[str, ...] = Field(
        default=("",), description="paths below `data`, with `/`, that it alone fills"
    )
    rego_version: Literal[1] = Field(default=1, description="of every module")
    file_rego_versions: dict[str, Literal[1]] = {}
    wasm: tuple[()] = Field(default=(), description="compiled modules cannot be run here")
    metadata: dict[str, Any] = {}

    def owns(self, path: tuple[str, ...]) -> bool:
        """Whether a place below `data`, or everything below it, belongs to this bundle."""
        return any(self._below(path, root) for root in self.roots)

    def _below(self, path: tuple[str, ...], root: str) -> bool:
        parts = tuple(part for part in root.split("/") if part)
        return path[: len(parts)] == parts

    def to_json(self) -> bytes:
        """As it stands in the bundle."""
        shown = {"revision": self.revision, "roots": list(self.roots), "rego_version": self.rego_version}
        whole = {**shown, "metadata": self.metadata} if self.metadata else shown
        return json.dumps(whole, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def read_manifest(content: bytes) -> Manifest:
    """The manifest in the bytes of `.manifest`. Raises BundleError."""
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        about = f"`{place}`: " if place else ""
        raise BundleError(
            f"`{MANIFEST}` in the bundle cannot be taken: {about}{first['msg'].lower()}"
        ) from None
