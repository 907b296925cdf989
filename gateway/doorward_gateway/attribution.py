"""To what an access belongs: the purpose, and for agents the place in the reasoning tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["MAX_ATTRIBUTION", "Attribution"]

MAX_ATTRIBUTION = 512
"""The longest value of one field, in characters. They come from callers and go into every record."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """Purpose, and run, branch, step, parent step and trace id; `None` where the caller said nothing."""

    purpose: str | None = None
    run: str | None = None
    branch: str | None = None
    step: str | None = None
    parent_step: str | None = None
    trace_id: str | None = None

    def __post_init__(self) -> None:
        for name, value in self.document().items():
            if len(value) > MAX_ATTRIBUTION or not value.isprintable():
                raise ValueError(f"`{name}` must be printable text of at most {MAX_ATTRIBUTION} characters")

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Attribution:
        """From a document that may hold more; absent, null and empty all mean `None`."""
        return cls(**{name: document.get(name) or None for name in cls.__slots__})

    def document(self) -> dict[str, str]:
        """The fields that are known, for the `session` part of an access request and for the record."""
        return {name: value for name in self.__slots__ if (value := getattr(self, name)) is not None}

    def or_else(self, fallback: Attribution) -> Attribution:
        """This one, with `fallback`'s values where it has none."""
        return Attribution(**{**fallback.document(), **self.document()})
