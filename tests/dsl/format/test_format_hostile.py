"""Whatever text it is given, the formatter ends: in a text that says the same, or in a diagnostic."""

from __future__ import annotations

import pytest

from doorward_dsl import ParseError, Source, parse_module
from doorward_dsl.format import format_source, print_module
from doorward_dsl.format.same import same_module

_TEXTS = {
    "brackets": "x := " + "[" * 195 + "]" * 195,
    "comprehensions": "x := " + "[y | y := " * 95 + "1" + "]" * 95,
    "sums": "x := " + " + ".join("a" * 190),
    "unions": "x if { " + " | ".join("a" * 190) + " == b }",
    "powers": "x := " + " - ".join("a * b" for _ in range(90)),
    "elses": "x := 1 if y" + " else := 2 if z" * 190,
    "comments": "# c\n" * 20_000 + "x := 1",
    "items": "x := [" + "1, # c\n" * 10_000 + "2]",
    "carriage returns": "x := `a\r\nb` # c\r\n",
}


@pytest.mark.parametrize("name", _TEXTS)
@pytest.mark.parametrize("dialect", ["rego", "ward"])
def test_large_and_deep_texts_are_formatted(name: str, dialect: str) -> None:
    source = Source(f"m.{dialect}", f"package m\n\n{_TEXTS[name]}\n")
    canonical = Source(source.name, format_source(source))
    assert format_source(canonical) == canonical.text
    module = parse_module(source)
    assert same_module(module, parse_module(Source(source.name, print_module(module))))


@pytest.mark.parametrize(
    "text", ["", "\0", "package", "package a\nx := [", "\ufeff", "package a\n" + "(" * 100_000]
)
def test_what_is_no_policy_is_a_diagnostic(text: str) -> None:
    with pytest.raises(ParseError):
        format_source(Source("m.ward", text))
