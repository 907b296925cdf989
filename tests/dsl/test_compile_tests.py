"""Test blocks, checked: what each mistake is told, and what a block comes to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from doorward.decide.request import OPERATIONS, document_schemas
from doorward_dsl import PolicyError, Source, parse_module
from doorward_dsl.compile_tests import CompiledTest, compile_tests
from doorward_dsl.syntax import Given

MISTAKES: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("mistakes_tests.yaml").read_text())


def compiled(text: str, name: str = "p_test.ward") -> tuple[CompiledTest, ...]:
    module = parse_module(Source(name, text))
    return compile_tests([module], schemas=document_schemas(), operations=OPERATIONS).tests


@pytest.mark.parametrize("mistake", MISTAKES, ids=[one["text"][:60] for one in MISTAKES])
def test_mistakes(mistake: dict[str, Any]) -> None:
    with pytest.raises(PolicyError) as caught:
        compiled(f"package p\n\n{mistake['text']}\n")
    first = caught.value.diagnostics[0]
    assert len(caught.value.diagnostics) == 1
    assert (f"{first.span.line}:{first.span.column}", first.message, first.hint) == (
        mistake["place"],
        mistake["message"],
        mistake.get("hint"),
    )


def test_all_mistakes_of_a_file_are_told() -> None:
    with pytest.raises(PolicyError) as caught:
        compiled(
            'package p\n\ntest "a" {\n\tgiven principl.id := 1\n\tgiven data := 1\n\twhen htp `x`\n'
            '\texpect if nothing.x\n\texpect block\n}\n\ntest "b" {\n\twhen http `GET /`\n}\n'
        )
    assert [diagnostic.span.line for diagnostic in caught.value.diagnostics] == [4, 5, 6, 7, 11]


def test_what_givens_mean() -> None:
    (test,) = compiled(
        """package p

import data.directory as people

given schema := file("schema.sql")

fake(x) := x
secret := 1

test "a" {
	given people.list := ["x"]
	given secret := 2
	given input.session.id := "s"
	given principal := {"id": sprintf("%s", ["x"])}
	given upper := fake
	given lower := "constant"
	given fake := upper
	given time := 1
	when postgres `select 1`
	expect allow
}
"""
    )
    givens = [*test.module.givens, *(step for step in test.block.steps if isinstance(step, Given))]
    settings = [test.settings[given] for given in givens]
    assert [(one.part, one.path, one.of_function, one.function, one.file) for one in settings] == [
        ("schema", (), False, None, "schema.sql"),
        ("replaced", ("data", "directory", "list"), False, None, None),
        ("replaced", ("data", "p", "secret"), False, None, None),
        ("field", ("session", "id"), False, None, None),
        ("field", ("principal",), False, None, None),
        ("replaced", ("upper",), True, ("data", "p", "fake"), None),
        ("replaced", ("lower",), True, None, None),
        ("replaced", ("data", "p", "fake"), True, ("upper",), None),
        ("time", (), False, None, None),
    ]
    assert len(test.values) == 1


def test_names_of_cases_hide_imports() -> None:
    (test,) = compiled(
        'package p\n\nimport data.role\n\ntest "a" {\n\tsome role in ["x"]\n\tgiven principal.groups := [role]\n'
        "\twhen postgres `select 1`\n\texpect if role == principal.id\n}\n"
    )
    assert test.cases is not None
    assert len(test.conditions) == 1
