"""Tokens to statements: all that depends on white space, on the line, or on what lies ahead.

The grammar is LALR(1) only because this pass has decided before it, statement by statement,

- where one statement ends and the next begins,
- which line ends separate two expressions of a body (a `SEP` token); all others vanish,
- whether `(` and `[` continue a reference (`CALL`, `INDEX`) or open something new,
- whether `{` opens a body (`LBODY`) or a value, and whether `|` makes a comprehension (`BAR`) or a union,
- which words are keywords here: `input.package` and `contains(x, y)` are names, and so are Ward's own words
  wherever Rego would let people use them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from doorward_dsl.lex import KEYWORDS, Token
from doorward_dsl.lex_ahead import ENDERS, OPENERS, SOFT_WORDS, TEXTS, Ahead, Features

__all__ = ["MAX_NESTING", "Statement", "query", "statements"]

MAX_NESTING = 200
"""Levels of brackets and operators; every later stage may walk the tree recursively."""

_STARTERS = frozenset(
    "IDENT STRING NUMBER TRUE FALSE NULL TEMPLATE TEMPLATE_START LPAR LSQB LBRACE NOT SOME EVERY DEFAULT PACKAGE"  # noqa: SIM905
    " IMPORT CONTAINS ILLEGAL".split()
)
"""Kinds that begin an expression when they come after one."""

_KEYWORDS = frozenset(KEYWORDS.values())
_TRACKED = frozenset(
    "INFIX AND OR LPAR LSQB LBRACE CALL INDEX RPAR RSQB RBRACE COMMA SEP COLON EVERY IF UNLESS ASSIGN UNIFY CONTAINS ELSE"  # noqa: SIM905
    " WITH EXPECT TEMPLATE_START TEMPLATE_MIDDLE TEMPLATE_END".split()
)
"""Kinds that change what is open or what may follow."""

_OPENED = {
    "LPAR": "paren",
    "CALL": "call",
    "INDEX": "index",
    "LSQB": "array",
    "LBRACE": "brace",
    "TEMPLATE_START": "template",
}
_CLOSED_BY = {**OPENERS, "TEMPLATE_START": "TEMPLATE_END"}
_BRACKETS = {"CALL": "LPAR", "INDEX": "LSQB", "LBODY": "LBRACE"}
_BODIES = frozenset(("body", "comprehension", "test"))
_AT_START = frozenset(
    ("", "DEFAULT", "SEP", "LBODY", "IF", "UNLESS", "BAR", "TEMPLATE_START", "TEMPLATE_MIDDLE")
)
"""What stands before an expression of a body, or a rule."""
_CONTINUING = frozenset(("IF", "WITH", "AS", "CONTAINS"))
"""Keywords that continue what stands before them even on a new line."""
_LITERAL_STARTS = frozenset(("", "SEP", "LBODY", "IF", "UNLESS", "BAR", "LPAR", "TEMPLATE_START"))
_TEST_WORDS = {"given": "GIVEN", "when": "WHEN", "expect": "EXPECT"}
_WILDCARD = re.compile(r"(?:\*|[A-Za-z_][A-Za-z_\d]*+)(?:\.(?:\*|[A-Za-z_][A-Za-z_\d]*+))*+")


@dataclass(slots=True)
class Statement:
    """The tokens of one statement, ready for the grammar."""

    tokens: list[Token] = field(default_factory=list)
    verb: str | None = None
    """The word that begins a Ward statement, or None for Rego."""
    start: int = 0
    end: int = 0
    """The place of its first character, and where the next statement begins or the text ends."""
    bars: dict[int, Token] = field(default_factory=dict)
    """For each comma inside a comprehension, by its place: the `|` that might have been a union after all."""
    trouble: tuple[str, Token] | None = None
    """A limit that was passed or a bracket without its fellow: the message, and where."""


def statements(text: str, tokens: list[Token], features: Features) -> Iterator[Statement]:
    """The statements of a file, in order. The kinds of the tokens become those of the grammar."""
    ahead = Ahead(text, tokens, features)
    lenient = not ahead.balanced()
    at = 0
    while at < len(tokens):
        layout = _Layout(ahead, at, ahead.verb(at), "top", lenient)
        at = layout.run()
        layout.statement.start = tokens[layout.first].start
        layout.statement.end = tokens[at].start if at < len(tokens) else len(text)
        yield layout.statement


def query(text: str, tokens: list[Token]) -> Statement:
    """All tokens as one body."""
    layout = _Layout(Ahead(text, tokens, Features()), 0, None, "body", False)
    layout.run()
    return layout.statement


class _Frame:
    """An open bracket, or the statement itself."""

    __slots__ = ("bar", "commas", "current", "deepest", "every", "infixes", "kind", "opener", "operators")

    def __init__(self, kind: str, opener: Token | None) -> None:
        self.kind = kind
        self.opener = opener
        self.every = 0
        """`every` expressions whose body has not come yet."""
        self.commas = 0
        self.infixes = 0
        """Infix operators since the opening bracket or the last colon."""
        self.bar: Token | None = None
        self.operators = 0
        self.current = 0
        self.deepest = 0

    def part(self) -> None:
        """One expression has ended: its depth is its deepest part and its operators above that."""
        depth = self.current + self.operators
        if depth > self.deepest:
            self.deepest = depth
        self.current = self.operators = 0


class _Layout:
    """One statement on its way from words to the tokens of the grammar."""

    def __init__(self, ahead: Ahead, at: int, verb: str | None, kind: str, lenient: bool) -> None:
        self.ahead = ahead
        self.first = at
        self.verb = verb
        self.verb_kind = verb.upper() if verb is not None else "NONE"
        self.lenient = lenient
        """Brackets do not match: also end where a line looks like a new statement, to report more than one error."""
        self.statement = Statement(verb=verb)
        self.out = self.statement.tokens
        self.frame = _Frame(kind, None)
        self.frames = [self.frame]
        self.previous = ""
        self.head_open = True
        """No `:=`, `if` or `contains` of a rule yet: `contains` would be the keyword."""
        self.in_head = True
        """The condition of a decision statement, or its masker, has not begun."""
        self.elses = 0
        self.expecting = False
        """The item of a test block began with `expect`: all that follows on the line are words."""

    def run(self) -> int:
        """Lay the statement out; the index of the token after it."""
        tokens, out, verb, first = self.ahead.tokens, self.out, self.verb, self.first
        at = first
        while at < len(tokens):
            token = tokens[at]
            kind = token.kind
            if at == first and verb is not None:
                token.kind = self.previous = self.verb_kind
                out.append(token)
                at += 1
                continue
            if kind in _KEYWORDS:
                kind = self.keyword(at, token, kind)
            elif kind == "IDENT" and self.previous in ENDERS and token.text in self.ahead.features.logic:
                kind = kind if self.ahead.named(at, self.previous, token.line_start) else token.text.upper()
            if at > first and self.is_over(at, token, kind):
                token.kind = "IDENT" if kind == "IDENT" else token.kind
                break
            kind = self.after(token, kind) if self.previous in ENDERS else _before(kind)
            if kind == "IDENT":
                kind = self.soft_word(token)
            if (
                kind in ("IDENT", "INFIX")
                and (self.expecting or verb in ("mask", "governs"))
                and len(self.frames) < 3
            ):
                token, kind = self.wildcard(token, kind)
                while at + 1 < len(tokens) and tokens[at + 1].start < token.end:
                    at += 1
            if kind in _TRACKED:
                kind = self.track(at, token, kind)
                if self.statement.trouble is not None:
                    return self.ahead.skip(at, inside=self.frame.opener is not None)
            token.kind = self.previous = kind
            out.append(token)
            at += 1
        self.finish()
        return at

    # --- words -----------------------------------------------------------------------------------------------

    def keyword(self, at: int, token: Token, kind: str) -> str:
        """The kind of a keyword, which may be a name here."""
        previous = self.previous
        ended = previous in ENDERS
        top = self.frame.kind == "top"
        dotted = self.ahead.peek(at + 1).kind == "ATTR"
        if kind == "CONTAINS" and dotted:
            starting = True  # to OPA no keyword but in the head of a rule
        elif ended:
            starting = token.line_start and (dotted or kind not in _CONTINUING)
        else:
            starting = previous in _AT_START or (top and self.verb is not None and self.in_head)
        if self.ahead.named(at, previous, starting):
            return "IDENT"
        if kind == "CONTAINS" and (
            not ended or (top and not self.head_open) or (token.line_start and not top)
        ):
            return "IDENT"
        if self.frame.kind == "test" and kind != "NULL" and self.expecting:
            self.expecting = kind != "IF" or previous != "EXPECT"
            return "IDENT" if self.expecting else kind
        return "INFIX" if kind == "IN" else kind

    def soft_word(self, token: Token) -> str:
        """The kind of a name: one of the statement's own words where one of its parts has ended."""
        if self.frame.kind == "test":
            return _TEST_WORDS.get(token.text, "IDENT") if self.previous in ("LBODY", "SEP") else "IDENT"
        verb = self.verb
        if verb not in SOFT_WORDS or self.frame.kind != "top":
            return "IDENT"
        if self.previous not in ENDERS and self.previous != self.verb_kind:
            return "IDENT"
        if token.text == "unless":
            return "UNLESS"
        return SOFT_WORDS[verb].get(token.text, "IDENT") if self.in_head else "IDENT"

    def wildcard(self, token: Token, kind: str) -> tuple[Token, str]:
        """The token and its kind, or the whole target with a `*` that begins with it."""
        if self.verb == "governs":
            return token, "WILDCARD" if token.text == "*" else kind
        match = _WILDCARD.match(self.ahead.text, token.start)
        if match is None or "*" not in match[0] or not self.in_head:
            return token, kind
        return Token("WILDCARD", match[0], token.start, match.end(), token.tight, False), "WILDCARD"

    # --- white space and what stands before ------------------------------------------------------------------

    def is_over(self, at: int, token: Token, kind: str) -> bool:
        """Whether the next statement begins with this token."""
        if self.lenient and len(self.frames) > 1:
            return self.ahead.looks_like_statement(at)
        if self.frame.kind != "top":
            return False
        verb, previous = self.verb, self.previous
        bare = token.line_start and previous == self.verb_kind
        if previous not in ENDERS and not bare:
            return kind == "IDENT" and self.ahead.surely_verb(at)
        after_reason = previous in TEXTS or previous == "TEMPLATE_END"
        return self.ahead.next_statement(at, kind, verb, self.in_head, after_reason)

    def after(self, token: Token, kind: str) -> str:
        """The kind of a token after a complete expression; adds a separator where the line end was one."""
        frame = self.frame
        if kind in ("LPAR", "LSQB", "ATTR"):
            if token.tight or self.at_head():
                return {"LPAR": "CALL", "LSQB": "INDEX"}.get(kind, kind)
            kind = "LOOSE_DOT" if kind == "ATTR" else kind
        elif kind == "MINUS":
            return "INFIX"
        elif kind == "BAR":
            if frame.kind not in ("array", "brace") or frame.commas or frame.infixes:
                return "INFIX"
            frame.part()
            frame.kind = "comprehension"
            frame.bar = token
            return kind
        separates = token.line_start and frame.kind in _BODIES and kind in _STARTERS
        if separates and not (kind == "LBRACE" and frame.every):
            self.expecting = False
            self.out.append(Token("SEP", token.text, token.start, token.end, False, True))
            self.previous = "SEP"
            frame.part()
        return kind

    def at_head(self) -> bool:
        """Right after the first name of a rule, where OPA lets white space stand before what continues it."""
        out = self.out
        return self.frame.kind == "top" and self.verb is None and len(out) == 1 + (out[0].kind == "DEFAULT")

    # --- brackets and limits ---------------------------------------------------------------------------------

    def track(self, at: int, token: Token, kind: str) -> str:
        """Keep count of what is open; the kind of the token, which for `{` depends on it."""
        frame = self.frame
        if kind in ("INFIX", "AND", "OR"):
            frame.infixes += 1
            frame.operators += 1
        elif kind in _OPENED:
            return self.open(at, token, kind)
        elif kind in ("RPAR", "RSQB", "RBRACE", "TEMPLATE_END"):
            self.close(token, kind)
        elif kind in ("COMMA", "SEP"):
            frame.part()
            frame.commas += 1
            self.expecting = self.expecting and kind == "COMMA"
            if frame.bar is not None and kind == "COMMA":
                self.statement.bars[token.start] = frame.bar
        elif kind == "COLON":
            frame.part()
            frame.infixes = 0
        elif kind == "EVERY":
            frame.every += 1
        elif kind == "EXPECT":
            self.expecting = True
        elif kind == "TEMPLATE_MIDDLE":
            if frame.kind != "template":
                self.statement.trouble = _still_open(token, frame)
            frame.part()
        elif frame.kind == "top":
            frame.part()
            if kind != "WITH":
                self.head_open = False
            if kind in ("IF", "UNLESS") or (kind == "WITH" and self.verb == "mask"):
                self.in_head = False
            elif kind == "ELSE":
                self.elses += 1
                if self.elses > MAX_NESTING:
                    self.statement.trouble = f"more than {MAX_NESTING} `else` in one rule", token
        return kind

    def open(self, at: int, token: Token, kind: str) -> str:
        """A bracket opens: the kind of its token."""
        frame = self.frame
        opened = _OPENED[kind]
        if kind == "LBRACE" and self.opens_body(at):
            kind = "LBODY"
            opened = "test" if self.verb == "test" and frame.kind == "top" else "body"
            frame.every = max(0, frame.every - 1)
            self.head_open = self.head_open and frame.kind != "top"
        self.frame = _Frame(opened, token)
        self.frames.append(self.frame)
        if len(self.frames) > MAX_NESTING:
            self.statement.trouble = f"more than {MAX_NESTING} levels of nesting", token
        return kind

    def opens_body(self, at: int) -> bool:
        """Whether the `{` at an index opens a body rather than an object, a set or a comprehension."""
        previous = self.previous
        if previous in ENDERS:
            return self.frame.kind == "top" or self.frame.every > 0
        logic = self.ahead.features.logic
        if logic and (previous in ("AND", "OR") or (previous == "NOT" and "not" in logic)):
            return True
        if logic and previous in _LITERAL_STARTS and self.ahead.connects(at):
            return True
        if previous == "ELSE" or (previous == "IF" and self.elses > 0):
            return True
        if previous not in ("IF", "UNLESS"):
            return False
        return self.frame.kind not in ("top", "test") or not self.ahead.value(at)

    def close(self, token: Token, kind: str) -> None:
        """A bracket closes."""
        opener = self.frame.opener
        if opener is None:
            self.statement.trouble = f"unexpected `{token.text}`: nothing is open here", token
            return
        if _CLOSED_BY[_BRACKETS.get(opener.kind, opener.kind)] != kind:
            self.statement.trouble = _still_open(token, self.frame)
            return
        self.frame.part()
        depth = self.frame.deepest + 1
        self.frames.pop()
        self.frame = self.frames[-1]
        self.frame.current = max(self.frame.current, depth)

    def finish(self) -> None:
        """No more tokens: is anything open, or too deep?"""
        opener = self.frame.opener
        if opener is not None:
            self.statement.trouble = f"`{opener.text}` is never closed", opener
            return
        self.frame.part()
        if self.frame.deepest > MAX_NESTING:
            self.statement.trouble = f"more than {MAX_NESTING} levels of nesting", self.out[0]


def _still_open(token: Token, frame: _Frame) -> tuple[str, Token]:
    what = f"`{frame.opener.text}` is still open" if frame.opener is not None else "nothing is open here"
    return f"unexpected `{token.text}`: {what}", token


def _before(kind: str) -> str:
    """The kind of a token where an expression begins."""
    return {"MINUS": "NEGATE", "BAR": "INFIX", "ATTR": "LOOSE_DOT"}.get(kind, kind)
