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

from doorward_dsl.lex import Token

__all__ = ["ENDERS", "MAX_NESTING", "VERBS", "Features", "Layout", "Statement"]

MAX_NESTING = 200
"""Levels of brackets and operators; every later stage may walk the tree recursively."""

ENDERS = frozenset(
    [
        "IDENT",
        "STRING",
        "NUMBER",
        "TRUE",
        "FALSE",
        "NULL",
        "TEMPLATE",
        "TEMPLATE_END",
        "ATTR",
        "RPAR",
        "RSQB",
        "RBRACE",
        "DURATION",
        "WILDCARD",
        "JSON_PATH",
        "SINGLE_USE",
    ]
)
"""Kinds of token that can end an expression."""

_STARTERS = frozenset(
    [
        "IDENT",
        "STRING",
        "NUMBER",
        "TRUE",
        "FALSE",
        "NULL",
        "TEMPLATE",
        "TEMPLATE_START",
        "LPAR",
        "LSQB",
        "LBRACE",
        "NOT",
        "SOME",
        "EVERY",
        "DEFAULT",
        "PACKAGE",
        "IMPORT",
        "CONTAINS",
        "ILLEGAL",
    ]
)
"""Kinds that begin an expression when they come after one."""

_TOP_STARTERS = frozenset(["IDENT", "PACKAGE", "IMPORT", "DEFAULT", "SOME", "EVERY", "NOT"])
_KEYWORDS = frozenset(
    [
        "AS",
        "CONTAINS",
        "DEFAULT",
        "ELSE",
        "EVERY",
        "FALSE",
        "IF",
        "IMPORT",
        "IN",
        "NOT",
        "NULL",
        "PACKAGE",
        "SOME",
        "TRUE",
        "WITH",
        "AND",
        "OR",
    ]
)
_RULE_FOLLOWERS = frozenset(["ASSIGN", "UNIFY", "IF", "CONTAINS", "ATTR"])
_BODY_KINDS = frozenset(("body", "comprehension", "test"))
_OPENERS = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
_CLOSERS = frozenset(_OPENERS.values())
_TEXTS = frozenset(("STRING", "TEMPLATE", "TEMPLATE_START"))

_SOFT_WORDS: dict[str, dict[str, str]] = {
    "allow": {},
    "block": {},
    "mask": {},
    "approve": {"by": "BY", "within": "WITHIN"},
    "credential": {"ttl": "TTL", "single_use": "SINGLE_USE"},
}
"""Words that are keywords inside the statement of a verb; `unless` is one in all of them."""

VERBS = tuple(_SOFT_WORDS)
"""The verbs of decision statements."""

_TEST_WORDS = {"given": "GIVEN", "when": "WHEN", "expect": "EXPECT"}
_WILDCARD = re.compile(r"(?:\*|[A-Za-z_][A-Za-z_\d]*+)(?:\.(?:\*|[A-Za-z_][A-Za-z_\d]*+))*+")


@dataclass(frozen=True, slots=True)
class Features:
    """What else is a keyword in this file, by its dialect and its imports."""

    ward: bool = False
    governs: bool = False
    """Has a `governs` line, so that `allow if …` is a statement and not a rule."""


@dataclass(slots=True)
class Statement:
    """The tokens of one statement, ready for the grammar."""

    tokens: list[Token] = field(default_factory=list)
    verb: str | None = None
    """The Ward verb, or None for Rego."""
    bars: dict[int, Token] = field(default_factory=dict)
    """For each comma inside a comprehension, by its place: the `|` that might have been a union after all."""
    trouble: tuple[str, Token] | None = None
    """A limit that was passed or a bracket without its fellow: the message, and where."""


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


class Layout:
    """Splits the tokens of one source into statements."""

    def __init__(self, text: str, tokens: list[Token], features: Features) -> None:
        self.text = text
        self.tokens = tokens
        self.features = features
        self.end = Token("$END", "", len(text.rstrip()), len(text.rstrip()), False, True)
        self.lenient = False
        """Brackets do not match: also begin a statement where a line looks like one, to report more than one error."""

    def statements(self) -> Iterator[Statement]:
        """The statements in order."""
        self.lenient = not self._balanced()
        at = 0
        while at < len(self.tokens):
            statement, at = self.statement(at)
            yield statement

    def query(self) -> Statement:
        """All tokens as one body."""
        return self.statement(0, query=True)[0]

    def _balanced(self) -> bool:
        open_brackets: list[str] = []
        for token in self.tokens:
            kind = token.kind
            if kind in _OPENERS:
                open_brackets.append(_OPENERS[kind])
            elif kind in _CLOSERS and (not open_brackets or open_brackets.pop() != kind):
                return False
        return not open_brackets

    def peek(self, at: int) -> Token:
        """The token at an index, or the end."""
        return self.tokens[at] if at < len(self.tokens) else self.end

    # --- what begins here ------------------------------------------------------------------------------------

    def verb(self, at: int) -> str | None:
        """The Ward verb that begins at an index, if one does."""
        word = self.tokens[at].text
        if not self.features.ward or self.tokens[at].kind != "IDENT":
            return None
        follower = self.peek(at + 1)
        kind = follower.kind
        if word == "governs":
            starts = (kind == "IDENT" and not follower.line_start) or follower.text == "*"
            return word if starts else None
        if word == "test":
            return word if kind in _TEXTS and self.peek(at + 2).kind == "LBRACE" else None
        if word not in _SOFT_WORDS or kind in ("ASSIGN", "UNIFY", "CONTAINS", "ATTR", "INFIX", "MINUS"):
            if word == "mask" and follower.text == "*":
                return word
            return None
        if kind in ("LPAR", "LSQB") and follower.tight:
            return None
        if kind in _TEXTS or (follower.text == "unless" and not self.starts_rule(at + 1)):
            return word
        soft = follower.text in _SOFT_WORDS[word] and not self.starts_rule(at + 1)
        if soft or (word == "credential" and kind == "AS"):
            return word
        if word == "mask" and (kind == "JSON_PATH" or (kind == "IDENT" and not follower.line_start)):
            return word
        if kind in ("$END", "IF", "LBRACE") or follower.line_start:
            return word if self.features.governs else None
        return word if self.features.governs and word in ("allow", "block") else None

    def starts_rule(self, at: int) -> bool:
        """Whether the name at an index is followed by what only a rule head is."""
        follower = self.peek(at + 1)
        if follower.kind in _RULE_FOLLOWERS:
            return follower.kind != "IF" or self.column_one(self.tokens[at])
        return follower.tight and follower.kind in ("LPAR", "LSQB")

    def column_one(self, token: Token) -> bool:
        """Whether the token stands at the very beginning of its line."""
        return token.start == 0 or self.text[token.start - 1] == "\n"

    def named(self, at: int, previous: str, starting: bool) -> bool:
        """Whether the keyword at an index is a name: `input.package`, `if.foo := 1`, `not[x]` at a start."""
        follower = self.peek(at + 1)
        if follower.tight and (follower.kind == "ATTR" or (follower.kind == "LSQB" and starting)):
            return True
        return previous in ("PACKAGE", "IMPORT")

    def next_statement(self, at: int, kind: str, statement: Statement, condition: bool) -> bool:
        """Whether the name or keyword at an index, after a complete expression, begins the next statement."""
        token = self.tokens[at]
        if kind not in _TOP_STARTERS:
            misnamed = kind in ("IF", "AS", "WITH") or token.kind == "IN"
            return misnamed and self.peek(at + 1).kind in ("ASSIGN", "UNIFY")
        verb = statement.verb
        if kind == "IDENT" and verb in _SOFT_WORDS:
            word = token.text
            if word == "unless" or (not condition and word in _SOFT_WORDS[verb]):
                return token.line_start and self.column_one(token) and self.starts_rule(at)
            if (
                verb == "mask"
                and not condition
                and statement.tokens[-1].kind in ("STRING", "TEMPLATE", "TEMPLATE_END")
            ):
                return False
        return token.line_start or self.heads_rule(at) or self.verb(at) is not None

    def heads_rule(self, at: int) -> bool:
        """Whether a whole rule head begins at an index: a name, its dots, brackets or arguments, and what follows."""
        if self.tokens[at].kind != "IDENT":
            return True
        depth = 0
        for index in range(at + 1, len(self.tokens)):
            token = self.tokens[index]
            kind = token.kind
            if kind in _OPENERS and (depth or token.tight):
                depth += 1
            elif depth:
                depth -= kind in _CLOSERS
            elif kind != "ATTR":
                return kind in ("ASSIGN", "UNIFY", "IF", "CONTAINS")
        return False

    # --- one statement ---------------------------------------------------------------------------------------

    def statement(self, at: int, *, query: bool = False) -> tuple[Statement, int]:
        """The statement that begins at an index, and the index after it."""
        tokens = self.tokens
        count = len(tokens)
        statement = Statement(verb=None if query or at >= count else self.verb(at))
        verb = statement.verb
        out = statement.tokens
        frame = _Frame("body" if query else "top", None)
        frames = [frame]
        previous = ""
        head_open = not query
        condition = False
        elses = 0
        first = at
        if verb is not None:
            tokens[at].kind = previous = verb.upper()
            out.append(tokens[at])
            at += 1
        while at < count:
            token = tokens[at]
            kind = token.kind
            ended = previous in ENDERS
            top = frame.kind == "top"
            if kind in _KEYWORDS:
                starting = not ended and previous not in (
                    "INFIX",
                    "NEGATE",
                    "ASSIGN",
                    "UNIFY",
                    "LPAR",
                    "COMMA",
                )
                starting = starting and previous not in ("LSQB", "LBRACE", "CALL", "INDEX", "COLON")
                if self.named(at, previous, starting or (ended and token.line_start)) or (
                    kind == "CONTAINS"
                    and (not ended or (top and not head_open) or (token.line_start and not top))
                ):
                    kind = "IDENT"
                elif kind == "IN":
                    kind = "INFIX"
                elif frame.kind == "test" and self.in_expectation(out):
                    kind = "IDENT" if kind != "NULL" else kind
            if self.lenient and at > first and len(frames) > 1 and self.looks_like_statement(at):
                break
            tight = token.tight or (top and verb is None and out and len(out) == 1 + (out[0].kind == "DEFAULT"))
            if kind == "ATTR" and not (ended and tight):
                kind = "LOOSE_DOT"
            if ended:
                if kind in ("LPAR", "LSQB") and tight:
                    kind = "CALL" if kind == "LPAR" else "INDEX"
                elif kind == "MINUS":
                    kind = "INFIX"
                elif top and self.next_statement(at, kind, statement, condition):
                    token.kind = "IDENT" if kind == "IDENT" else token.kind
                    break
                elif kind == "BAR":
                    plain = frame.kind in ("array", "brace") and not (
                        frame.commas or frame.infixes or frame.bar
                    )
                    kind = "BAR" if plain else "INFIX"
                    if plain:
                        frame.part()
                        frame.kind = "comprehension"
                        frame.bar = token
                if token.line_start and frame.kind in _BODY_KINDS and kind in _STARTERS:
                    if not (kind == "LBRACE" and frame.every):
                        out.append(Token("SEP", token.text, token.start, token.end, False, True))
                        previous = "SEP"
                        frame.part()
            elif kind == "MINUS":
                kind = "NEGATE"
            elif kind == "BAR":
                kind = "INFIX"
            elif top and token.line_start and at == first + 1 and verb is not None and kind in _TOP_STARTERS:
                if self.next_statement(at, kind, statement, condition):
                    break
            if kind == "IDENT":
                if top and verb is not None:
                    kind = self.soft(token, verb, previous, condition)
                elif frame.kind == "test" and previous in ("LBODY", "SEP"):
                    kind = _TEST_WORDS.get(token.text, kind)
            if verb == "mask" and top and not condition and kind in ("IDENT", "INFIX") and not ended:
                end = self.wildcard(token)
                if end:
                    token = Token(
                        "WILDCARD", self.text[token.start : end], token.start, end, token.tight, False
                    )
                    kind = "WILDCARD"
                    while at + 1 < count and tokens[at + 1].start < end:
                        at += 1
            elif verb == "governs" and kind == "INFIX" and token.text == "*":
                kind = "WILDCARD"
            if kind in ("INFIX", "AND", "OR"):
                frame.infixes += 1
                frame.operators += 1
            elif kind in ("LPAR", "LSQB", "LBRACE", "CALL", "INDEX"):
                opened = {
                    "LPAR": "paren",
                    "CALL": "call",
                    "INDEX": "index",
                    "LSQB": "array",
                    "LBRACE": "brace",
                }[kind]
                if kind == "LBRACE" and (self.opens_body(at, previous, frame) or (elses and previous == "IF")):
                    kind = "LBODY"
                    opened = "test" if verb == "test" and top else "body"
                    frame.every = max(0, frame.every - 1)
                    if top:
                        head_open = False
                frame = _Frame(opened, token)
                frames.append(frame)
                if len(frames) > MAX_NESTING:
                    statement.trouble = f"more than {MAX_NESTING} levels of nesting", token
                    return statement, self.skip(at)
            elif kind in ("RPAR", "RSQB", "RBRACE"):
                if frame.opener is None or _OPENERS[_raw(frame.opener)] != kind:
                    statement.trouble = self.unmatched(token, frame)
                    out.append(token)
                    return statement, self.skip(at)
                frame.part()
                depth = frame.deepest + 1
                frames.pop()
                frame = frames[-1]
                if depth > frame.current:
                    frame.current = depth
            elif kind in ("COMMA", "SEP"):
                frame.part()
                frame.commas += 1
                if frame.bar is not None and kind == "COMMA":
                    statement.bars[token.start] = frame.bar
            elif kind == "COLON":
                frame.part()
                frame.infixes = 0
            elif kind == "EVERY":
                frame.every += 1
            elif top and kind in ("IF", "UNLESS", "ASSIGN", "UNIFY", "CONTAINS", "ELSE"):
                head_open = False
                frame.part()
                if kind in ("IF", "UNLESS"):
                    condition = True
                elif kind == "ELSE":
                    elses += 1
                    if elses > MAX_NESTING:
                        statement.trouble = f"more than {MAX_NESTING} `else` in one rule", token
                        return statement, self.skip(at)
            elif kind == "WITH" and top and verb == "mask":
                condition = True
            token.kind = previous = kind
            out.append(token)
            at += 1
        if len(frames) > 1:
            opener = frame.opener
            assert opener is not None  # only the outermost frame has none
            statement.trouble = f"`{opener.text}` is never closed", opener
        frame.part()
        if statement.trouble is None and frame.deepest > MAX_NESTING:
            statement.trouble = f"more than {MAX_NESTING} levels of nesting", out[0]
        return statement, max(at, first + 1)

    def soft(self, token: Token, verb: str, previous: str, condition: bool) -> str:
        """The kind of a name at the top of a statement: one of the verb's own words where an expression has ended."""
        if previous in ENDERS or previous == verb.upper():
            if token.text == "unless":
                return "UNLESS"
            if not condition:
                return _SOFT_WORDS.get(verb, {}).get(token.text, "IDENT")
        return "IDENT"

    def wildcard(self, token: Token) -> int:
        """The end of a mask target with a `*` that begins here, or 0."""
        match = _WILDCARD.match(self.text, token.start)
        return match.end() if match and "*" in match[0] else 0

    def in_expectation(self, out: list[Token]) -> bool:
        """Whether the last item of a test block began with `expect`."""
        for token in reversed(out):
            if token.kind in ("SEP", "LBODY"):
                return False
            if token.kind == "EXPECT":
                return True
        return False

    # --- brackets --------------------------------------------------------------------------------------------

    def opens_body(self, at: int, previous: str, frame: _Frame) -> bool:
        """Whether the `{` at an index opens a body rather than an object, a set or a comprehension."""
        if previous in ENDERS:
            return frame.kind == "top" or frame.every > 0
        if previous == "ELSE":
            return True
        return previous in ("IF", "UNLESS") and not self.value_at(at)

    def value_at(self, at: int) -> bool:
        """Whether the braces after `if` are a value, as OPA reads them: an object, a comprehension, or an operand."""
        depth = 0
        head = True
        index = at
        tokens = self.tokens
        for index in range(at, len(tokens)):
            token = tokens[index]
            kind = token.kind
            if depth == 1:
                if kind == "COLON":
                    return True
                if head and index > at + 1:
                    if kind == "BAR" and tokens[index - 1].kind in ENDERS:
                        return True
                    continues = token.tight and kind in ("ATTR", "LPAR", "LSQB")
                    head = continues or (index == at + 2 and tokens[index - 1].kind == "MINUS")
                elif head and kind in ("NOT", "SOME", "EVERY"):
                    head = False
            if kind in _OPENERS:
                depth += 1
            elif kind in _CLOSERS:
                depth -= 1
                if depth == 0:
                    break
        if index == at + 1:
            return True
        follower = self.peek(index + 1)
        if follower.kind == "IN":
            return not self.named(index + 1, "RBRACE", False)
        operator = follower.kind in ("INFIX", "MINUS", "BAR", "ASSIGN", "UNIFY")
        return operator or (follower.tight and follower.kind in ("ATTR", "LSQB", "LPAR"))

    def unmatched(self, token: Token, frame: _Frame) -> tuple[str, Token]:
        """What to say about a closing bracket that closes nothing."""
        if frame.opener is None:
            return f"unexpected `{token.text}`: nothing is open here", token
        return f"unexpected `{token.text}`: `{frame.opener.text}` is still open", token

    def skip(self, at: int) -> int:
        """The index of the next line that looks like the start of a statement."""
        at += 1
        while at < len(self.tokens) and not self.looks_like_statement(at):
            at += 1
        return at

    def looks_like_statement(self, at: int) -> bool:
        """Whether the token at an index begins a line as only a statement does."""
        token = self.tokens[at]
        if not self.column_one(token):
            return False
        if token.kind in ("PACKAGE", "IMPORT", "DEFAULT"):
            return not self.named(at, "", True)
        if token.kind != "IDENT":
            return False
        if self.verb(at) is not None:
            return True
        for index in range(at + 1, len(self.tokens)):
            later = self.tokens[index]
            if later.line_start:
                return False
            if later.kind in ("IF", "CONTAINS"):
                return True
        return False


_RAW = {"CALL": "LPAR", "INDEX": "LSQB", "LBODY": "LBRACE"}


def _raw(token: Token) -> str:
    return _RAW.get(token.kind, token.kind)
