"""OPA's conformance cases, as data, and what it takes to run one."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["FOLDER", "Case", "load_cases"]

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "conformance" / "rego"


@dataclass(frozen=True, slots=True)
class Case:
    """One case: modules, data and input, a query, and either the bindings or the error that must come out."""

    category: str
    note: str
    query: str
    modules: tuple[str, ...] = ()
    data: Any = field(default_factory=dict)
    input: Any = None
    has_input: bool = False
    input_term: str | None = None
    want_result: list[dict[str, Any]] | None = None
    want_error_code: str | None = None
    want_error: str | None = None
    sort_bindings: bool = False
    strict_error: bool = False


def load_cases(folder: Path = FOLDER) -> list[Case]:
    """All cases of a folder; none where there is no such folder."""
    return [
        _case(stated, path.stem)
        for path in sorted(folder.glob("*.json"))
        for stated in json.loads(path.read_text("utf-8"))
    ]


def _case(stated: dict[str, Any], file: str) -> Case:
    return Case(
        category=stated.get("category", file),
        note=stated["note"],
        query=stated["query"],
        modules=tuple(stated.get("modules") or ()),
        data=stated.get("data") or {},
        input=stated.get("input"),
        has_input="input" in stated,
        input_term=stated.get("input_term"),
        want_result=stated.get("want_result"),
        want_error_code=stated.get("want_error_code"),
        want_error=stated.get("want_error"),
        sort_bindings=bool(stated.get("sort_bindings")),
        strict_error=bool(stated.get("strict_error")),
    )
