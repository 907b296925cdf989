"""What a user reads after a mistake: place, message, hint. Around each mistake the file is right."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from doorward_dsl import ParseError, Source, parse_module, parse_query


def table(name: str) -> list[tuple[str, str, str, str | None]]:
    """The mistakes of one file: text, place, message, hint."""
    rows = yaml.safe_load(Path(__file__).with_name(name).read_text("utf-8"))
    return [(row["text"], row["place"], row["message"], row.get("hint")) for row in rows]


def mistakes(name: str, header: str, text: str) -> list[tuple[str, str, str | None]]:
    """Place (lines counted from `text`), message and hint of everything reported."""
    with pytest.raises(ParseError) as caught:
        parse_module(Source(name, f"{header}{text}\nlast if true\n"))
    found = caught.value.diagnostics
    assert {diagnostic.code for diagnostic in found} == {"rego_parse_error"}
    above = header.count("\n")
    return [(f"{one.span.line - above}:{one.span.column}", one.message, one.hint) for one in found]


@pytest.mark.parametrize(("text", "place", "message", "hint"), table("mistakes_rego.yaml"))
def test_rego(text: str, place: str, message: str, hint: str | None) -> None:
    assert mistakes("p.rego", "package t\n\nfirst := 1\n", text)[0] == (place, message, hint)


@pytest.mark.parametrize(("text", "place", "message", "hint"), table("mistakes_ward.yaml"))
def test_ward(text: str, place: str, message: str, hint: str | None) -> None:
    assert mistakes("p.ward", "package t\n\ngoverns postgres\n", text)[0] == (place, message, hint)


def test_every_statement_is_read_and_every_mistake_reported_in_order() -> None:
    text = "p if {\n  x := [1, 2\n  y\n}\nq if 1 2\nr := 5\ns if x )\nt iff y\n"
    found = mistakes("p.rego", "package t\n", text)
    assert [place for place, _, _ in found] == ["4:1", "5:8", "7:8", "8:3"]


def test_one_mistake_is_reported_once() -> None:
    assert len(mistakes("p.rego", "package t\n", "p if { a ? b }")) == 1
    assert len(mistakes("p.rego", "package t\n", 'p if { a("x) }\n')) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty module"),
        ("# only a comment\n", "empty module"),
        ("p := 1\n", "package expected"),
        ("p := 1\npackage t\n", "package expected"),
    ],
)
def test_a_file_begins_with_its_package(text: str, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_module(Source("p.rego", text))
    assert [diagnostic.message for diagnostic in caught.value.diagnostics] == [message]


def test_a_second_package_points_at_the_first() -> None:
    with pytest.raises(ParseError) as caught:
        parse_module(Source("p.rego", "package t\npackage u\n"))
    ((note, span),) = caught.value.diagnostics[0].notes
    assert (note, span.line) == ("the first package is here", 1)


@pytest.mark.parametrize("text", ["", "  # nothing\n", "x :=", "p := 1 if x", "package t", '"'])
def test_queries_that_are_none(text: str) -> None:
    with pytest.raises(ParseError):
        parse_query(text)
