"""Whatever its variables and aliases are called, a policy answers the same: the oracle of renaming in editors.

Every variable of a conformance case gets another name, at the places where `occurrences` finds it; the case must come out as
before. A place that was missed, or was another variable's, shows.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from doorward_dsl import Source, parse_module
from doorward_dsl.occurrences import Alias, Meaning, Variable, occurrences
from doorward_dsl.resolve.globals import exports
from doorward_dsl.syntax import Module

from .cases import FOLDER, Case, load_cases
from .running import run

_EXCEPTIONS = json.loads(Path(__file__).with_name("exceptions.json").read_text("utf-8"))
_CASES = [
    case
    for case in load_cases()
    if case.modules
    and case.want_error is None
    and case.want_error_code is None
    and case.note not in _EXCEPTIONS
]
if not _CASES:
    pytest.skip(f"the conformance cases are not in {FOLDER}", allow_module_level=True)


def renamed(module: Module, modules: list[Module]) -> str:
    """The text of a module with another name for each of its variables and aliases."""
    text = module.span.source.text
    names: dict[Meaning, str] = {}
    for one in reversed(occurrences(module, exports(modules), {})):
        if isinstance(one.meaning, Variable | Alias):
            name = names.setdefault(one.meaning, f"renamed_{len(names)}")
            text = text[: one.span.start] + name + text[one.span.end :]
    return text


def with_other_names(case: Case) -> Case:
    modules = [parse_module(Source(f"test-{at}.rego", text)) for at, text in enumerate(case.modules)]
    return replace(case, modules=tuple(renamed(module, modules) for module in modules))


def test_renamed_variables_change_nothing() -> None:
    changed = 0
    for case in _CASES:
        other = with_other_names(case)
        changed += other.modules != case.modules
        try:
            run(other)
        except Exception as error:
            raise AssertionError(f"{case.note}: {error}\n{other.modules}") from error
    assert changed > len(_CASES) // 3
