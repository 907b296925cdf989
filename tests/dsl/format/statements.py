"""Generated Ward files: every statement and test step, in every order and on any number of lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

__all__ = ["ward_files"]

Draw = Callable[[st.SearchStrategy[Any]], Any]

_LINES = [
    '"dba" in principal.groups',
    "sql.writes",
    "x := 1 + 2 * 3",
    "not sql.limited",
    "some t in sql.tables",
]
_LINES += [
    'resource.environment == "prod"',
    "every t in sql.tables { t in data.known; t != `x` }",
    "{1, 2} == {2}",
]
_LINES += [
    "count([t | some t in sql.tables]) > 3",
    "x with input.a as 1 with data.b as {}",
    "a.b[c].d",
    "(a | b) & c == d",
]
_TARGETS = ["customers.ssn", "*.email", "public.customers.card", "$.user.email", '$.items[*]["a b"][3]', "t"]
_TARGETS += ["content(card_number)", "t.in", 't["x"]', '"a.b"', "$.*", "pick[1][_]", "allow.block"]
_MASKERS = ["redact", "null", "partial(4)", "hash", 'replace("x\\ty")', "format_preserving"]
_GROUPS = ['"dba"', "`security`", "t", "data.owners[t]", '$"{t}-owners"']
_DURATIONS = ["500ms", "60s", "15m", "8h", "7d", "90m", "1000ms"]
_EXPECTED = [
    "block",
    'allow "why"',
    'approve "why" by "dba", t within 15m',
    "approval",
    "mask t.c with hash",
    "mask",
]
_EXPECTED += [
    'credential ttl 60s single_use as "reader"',
    'reason "x"',
    'determining "x", "y"',
    "error",
    'error "e"',
]
_RULES = [
    "r contains x if x = 1",
    "f(x) := y if { y = x } else := 3",
    "default d := false",
    "a.b := {1: [2]}",
]
_RULES += ["allow := 3", "mask[x] := 1", "test_r if true", "approve if x"]


class _Writer:
    def __init__(self, draw: Draw) -> None:
        self._draw = draw

    def pick(self, *options: Any) -> Any:
        return self._draw(st.sampled_from(options))

    def some(self, options: list[str], most: int = 2) -> list[str]:
        return [str(self.pick(*options)) for _ in range(self._draw(st.integers(1, most)))]

    def space(self) -> str:
        return str(self.pick(" ", " ", " ", "\n  ", "\n\t\t"))

    def statement(self) -> str:
        verb = self.pick("allow", "block", "mask", "approve", "credential")
        parts = [self.pick("", '"why"', "`why`", '$"why {t}"')]
        if verb == "mask":
            parts.append(f",{self.space()}".join(self.some(_TARGETS, 3)))
            parts.append(f"with {self.pick(*_MASKERS)}")
        elif verb == "approve":
            by = f"by {', '.join(self.some(_GROUPS))}"
            parts += self.pick([by], [by, self.within("within")], [self.within("within"), by])
        elif verb == "credential":
            options = [self.within("ttl"), "single_use", f"as {self.pick(*_GROUPS)}"]
            parts += self.pick(options, options[::-1], options[:1], options[1:])
        conditions = [self.condition("if"), self.condition("unless")]
        parts += self.pick([], conditions[:1], conditions[1:], conditions, conditions[::-1])
        return str(verb) + "".join(self.space() + part for part in parts if part)

    def within(self, word: str) -> str:
        return f"{word} {self.pick(*_DURATIONS)}"

    def condition(self, word: str) -> str:
        lines = self.some(_LINES, 3)
        if len(lines) == 1 and self.pick(True, False) and not lines[0].startswith("{"):
            return f"{word}{self.pick(' ', chr(10) + '  ')}{lines[0]}"
        return f"{word} {{{self.pick(' ', chr(10))}{self.pick('; ', chr(10)).join(lines)}{self.pick(' ', chr(10))}}}"

    def test(self) -> str:
        steps = ["some t in {1, 2}"] if self.pick(True, False) else []
        steps += [
            f"given {self.pick('principal.groups', 'data.x', 't')} := {self.pick('[1,2]', '{}', 'x+1')}"
        ]
        steps += [
            f"when postgres{self.pick('', ' connect', ' `select 1`', ' exec {1: 2,}', ' $' + chr(34) + '{t}' + chr(34))}"
        ]
        steps += [f"expect {self.pick('', 'no ')}{text}" for text in self.some(_EXPECTED, 3)]
        steps += [f"expect if {{ {'; '.join(self.some(_LINES))} }}"] if self.pick(True, False) else []
        return (
            f"test {self.pick(chr(34) + 'n' + chr(34), '`n`')} {{\n"
            + self.pick("\n", "\n\n").join(steps)
            + "\n}"
        )

    def file(self) -> str:
        items = ["governs postgres, http", "import data.b", "import data.a as c"]
        makers = [self.statement, self.statement, self.test, lambda: self.pick(*_RULES)]
        items += [self.pick(*makers)() for _ in range(self._draw(st.integers(1, 5)))]
        if self.pick(True, False):
            items.append("given data.x := {}")
        gaps = [self.pick("\n", "\n\n", "\n\n\n") for _ in items]
        return "package p" + "".join(gap + item for gap, item in zip(gaps, items, strict=True)) + "\n"


@st.composite
def ward_files(draw: Draw) -> str:
    """The text of a Ward file; most of them can be parsed."""
    return _Writer(draw).file()
