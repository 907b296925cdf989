"""Mask targets as text."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["field_path", "read_target"]


def read_target(text: str) -> tuple[str, str]:
    """The kind of a target that a value names, and its text."""
    if text.startswith("$"):
        return "json_path", text
    if text.startswith("content(") and text.endswith(")"):
        return "content", text.removeprefix("content(").removesuffix(")").strip()
    return "field", text


def field_path(steps: Sequence[str | int]) -> str:
    """A JSON path as a policy writes it: `$.a[0].b[*]["c d"]`."""
    written = []
    for step in steps:
        if step == "*" or isinstance(step, int):
            written.append(f"[{step}]")
        else:
            written.append(f".{step}" if step.isidentifier() else f'["{step}"]')
    return "$" + "".join(written)
