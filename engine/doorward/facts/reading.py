"""What the analysis of one operation says, whatever its kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

__all__ = ["Facts", "Opaque", "Reading"]


class Facts(BaseModel):
    """Part of a request document. Total: every field is always there, empty where it does not apply."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Opaque(Exception):
    """The operation can be understood in more than one way, or not at all. The message says why."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The facts of one operation by section of the document, as plain JSON values.

    `opaque` says why the operation cannot be understood for sure; then the facts are empty, and the request is blocked.
    """

    facts: dict[str, dict[str, Any]]
    opaque: str = ""
