"""Diagnostics as a terminal shows them."""

from __future__ import annotations

import re

from doorward_dsl import Diagnostic, ParseError, Source, Span, parse_module, render


def diagnostic(text: str) -> Diagnostic:
    try:
        parse_module(Source("policies/p.rego", text))
    except ParseError as error:
        return error.diagnostics[0]
    raise AssertionError("the text parses")


def test_place_line_marks_and_hint() -> None:
    assert render(diagnostic("package t\n\np iff x\n")) == (
        "error[rego_parse_error]: unexpected `iff`: expected `:=`, `if` or `contains`\n"
        " --> policies/p.rego:3:3\n"
        "  |\n"
        "3 | p iff x\n"
        "  |   ^^^\n"
        "  = hint: did you mean `if`?"
    )


def test_notes_show_their_own_lines() -> None:
    text = "package t\n" + "\n" * 10 + "package u\n"
    assert render(diagnostic(text)) == (
        "error[rego_parse_error]: unexpected package\n"
        "  --> policies/p.rego:12:1\n"
        "   |\n"
        "12 | package u\n"
        "   | ^^^^^^^^^\n"
        "   = note: the first package is here\n"
        "  --> policies/p.rego:1:1\n"
        "   |\n"
        " 1 | package t\n"
        "   | ^^^^^^^^^"
    )


def marked(line: str, text: str) -> tuple[str, str]:
    """The shown line and the marks, for `text` marked in `line`."""
    source = Source("p.rego", f"{line}\nmore")
    start = line.index(text)
    shown = render(Diagnostic("c", "m", Span(source, start, start + len(text)))).splitlines()
    return shown[3].removeprefix("1 | "), shown[4].removeprefix("  | ")


def test_tabs_take_four_columns() -> None:
    assert marked("\tp\tiff x", "iff") == ("    p    iff x", "         ^^^")


def test_wide_and_combining_characters() -> None:
    assert marked('p := "日本" iff', "iff") == ('p := "日本" iff', "            ^^^")
    assert marked('p := "日本"', "日本") == ('p := "日本"', "      ^^^^")
    assert marked("e\u0301 iff", "iff")[1] == "  ^^^"


def test_control_characters_are_never_written_to_the_terminal() -> None:
    shown, _ = marked("p := \x1b[31m iff \x07", "iff")
    assert shown == "p := ·[31m iff ·"
    bad = Diagnostic("c", "m \x1b[2J", Span(Source("\x1b.rego", "x"), 0, 1), hint="\x1b")
    assert "\x1b" not in render(bad)


def test_a_long_line_is_cut_around_the_mark() -> None:
    shown, marks = marked("a" * 1_000 + "iff" + "b" * 1_000, "iff")
    assert len(shown) < 200
    assert shown[len(marks) - 3 : len(marks)] == "iff"
    assert shown.startswith("…")
    assert shown.endswith("…")


def test_a_span_of_several_lines_marks_the_first() -> None:
    source = Source("p.rego", "p if {\n  x\n}\n")
    assert render(Diagnostic("c", "m", Span(source, 5, 12))).splitlines()[-1] == "  |      ^"


def test_the_end_of_the_text_can_be_marked() -> None:
    source = Source("p.rego", "p if")
    assert render(Diagnostic("c", "m", Span(source, 4, 4))).splitlines()[-1] == "  |     ^"


def test_color_adds_nothing_but_color() -> None:
    found = diagnostic("package t\n\np iff x\n")
    assert "\x1b[1;31m" in render(found, color=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", render(found, color=True)) == render(found)
    warning = Diagnostic("c", "m", found.span, severity="warning")
    assert render(warning).startswith("warning[c]: m\n")
