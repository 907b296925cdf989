"""What documents and functions are worth, checked against answers recorded from OPA (`semantics.json`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from doorward.run.convert import to_json
from doorward.run.errors import EvaluationError
from doorward_dsl import PolicyError, Source, parse_module
from doorward_dsl.compile import compile_modules

from .compiling import ask, compiled

_STATED = json.loads(Path(__file__).with_name("semantics.json").read_text("utf-8"))


@pytest.mark.parametrize("case", _STATED["cases"], ids=range(len(_STATED["cases"])))
@pytest.mark.parametrize("indexed", [True, False], ids=["indexed", "unindexed"])
def test_as_opa(case: dict[str, Any], indexed: bool) -> None:
    if "error" in case:
        with pytest.raises((PolicyError, EvaluationError)) as caught:
            ask(compiled(case["rego"], data=_STATED["data"], indexed=indexed), "data.test", _STATED["input"])
        assert caught.value.code == case["error"]
        return
    policy = compiled(case["rego"], data=_STATED["data"], indexed=indexed)
    (value,) = ask(policy, "data.test", _STATED["input"])
    got = to_json(value)
    del got["base"]
    assert _plain(got) == _plain(case["want"])


def _plain(value: Any) -> Any:
    """The value with its numbers rounded to what JSON carries, and booleans told apart from numbers."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    return value if value is None or isinstance(value, (str, int)) else pytest.approx(float(value))


def test_places_of_errors_are_the_policys() -> None:
    program = compile_modules([parse_module(Source("a/b.rego", "package p\n\nq := 1\n\nq := 2\n"))])
    from doorward.compile import compile_program

    with pytest.raises(EvaluationError) as caught:
        ask(compile_program(program, {}), "data.p.q")
    assert str(caught.value).startswith("a/b.rego:3: eval_conflict_error: ")


def test_tracebacks_point_at_the_policy() -> None:
    policy = compiled("package p\n\nq if {\n\tinput.x\n\tto_number(input.x) > 3\n}\n")
    from doorward.run.context import CallContext

    with pytest.raises(EvaluationError) as caught:
        ask(policy, "data.p.q", {"x": "a"}, CallContext(strict=True))
    frames = [(frame.path, frame.lineno + 1) for frame in caught.traceback]
    assert ("p0.ward", 5) in [(str(path), line) for path, line in frames]


@pytest.mark.parametrize(
    ("stand_in", "holds"), [('{"z": 7}', True), ("[7]", True), ("{8}", False), ("7", False)]
)
def test_a_query_puts_anything_in_the_place_of_a_set(stand_in: str, holds: bool) -> None:
    policy = compiled("package p\n\nr contains x if some x in [1, 2]\n\nhas if { some x in r; x == 7 }\n")
    assert ask(policy, f"data.p.has with data.p.r as {stand_in}") == ([True] if holds else [])
    assert ask(policy, "data.p.has") == []
