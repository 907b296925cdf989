"""What to say about a word that the grammar cannot take: in the user's terms, with the near miss."""

from __future__ import annotations

from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.lex import KEYWORDS, Token
from doorward_dsl.lex_ahead import SOFT_WORDS
from doorward_dsl.lex_layout import Statement
from doorward_dsl.parse_hints import WORDS, find_hint
from doorward_dsl.parse_table import Unexpected
from doorward_dsl.source import Source, Span

__all__ = ["explain", "explain_trouble"]

_MARKS = {
    "ASSIGN": "`:=`",
    "COLON": "`:`",
    "COMMA": "`,`",
    "SEP": "a new line",
    "RPAR": "`)`",
    "RSQB": "`]`",
    "RBRACE": "`}`",
    "LBODY": "`{`",
    "DURATION": "a duration such as `15m`",
}

_EXPRESSION = frozenset(("IDENT", "STRING", "NUMBER"))
_KEYWORD_KINDS = frozenset(KEYWORDS.values()) - {"TRUE", "FALSE", "NULL"}

_AFTER_SECOND_KEY = frozenset(("INFIX", "ATTR", "CALL", "INDEX"))
"""All that can follow `a, b` where only `a, b in xs` has a meaning."""

_NO_IF = "each line of a body is a condition by itself, without another `if`"
_AFTER_KEYWORD = {
    ("IF", "LBODY"): _NO_IF,
    ("IF", "SEP"): _NO_IF,
    ("IF", "IF"): _NO_IF,
    ("NOT", "NOT"): "one `not` is enough: what is negated twice may be left as it is",
}
"""What is meant by a keyword where a value should stand, by it and what stands before it."""

_HAPPENS = {
    "is never closed": "every `{`, `[` and `(` needs its closing fellow",
    "is still open": "close the brackets in the order in which they were opened",
    "nothing is open": "a closing bracket is left over, or an opening one is missing before it",
    "levels of nesting": "split the expression into rules",
    "`else` in one rule": "use an object or a set of rules instead of a long chain",
}


def explain_trouble(source: Source, message: str, token: Token) -> Diagnostic:
    """A limit that was passed, or a bracket without its fellow."""
    hint = next((hint for part, hint in _HAPPENS.items() if part in message), None)
    return Diagnostic("rego_parse_error", message, Span(source, token.start, token.end), hint=hint)


def explain(source: Source, statement: Statement, unexpected: Unexpected) -> Diagnostic:
    """The message for one unexpected token."""
    token, expected = unexpected.token, unexpected.expected
    tokens = statement.tokens
    at = _index(statement, token)
    previous = tokens[at - 1] if at else None
    comma = _stray_comma(statement, unexpected)
    if comma is not None:
        hint: str | None = "expressions of a body stand on lines of their own, or with `;` between them"
        if _inside_parentheses(statement, comma):
            hint = "several values together are an array, `[a, b]`, or a set, `{a, b}`"
        return Diagnostic(
            "rego_parse_error", "unexpected `,`", Span(source, comma.start, comma.end), hint=hint
        )
    message, hint = _special(statement, at, token, previous, expected)
    if message is None:
        what = "unexpected end of the statement" if token.kind == "$END" else f"unexpected {_shown(token)}"
        wanted = _wanted(statement, at, expected)
        message = f"{what}: expected {wanted}" if wanted else what
        hint = hint or find_hint(source, statement, at, token, expected)
    return Diagnostic("rego_parse_error", message, Span(source, token.start, token.end), hint=hint)


def _stray_comma(statement: Statement, unexpected: Unexpected) -> Token | None:
    """The comma that made `a, b` look like the beginning of `a, b in xs`, where that is all the text could still be."""
    if not unexpected.expected <= _AFTER_SECOND_KEY:
        return None
    depth = 0
    at = _index(statement, unexpected.token)
    for token in reversed(statement.tokens[:at]):
        if token.text in (")", "]", "}"):
            depth += 1
        elif token.text in ("(", "[", "{"):
            depth -= 1
        elif token.kind == "COMMA" and depth == 0:
            return token
        if depth < 0:
            return None
    return None


def _inside_parentheses(statement: Statement, token: Token) -> bool:
    """Whether the nearest bracket open at a token is a parenthesis."""
    depth = 0
    for other in reversed(statement.tokens[: _index(statement, token)]):
        if other.text in (")", "]", "}"):
            depth += 1
        elif other.text in ("(", "[", "{"):
            if depth == 0:
                return other.text == "("
            depth -= 1
    return False


def _index(statement: Statement, token: Token) -> int:
    tokens = statement.tokens
    return next((index for index, other in enumerate(tokens) if other is token), len(tokens))


def _shown(token: Token) -> str:
    text = token.text.splitlines()[0] if token.text else token.text
    return f"`{text[:40]}…`" if len(text) > 40 or text != token.text else f"`{text}`"


def _special(
    statement: Statement, at: int, token: Token, previous: Token | None, expected: frozenset[str]
) -> tuple[str | None, str | None]:
    """Mistakes with a message of their own."""
    following = statement.tokens[at + 1].kind if at + 1 < len(statement.tokens) else ""
    if token.kind == "RBRACE" and previous is not None and previous.kind == "LBODY":
        if statement.verb == "test":
            return (
                "found empty test",
                "a test says what it is `given`, `when` what happens, and what to `expect`",
            )
        return (
            "found empty body",
            "a body holds at least one expression; write `true` for one that always holds",
        )
    starts = at == 0 or (at == 1 and previous is not None and previous.kind == "DEFAULT")
    if starts and token.kind in _KEYWORD_KINDS and following in ("ASSIGN", "UNIFY", "IF", "CONTAINS", "LPAR"):
        return f"{token.text} keyword cannot be used for rule name", "choose another name"
    if at == 0 and token.kind == "NOT" and following == "INFIX":
        return "unexpected `not`: expected an operator", "write `not x in xs`"
    if at == 0 and token.kind not in ("IDENT", "$END"):
        return (
            f"unexpected {_shown(token)}: expected a rule",
            "an expression stands only in the body of a rule, after `if`",
        )
    if token.kind == "LOOSE_DOT":
        return (
            f"unexpected {_shown(token)}",
            "no white space stands before the dot of a reference, as in `input.user`",
        )
    if token.kind in _KEYWORD_KINDS and "JSON_PATH" not in expected and expected >= _EXPRESSION:
        return (
            f"unexpected {_shown(token)}: it is a keyword and cannot be a name here",
            _AFTER_KEYWORD.get((token.kind, previous.kind if previous is not None else "")),
        )
    return None, None


def _wanted(statement: Statement, at: int, expected: frozenset[str]) -> str:
    """What could have stood there, in words."""
    if "JSON_PATH" in expected and statement.verb == "mask":
        return "a target such as `table.column`"
    if "GIVEN" in expected:
        return "`given`, `when` or `expect`"
    if at == 1 and statement.verb in SOFT_WORDS and statement.verb != "mask":
        own = [f"`{word}`" for word in SOFT_WORDS[statement.verb]]
        if statement.verb == "credential":
            own.append("`as`")
        return _listed(["a reason in quotes", *(own or ("`if`", "`unless`"))])
    if expected >= _EXPRESSION:
        return "an expression"
    if (
        at > 1
        and statement.tokens[at - 2].kind in ("SOME", "EVERY")
        and statement.tokens[at - 1].kind == "IDENT"
    ):
        return "`in`"
    if expected & _EXPRESSION == {"IDENT"}:
        return "a name"
    if expected & _EXPRESSION == {"STRING"}:
        return "a string"
    ending = "$END" in expected and "IF" not in expected
    names = [mark for kind, mark in _MARKS.items() if kind in expected]
    closing = expected & {"RPAR", "RSQB"} or ("RBRACE" in expected and "SEP" not in expected)
    if "`,`" in names and not (closing or (statement.verb and not ending)):
        names.remove("`,`")  # it could only go on as `k, v in xs`
    if ending:
        names = [name for name in names if name not in ("`:=`", "`{`")]
    silent = ("INFIX", "ELSE", "WITH", "AS")
    names += [f"`{word}`" for kind, word in WORDS.items() if kind in expected and kind not in silent]
    if "WITH" in expected and statement.verb == "mask" and "IF" not in expected:
        names.append("`with`")
    if "AS" in expected and "WITH" not in expected and statement.verb in (None, "credential"):
        names.append("`as`")
    if len(names) > 1 and "`{`" in names:
        names.remove("`{`")
    if not names and "$END" in expected:
        return "the end of the statement"
    return _listed(names)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + f" or {names[-1]}" if names else ""
