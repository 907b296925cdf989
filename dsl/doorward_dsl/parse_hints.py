"""What may help after a word that the grammar cannot take: the near miss, the habit, the form of the statement."""

from __future__ import annotations

from typing import Final

from doorward_dsl.lex import Token
from doorward_dsl.lex_ahead import SOFT_WORDS, VERBS
from doorward_dsl.lex_layout import Statement
from doorward_dsl.parse_habits import JOINED, NAMES, STATEMENTS
from doorward_dsl.parse_habits import WORDS as FOREIGN
from doorward_dsl.parse_ward import MASKERS, USAGE
from doorward_dsl.source import Source
from doorward_dsl.suggest import near_miss

__all__ = ["WORDS", "find_hint"]

WORDS: Final = {
    "IF": "if",
    "CONTAINS": "contains",
    "ELSE": "else",
    "WITH": "with",
    "AS": "as",
    "NOT": "not",
    "SOME": "some",
    "EVERY": "every",
    "PACKAGE": "package",
    "IMPORT": "import",
    "DEFAULT": "default",
    "INFIX": "in",
    "UNLESS": "unless",
    "BY": "by",
    "WITHIN": "within",
    "TTL": "ttl",
    "SINGLE_USE": "single_use",
    "GIVEN": "given",
    "WHEN": "when",
    "EXPECT": "expect",
}
"""Kinds of token that are one word."""

_FORMS: Final = {
    "allow": '`allow "reason" if …`',
    "block": '`block "reason" if …`',
    "mask": "`mask table.column with redact if …`",
    "approve": '`approve "reason" by "group" within 15m if …`',
    "credential": '`credential ttl 15m single_use as "role" if …`',
}
"""Every statement, written out."""

_PARTS: Final = frozenset(word for words in SOFT_WORDS.values() for word in words)
_SAYING: Final = {
    "for": "how long something lasts comes after `within` or `ttl`",
    "expires": "how long a credential lasts comes after `ttl`",
    "role": "the role comes after `as`",
    "from": "who may approve comes after `by`",
}
"""Words that people put into statements."""


def find_hint(
    source: Source, statement: Statement, at: int, token: Token, expected: frozenset[str]
) -> str | None:
    """The hint for an unexpected token, the one at index `at`; `expected` are the kinds that could have followed."""
    before = statement.tokens[max(0, at - 2) : at]
    previous = before[-1] if before else None
    return (
        _operators(before, token)
        or (_words(statement, previous, token, expected) if token.kind == "IDENT" else None)
        or (_in_statement(statement, before, token, expected) if statement.verb in SOFT_WORDS else None)
        or (_in_governs(token) if statement.verb == "governs" else None)
        or _marks(previous, token, expected)
        or (_misspelt(source, statement, at - 1) if at else None)
    )


def _operators(before: list[Token], token: Token) -> str | None:
    """Marks that only together mean something, elsewhere."""
    if not before or token.kind not in ("INFIX", "UNIFY", "NEGATE", "BAR"):
        return None
    joined = "".join(other.text for other in (*before, token) if other.kind in ("INFIX", "UNIFY"))
    whole = joined if token.kind in ("INFIX", "UNIFY") else joined + token.text
    found = JOINED.get(whole) if whole != token.text else None
    return found or JOINED.get(before[-1].text + token.text)


def _words(
    statement: Statement, previous: Token | None, token: Token, expected: frozenset[str]
) -> str | None:
    word = token.text
    if statement.verb in SOFT_WORDS and word in _SAYING and "UNLESS" in expected:
        return _SAYING[word]
    if word in FOREIGN:
        return FOREIGN[word]
    if statement.verb in SOFT_WORDS and word in _PARTS and "UNLESS" in expected and "IF" not in expected:
        return f"`{word}` stands before the condition"
    found = near_miss(word, [WORDS[kind] for kind in expected if kind in WORDS])
    if found is None and word == "unless" and statement.verb is None:
        return "`unless` belongs to the statements of a `.ward` file: a rule says `if not …`"
    if found is None and previous is not None and previous.text == "test" and statement.verb is None:
        return 'a test is named by a string: `test "name" { … }`'
    return found


def _in_statement(
    statement: Statement, before: list[Token], token: Token, expected: frozenset[str]
) -> str | None:
    """The form of the statement that went wrong."""
    verb = statement.verb or ""
    previous = before[-1]
    if previous.text in _PARTS and token.text in ("=", ":=", ":"):
        return f"what `{previous.text}` is comes right after it"
    if verb == "mask" and "WITH" in expected and "IF" not in expected:
        if token.kind == "IF" or token.kind == "UNLESS":
            return f"the condition comes last: {_FORMS[verb]}"
        if previous.text == "content":
            return "write `content(card_number)`"
        if token.text in MASKERS or token.text in ("using", "as", "by", "to"):
            return "the masker comes after `with`"
        return "a target is written `table.column`; several have commas between them"
    if verb == "mask" and previous.text in MASKERS and token.kind in ("NUMBER", "STRING"):
        return f"write `{USAGE[previous.text]}`"
    if "DURATION" in expected:
        if token.kind in ("NUMBER", "STRING"):
            return "write the duration without quotes and with its unit: `500ms`, `60s`, `15m`, `8h` or `7d`"
        return None
    if token.kind == "DURATION" and "TTL" in expected:
        return f"write `ttl {token.text}`"
    if token.text == ";":
        return "each statement stands on a line of its own"
    if token.text == "{" and ("IF" in expected or previous.text in VERBS):
        return "write `if` before the body"
    if token.kind == "STRING" and "BY" in expected:
        return "who may approve comes after `by`"
    if token.kind == "STRING" and previous.kind != "STRING" and "UNLESS" in expected and "IF" not in expected:
        return f"the reason stands right after the verb: {_FORMS[verb]}"
    if previous.text == verb:
        return f"write {_FORMS[verb]}"
    if "IF" in expected and token.kind in ("IDENT", "NOT", "SOME", "EVERY", "LPAR"):
        return "a condition comes after `if`"
    return None


def _in_governs(token: Token) -> str | None:
    if token.kind == "STRING":
        return "a kind is written without quotes: `governs postgres`"
    return "several kinds have commas between them" if token.kind == "IDENT" else None


def _marks(previous: Token | None, token: Token, expected: frozenset[str]) -> str | None:
    word = token.text
    if token.kind == "LBODY" and "IF" in expected:
        return "write `if` before the body"
    if token.kind == "INFIX" and word == "==" and "ASSIGN" in expected:
        return "write `:=` to give a value, or `if` before a condition"
    if word == ":" and "ASSIGN" in expected:
        return "a value comes after `:=`"
    if word in ("=", ":=") and "COLON" in expected:
        return "a key and its value have `:` between them"
    if token.kind == "DURATION" and "NUMBER" in expected:
        return "a number has decimal digits only, as in `1000` or `1.5e3`"
    if previous is not None and previous.text == "," and word in (",", ";", ""):
        return "leave out the last `,`" if token.kind == "$END" else "one `,` is enough"
    if token.kind == "SEP" and previous is not None and previous.kind == "SEP":
        return "one `;` is enough"
    if previous is not None and previous.text == ";" and token.kind == "RBRACE":
        return "leave out the last `;`"
    if expected <= {"$END", "WITH", "ELSE"} and token.kind in ("IDENT", "STRING", "NUMBER"):
        return "conditions on several lines stand in braces: `if { … }`"
    return None


def _misspelt(source: Source, statement: Statement, at: int) -> str | None:
    """Whether the name before the unexpected token was meant as a keyword."""
    word = statement.tokens[at]
    if word.kind != "IDENT":
        return None
    if at == 0:
        if source.dialect == "ward" and word.text in STATEMENTS:
            return f"did you mean `{STATEMENTS[word.text]}`?"
        keywords = [
            "package",
            "import",
            "default",
            *(("governs", "test", *VERBS) if source.dialect == "ward" else ()),
        ]
        return NAMES.get(word.text) or near_miss(word.text, keywords)
    before = statement.tokens[at - 1].kind
    if before in ("SEP", "LBODY", "IF", "UNLESS", "BAR"):
        return FOREIGN.get(word.text) or near_miss(word.text, ("some", "every", "not"))
    return None
