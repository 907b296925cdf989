"""What lies ahead of a token: the questions about coming words that `lex_layout` asks."""

from __future__ import annotations

from dataclasses import dataclass

from doorward_dsl.lex import Token

__all__ = ["CLOSERS", "ENDERS", "OPENERS", "SOFT_WORDS", "TEXTS", "VERBS", "Ahead", "Features"]

ENDERS = frozenset(
    "IDENT STRING NUMBER TRUE FALSE NULL TEMPLATE TEMPLATE_END ATTR RPAR RSQB RBRACE DURATION WILDCARD JSON_PATH"  # noqa: SIM905
    " SINGLE_USE".split()
)
"""Kinds of token that can end an expression."""

OPENERS = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
"""The opening brackets, as `lex` names them, and their closing fellows."""

CLOSERS = frozenset(OPENERS.values())
TEXTS = frozenset(("STRING", "TEMPLATE", "TEMPLATE_START"))

SOFT_WORDS: dict[str, dict[str, str]] = {
    "allow": {},
    "block": {},
    "mask": {},
    "approve": {"by": "BY", "within": "WITHIN"},
    "credential": {"ttl": "TTL", "single_use": "SINGLE_USE"},
}
"""Words that are keywords inside the statement of a verb; `unless` is one in all of them."""

VERBS = tuple(SOFT_WORDS)
"""The verbs of decision statements."""

_RULE_FOLLOWERS = frozenset(("ASSIGN", "UNIFY", "IF", "CONTAINS", "ATTR"))
_NEVER_AFTER_VERB = frozenset(("ASSIGN", "UNIFY", "CONTAINS", "ATTR", "INFIX", "MINUS", "BAR"))
_NEVER_AFTER_GOVERNS = _NEVER_AFTER_VERB | {"IF", "LBRACE"}
_TOP_STARTERS = frozenset(("IDENT", "PACKAGE", "IMPORT", "DEFAULT", "SOME", "EVERY", "NOT"))


@dataclass(frozen=True, slots=True)
class Features:
    """What else is a keyword in this file, by its dialect and its imports."""

    ward: bool = False
    governs: bool = False
    """Has a `governs` line, so that `allow if …` is a statement and not a rule."""
    logic: frozenset[str] = frozenset()
    """Which of `and`, `or` and `not` (before a body) are imported."""


class Ahead:
    """Looks ahead in the tokens of one source; changes nothing."""

    def __init__(self, text: str, tokens: list[Token], features: Features) -> None:
        self.text = text
        self.tokens = tokens
        self.features = features
        self.closing: dict[int, int] = {}
        """Opening brackets and their fellows, by index."""
        end = len(text)
        self.end = Token("$END", "", end, end, False, True)

    def peek(self, at: int) -> Token:
        """The token at an index, or the end."""
        return self.tokens[at] if at < len(self.tokens) else self.end

    def column_one(self, token: Token) -> bool:
        """Whether the token stands at the very beginning of its line."""
        return token.start == 0 or self.text[token.start - 1] == "\n"

    # --- statements ------------------------------------------------------------------------------------------

    def verb(self, at: int) -> str | None:
        """The word that begins a Ward statement at an index, if one does."""
        word = self.tokens[at].text
        if not self.features.ward or self.tokens[at].kind != "IDENT":
            return None
        follower = self.peek(at + 1)
        if word == "governs":
            ruled = follower.kind in _NEVER_AFTER_GOVERNS or (
                follower.tight and follower.kind in ("LPAR", "LSQB")
            )
            return None if ruled and follower.text != "*" else word
        if word == "test":
            return word if follower.kind in TEXTS and self.peek(at + 2).kind == "LBRACE" else None
        if word == "given":
            return word if follower.kind == "IDENT" and not follower.line_start else None
        if word in SOFT_WORDS and self._begins_decision(at, word, follower):
            return word
        return None

    def _begins_decision(self, at: int, word: str, follower: Token) -> bool:
        kind = follower.kind
        if kind in _NEVER_AFTER_VERB or (kind in ("LPAR", "LSQB") and follower.tight):
            return word == "mask" and follower.text == "*"
        if kind in TEXTS or (word == "credential" and kind == "AS"):
            return True
        if (follower.text == "unless" or follower.text in SOFT_WORDS[word]) and not self.starts_rule(at + 1):
            return True
        if word == "mask" and (
            kind in ("JSON_PATH", "WITH") or (kind == "IDENT" and not follower.line_start)
        ):
            return True
        return self.features.governs

    def surely_verb(self, at: int) -> bool:
        """Whether a statement begins at an index even where an expression is awaited: no expression begins so."""
        token = self.tokens[at]
        if not token.line_start or not self.column_one(token):
            return False
        follower = self.peek(at + 1)
        return self.verb(at) is not None and follower.kind not in ("IF", "LBRACE") and not follower.line_start

    def starts_rule(self, at: int) -> bool:
        """Whether the name at an index is followed by what only a rule head is."""
        follower = self.peek(at + 1)
        if follower.kind in _RULE_FOLLOWERS:
            return follower.kind != "IF" or self.column_one(self.tokens[at])
        return follower.tight and follower.kind in ("LPAR", "LSQB")

    def heads_rule(self, at: int) -> bool:
        """Whether a whole rule head begins at an index: a name, its dots, brackets or arguments, and what follows."""
        if self.tokens[at].kind not in ("IDENT", "CONTAINS"):
            return True
        depth = 0
        for index in range(at + 1, len(self.tokens)):
            token = self.tokens[index]
            kind = token.kind
            if kind in OPENERS and (depth or token.tight):
                depth += 1
            elif depth:
                depth -= kind in CLOSERS
            elif kind != "ATTR":
                return kind in ("ASSIGN", "UNIFY", "IF", "CONTAINS")
        return False

    def next_statement(self, at: int, kind: str, verb: str | None, in_head: bool, after_reason: bool) -> bool:
        """Whether the name or keyword at an index, after a complete expression, begins the next statement.

        `in_head`: the condition of the present statement has not begun; `after_reason`: its reason has just ended.
        """
        token = self.tokens[at]
        if kind not in _TOP_STARTERS:
            misnamed = kind in ("IF", "AS", "WITH") or token.kind == "IN"
            return misnamed and self.peek(at + 1).kind in ("ASSIGN", "UNIFY")
        if kind == "IDENT" and verb in SOFT_WORDS:
            word = token.text
            if word == "unless" or (in_head and word in SOFT_WORDS[verb]):
                return token.line_start and self.column_one(token) and self.starts_rule(at)
            if verb == "mask" and in_head and after_reason:
                return False
        return token.line_start or self.heads_rule(at) or self.verb(at) is not None

    def looks_like_statement(self, at: int) -> bool:
        """Whether the token at an index begins a line as only a statement does; a guess, for recovery."""
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

    def skip(self, at: int, *, inside: bool) -> int:
        """The index of the next line that looks like the start of a statement; `inside` brackets only a sure one."""
        at += 1
        while at < len(self.tokens):
            token = self.tokens[at]
            if not inside and token.kind in _TOP_STARTERS and self.column_one(token):
                break
            if self.looks_like_statement(at):
                break
            at += 1
        return at

    # --- names and brackets ----------------------------------------------------------------------------------

    def named(self, at: int, previous: str, starting: bool) -> bool:
        """Whether the keyword at an index is a name: after `package` and `import`, and before `.` or `[` where an
        expression of a body or a rule begins: `if.foo := 1`, `not[x]`.
        """
        follower = self.peek(at + 1)
        if starting and follower.tight and follower.kind in ("ATTR", "LSQB"):
            return True
        return previous in ("PACKAGE", "IMPORT")

    def value(self, at: int) -> bool:
        """Whether the braces after `if` are a value, as OPA reads them: an object, a comprehension, or an operand."""
        tokens = self.tokens
        depth = 0
        in_head = True
        index = at
        for index in range(at, len(tokens)):
            token = tokens[index]
            kind = token.kind
            if depth == 1:
                if kind == "COLON":
                    return True
                if in_head and index > at + 1:
                    if kind == "BAR" and tokens[index - 1].kind in ENDERS:
                        return True
                    continues = token.tight and kind in ("ATTR", "LPAR", "LSQB")
                    in_head = continues or (index == at + 2 and tokens[index - 1].kind == "MINUS")
                elif kind in ("NOT", "SOME", "EVERY"):
                    in_head = False
            if kind in OPENERS:
                depth += 1
            elif kind in CLOSERS:
                depth -= 1
                if depth == 0:
                    break
        if index == at + 1:
            return True
        follower = self.peek(index + 1)
        if follower.kind == "IN":
            next_rule = follower.line_start and self.peek(index + 2).kind == "ATTR"
            return not self.named(index + 1, "RBRACE", next_rule)
        operator = follower.kind in ("INFIX", "MINUS", "BAR", "ASSIGN", "UNIFY")
        return operator or (follower.tight and follower.kind in ("ATTR", "LSQB", "LPAR"))

    def connects(self, at: int) -> bool:
        """Whether the braces that open at an index are the first operand of an imported `and` or `or`."""
        after = self.closing.get(at)
        return after is not None and self.peek(after + 1).text in self.features.logic & {"and", "or"}

    def balanced(self) -> bool:
        """Whether every bracket has its fellow; finds the fellows."""
        open_brackets: list[tuple[str, int]] = []
        for at, token in enumerate(self.tokens):
            kind = token.kind
            if kind in OPENERS:
                open_brackets.append((OPENERS[kind], at))
            elif kind in CLOSERS:
                if not open_brackets or open_brackets[-1][0] != kind:
                    return False
                self.closing[open_brackets.pop()[1]] = at
        return not open_brackets
