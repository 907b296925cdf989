"""Text to tokens: the words of the language, without any idea of what they mean together.

Comments are kept aside. Each token knows whether white space or a line end stands before it, because in Rego both
matter (`a[0]` is a reference, `a [0]` is not; a line end separates two expressions).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.source import Source, Span
from doorward_dsl.syntax import Comment

__all__ = ["KEYWORDS", "MAX_SOURCE_LENGTH", "Lexed", "Token", "lex"]

MAX_SOURCE_LENGTH = 16 * 1024 * 1024
"""Characters in one source; longer text is refused before it is read."""

_MAX_DIAGNOSTICS = 100
"""What is no text at all has as many mistakes as characters."""

_RESERVED = "as contains default else every false if import in not null package some true with"
KEYWORDS = {word: word.upper() for word in _RESERVED.split()}
"""Reserved words of Rego v1, and their kinds of token."""


class Token:
    """One word: its `kind` (a terminal of the grammar), its text and place, and the white space before it."""

    __slots__ = ("end", "kind", "line_start", "start", "text", "tight")

    def __init__(self, kind: str, text: str, start: int, end: int, tight: bool, line_start: bool) -> None:
        self.kind = kind
        self.text = text
        self.start = start
        self.end = end
        self.tight = tight
        """No white space before it."""
        self.line_start = line_start
        """A line end stands between it and the token before."""

    def __repr__(self) -> str:
        return f"Token({self.kind}, {self.text!r}, {self.start})"


@dataclass(frozen=True, slots=True)
class Lexed:
    """What `lex` found: tokens and comments in order of place, and what could not be read."""

    tokens: list[Token]
    comments: list[Comment]
    diagnostics: list[Diagnostic]


_WORDS = re.compile(
    r"""(?P<SPACE>[\ \t\r\n]*+)(?:
    (?P<IDENT>[A-Za-z_][A-Za-z_\d]*+)
  | (?P<ATTR>\.[A-Za-z_][A-Za-z_\d]*+)
  | (?P<DOT_STAR>\.\*)
  | (?P<OPERATOR>:=|==|!=|<=|>=|[][(){},:=+\-*/%&|<>;])
  | (?P<STRING>"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"|`[^`]*+`)
  | (?P<NUMBER>(?:[0-9]++(?:\.[0-9]++)?+|\.[0-9]++)(?:[eE][+-]?+[0-9]++)?+(?![A-Za-z_.\d]))
  | (?P<COMMENT>\#[^\n]*+)
  | (?P<TEMPLATE>\$["`])
  | (?P<DURATION>[0-9]++[A-Za-z_][A-Za-z_\d]*+(?!\.))
  | (?P<JSON_PATH>\$(?:\.[A-Za-z_][A-Za-z_\d]*+|\.\*|\[(?:[0-9]++|\*|"[^"\\\n]*+")\])*+)
  | (?P<BAD_NUMBER>[0-9][A-Za-z_.\d]*+)
  | (?P<END>\Z)
  | (?P<BAD>.)
    )""",
    re.VERBOSE | re.DOTALL,
)

_TEMPLATE_TEXT = re.compile(r"(?:[^\"\\{\n]|\\.)*+", re.DOTALL)
_RAW_TEMPLATE_TEXT = re.compile(r"(?:[^`\\{]|\\\{|\\(?!\{))*+")

_OPERATORS = {
    "(": "LPAR",
    ")": "RPAR",
    "[": "LSQB",
    "]": "RSQB",
    "{": "LBRACE",
    "}": "RBRACE",
    ",": "COMMA",
    ":": "COLON",
    ";": "SEP",
    ":=": "ASSIGN",
    "=": "UNIFY",
    "|": "BAR",
    "-": "MINUS",
}
"""Kinds of the marks; all others are infix operators."""

_WHOLE = frozenset(("ATTR", "STRING", "NUMBER"))
_WHOLE_IN_WARD = frozenset(("DURATION", "JSON_PATH", "DOT_STAR"))

_UNREADABLE = {
    "\0": ("illegal null character", None),
    "\ufeff": ("illegal byte-order mark", "a byte-order mark may only be the first character of a file"),
    "\u00a0": ("illegal non-breaking space character", "use a regular space instead"),
    '"': ("non-terminated string", 'a string ends with `"` on the same line; use `…` for several lines'),
    "`": ("non-terminated string", "a raw string ends with a backtick"),
    "$": ("illegal `$` character", 'a template string is written `$"…{term}…"`'),
    "!": ("illegal `!` character", "did you mean `!=` or `not`?"),
    "'": ("illegal `'` character", "strings are written with double quotes"),
    ".": ("unexpected `.`", "a name follows a dot at once, as in `input.user`"),
    "~": ("illegal character `~`", "write `regex.match(pattern, text)`"),
    "?": ("illegal character `?`", "write `else := …` for another value"),
    **{
        quote: (f"illegal character `{quote}`", 'strings are written with straight double quotes: `"…"`')
        for quote in "“”„‟«»‘’‚‹›"
    },
    **{dash: (f"illegal character `{dash}`", "write a plain `-`") for dash in "‐‑–—−"},
}


def lex(source: Source) -> Lexed:
    """All words of `source`; never fails, what cannot be read becomes a diagnostic."""
    return _Lexer(source).run()


class _Lexer:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = source.text
        self.ward = source.dialect == "ward"
        self.tokens: list[Token] = []
        self.comments: list[Comment] = []
        self.diagnostics: list[Diagnostic] = []
        self.templates: list[tuple[bool, int]] = []
        """Template strings we are inside of: whether raw, and how many braces of the expression are open."""

    def run(self) -> Lexed:
        if len(self.text) > MAX_SOURCE_LENGTH:
            self.refuse(f"the file is longer than {MAX_SOURCE_LENGTH} characters", 0, 0)
            return Lexed([], [], self.diagnostics)
        at = 1 if self.text.startswith("\ufeff") else 0
        while at >= 0:
            at = self.words(at)
        for _ in self.templates:
            self.refuse("non-terminated template string", len(self.text), len(self.text))
            break
        return Lexed(self.tokens, self.comments, self.diagnostics)

    def words(self, at: int) -> int:
        """Read words from `at`; the place to go on from after a template text, or -1 at the end."""
        text, tokens = self.text, self.tokens
        matches: Iterator[re.Match[str]] = _WORDS.finditer(text, at)
        for match in matches:
            kind = match.lastgroup
            space, start = match.span(1)
            end = match.end()
            if space == start:
                tight = True
                line_start = False
            else:
                tight = False
                line_start = text.find("\n", space, start) >= 0
            word = text[start:end]
            if kind == "IDENT":
                tokens.append(Token(KEYWORDS.get(word, "IDENT"), word, start, end, tight, line_start))
            elif kind == "OPERATOR":
                if self.templates and word in "{}":
                    raw, braces = self.templates[-1]
                    if word == "}" and braces == 0:
                        return self.template_text(start, raw, "TEMPLATE_MIDDLE", "TEMPLATE_END")
                    self.templates[-1] = raw, braces + (1 if word == "{" else -1)
                tokens.append(Token(_OPERATORS.get(word, "INFIX"), word, start, end, tight, line_start))
            elif kind == "COMMENT":
                self.comments.append(Comment(word[1:].rstrip("\r"), Span(self.source, start, end)))
            elif kind == "TEMPLATE":
                self.templates.append((word == "$`", 0))
                return self.template_text(
                    start, word == "$`", "TEMPLATE_START", "TEMPLATE", line_start, tight
                )
            elif kind == "END":
                return -1
            elif kind in _WHOLE or (self.ward and kind in _WHOLE_IN_WARD):
                tokens.append(Token(kind, word, start, end, tight, line_start))
            else:
                self.unreadable(word, start, end)
                if len(self.diagnostics) >= _MAX_DIAGNOSTICS:
                    return -1
                tokens.append(Token("ILLEGAL", word, start, end, tight, line_start))
                if word in '"`':
                    tokens.pop()
                    return self.skip_string(start)
        return -1

    def template_text(
        self, start: int, raw: bool, more: str, last: str, line_start: bool = False, tight: bool = False
    ) -> int:
        """Read template text up to the next `{` (a token of kind `more`) or the closing quote (`last`)."""
        text = self.text
        begin = start + (2 if more == "TEMPLATE_START" else 1)
        match = (_RAW_TEMPLATE_TEXT if raw else _TEMPLATE_TEXT).match(text, begin)
        end = match.end() if match else begin
        closing = text[end : end + 1]
        if closing == "{":
            self.tokens.append(Token(more, text[start : end + 1], start, end + 1, tight, line_start))
            return end + 1
        self.templates.pop()
        if closing != ("`" if raw else '"'):
            self.refuse("non-terminated template string", start, end)
            return end
        self.tokens.append(Token(last, text[start : end + 1], start, end + 1, tight, line_start))
        return end + 1

    def skip_string(self, start: int) -> int:
        """Where to go on after a string that never ends: the next line, or the end of the text for a raw one."""
        end = -1 if self.text[start] == "`" else self.text.find("\n", start)
        return len(self.text) if end < 0 else end

    def unreadable(self, word: str, start: int, end: int) -> None:
        if word[0].isdigit():
            self.refuse(f"illegal number format `{word}`", start, end, _number_hint(word))
            return
        mark = word[0]
        message, hint = _UNREADABLE.get(mark, (f"illegal character `{mark}`", None))
        stop = end
        if mark in '"`':
            stop = self.text.find("\n", start)
            stop = len(self.text) if stop < 0 else stop
        self.refuse(message, start, stop, hint)

    def refuse(self, message: str, start: int, end: int, hint: str | None = None) -> None:
        span = Span(self.source, start, end)
        self.diagnostics.append(Diagnostic("rego_parse_error", message, span, hint=hint))


def _number_hint(word: str) -> str:
    if word.endswith("."):
        return "a fraction needs digits, as in `1.0`"
    if word.rstrip("0123456789").isalnum() and not word.isdigit() and word[-1].isalpha():
        return "durations such as `15m` stand only in the statements of a `.ward` file"
    return "a name cannot start with a digit"
