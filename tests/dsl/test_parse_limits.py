"""Text that means harm: it ends in a ParseError, in time, whatever it is."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward_dsl import ParseError, Source, parse_module, parse_query, render
from doorward_dsl.lex import MAX_SOURCE_LENGTH
from doorward_dsl.lex_layout import MAX_NESTING

TEXT = (
    "p q x := = == | & - + * in if else not some every with as input data contains default import package set "
    "allow block mask approve credential test governs unless by within ttl single_use given when expect and or "
    '( ) [ ] { } , : ; . .a 1 0.5 -1 15m "s" `r` $"a{x}" $"{ } $ * *.c $.a # true null _ f( x[ !'
)
WORDS = TEXT.split()

SAMPLE = """package a.b
governs postgres
import data.x as y
# METADATA
# title: r
r[x].s := {x: [y | some y in z; y > 1]} if { every k, v in input.a { k == v } } else := $"a{x}"
allow "one" if { a.b["c"]; not d with input.e as {1, 2} } unless f(x)
mask s.t.c, *.d, content(email), $.a[0] with partial(4) if x
approve "two" by "dba" within 15m
credential ttl 5s single_use as "r"
test "t" {
  given principal.id := "x"
  when postgres `select 1`
  expect block "one"
}
"""


def read(text: str) -> None:
    """Parse it as each kind of source; nothing but ParseError may come out, and it must render."""
    for name in ("p.rego", "p.ward"):
        source = Source(name, text)
        found = refusal(lambda source=source: parse_module(source))
        for diagnostic in found.diagnostics if found else ():
            assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(text)
            assert "\x1b" not in render(diagnostic)
    refusal(lambda: parse_query(text))


def refusal(parse: Callable[[], object]) -> ParseError | None:
    """The error of a parse, if it is refused."""
    try:
        parse()
    except ParseError as error:
        return error
    return None


@given(st.text())
def test_any_text(text: str) -> None:
    read(text)


@given(st.lists(st.sampled_from([*WORDS, "\n"])), st.sampled_from(["", " "]))
def test_any_words(words: list[str], space: str) -> None:
    read("package t\n" + space.join(words))


@settings(max_examples=300)
@given(st.data())
def test_a_policy_with_a_piece_replaced(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(SAMPLE)))
    end = data.draw(st.integers(start, min(len(SAMPLE), start + 12)))
    read(SAMPLE[:start] + data.draw(st.sampled_from(["", "\n", *WORDS])) + SAMPLE[end:])


@given(st.integers(0, len(SAMPLE)))
def test_a_policy_cut_short(end: int) -> None:
    read(SAMPLE[:end])


NESTED = {
    "arrays": ("[", "1", "]"),
    "sets": ("{", "1", "}"),
    "objects": ('{"a": ', "1", "}"),
    "parentheses": ("(", "1", ")"),
    "calls": ("f(", "1", ")"),
    "references": ("x[", "1", "]"),
    "comprehensions": ("[x | x := ", "1", "]"),
    "templates": ('$"{', "1", '}"'),
    "every": ("[1 | every x in y { x == ", "1", "}]"),
    "negated": ("-f(", "1", ")"),
}


@pytest.mark.parametrize("shape_name", NESTED)
def test_nesting_is_bounded(shape_name: str) -> None:
    opening, inner, closing = NESTED[shape_name]
    for depth in (50, MAX_NESTING + 10, 20_000):
        text = opening * depth + inner + closing * depth
        if depth == 50:
            parse_query(f"z := {text}")
            continue
        with pytest.raises(ParseError) as caught:
            parse_query(f"z := {text}")
        assert caught.value.diagnostics[0].message == f"more than {MAX_NESTING} levels of nesting"
        with pytest.raises(ParseError):
            parse_module(Source("p.rego", f"package t\np := {opening * depth}"))


@pytest.mark.parametrize("operator", ["+", "|", "==", "in", "*"])
def test_chains_of_operators_are_bounded(operator: str) -> None:
    chain = f" {operator} ".join(["x"] * 150)
    parse_query(chain)
    for text in (f"({chain}) {operator} {chain}", f" {operator} ".join(["x"] * 50_000)):
        with pytest.raises(ParseError, match="levels of nesting"):
            parse_query(text)


def test_chains_of_else_are_bounded() -> None:
    parse_module(Source("p.rego", "package t\np := 1 if x" + " else := 2 if y" * MAX_NESTING))
    with pytest.raises(ParseError, match="`else` in one rule"):
        parse_module(Source("p.rego", "package t\np := 1 if x" + " else := 2 if y" * (MAX_NESTING + 1)))


def test_long_lists_are_not_nesting() -> None:
    many = ", ".join(["1"] * 5_000)
    parse_query(f"x := [{many}]; y := f({many}); z := x" + ".a" * 5_000)
    parse_query("; ".join(["x == 1 + 2"] * 5_000))


def test_the_size_of_a_source_is_bounded() -> None:
    with pytest.raises(ParseError, match="longer than"):
        parse_module(Source("p.rego", " " * (MAX_SOURCE_LENGTH + 1)))


HOSTILE = {
    "quotes": '"' * 100_000,
    "quoted lines": '"\n' * 50_000,
    "backslashes": '"' + "\\" * 200_000,
    "nulls": "\0" * 200_000,
    "templates": '$"{' * 50_000,
    "raw templates": "$`{" * 50_000,
    "template texts": '$"a ' * 50_000,
    "brackets": "x[" * 100_000,
    "closing": ")\n" * 50_000,
    "names": "x " * 100_000,
    "heads": "a b(" * 50_000,
    "ifs": "p if {" * 50_000,
    "rules": "p if\n" * 50_000,
    "dots": "." * 200_000,
    "digits": "1" * 200_000,
    "bars": "[a | " * 190 + "b" + ", c]" * 190,
    "comments": "# METADATA\n" * 20_000,
    "mistakes": "p iff x\n" * 20_000,
    "expectations": 'test "t" { expect ' + "with " * 50_000,
    "stars": "mask " + "*." * 50_000 + "a with hash",
    "json path": "mask $" + ".a" * 50_000 + " with hash",
    "spaces": "p :=" + " " * 500_000,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_is_refused_in_time(kind: str) -> None:
    started = time.process_time()
    read("package t\n" + HOSTILE[kind])
    # of the processor, whatever else it does: each takes well under a second, and a quadratic pass would take minutes
    assert time.process_time() - started < 10


def test_long_numbers_are_refused() -> None:
    parse_query("x := " + "9" * 4_000)
    with pytest.raises(ParseError, match="at most"):
        parse_query("x := " + "9" * 5_000)
