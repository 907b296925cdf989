"""What a person has typed: whether it is all of it, and whether it is a command, a rule or a query."""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

from doorward_dsl import PolicyError, Source, parse_module, parse_query
from doorward_dsl.syntax import Assign, Call, Rule, Var

__all__ = ["EntryKind", "constants", "is_complete", "kind_of", "rule_names"]

EntryKind: TypeAlias = Literal["empty", "command", "package", "import", "rule", "query"]

_TEXT: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|`[^`]*`|#[^\n]*')
_OPEN: Final = re.compile(r"`[^`]*\Z")
_UNFINISHED: Final = re.compile(
    r"(?:[-+*/%&|,=<>(\[{]|:=|\b(?:if|in|as|with|contains|not|some|every|else))\s*\Z"
)
_RULE: Final = re.compile(r"^\s*default\b|\bif\b|\bcontains\b|:=|\belse\b", re.MULTILINE)
_HEAD: Final = "package repl\n"


def is_complete(text: str) -> bool:
    """Whether there is nothing left to wait for: brackets and raw strings closed, no operator at the end.

    An empty last line says that nothing will come.
    """
    if text.lstrip().startswith(":") or text.endswith("\n\n"):
        return True
    bare = _TEXT.sub("", text)
    if _OPEN.search(bare):
        return False
    depth = sum(map(bare.count, "([{")) - sum(map(bare.count, ")]}"))
    return depth <= 0 and not _UNFINISHED.search(bare)


def kind_of(text: str) -> EntryKind:
    """What the text is. What is neither a rule nor a query counts as what it looks more like."""
    text = text.strip()
    if not text or all(line.lstrip().startswith("#") for line in text.splitlines()):
        return "empty"
    if text.startswith(":"):
        return "command"
    for word in ("package", "import"):
        if re.match(rf"{word}\s+\S", text):
            return "package" if word == "package" else "import"
    try:
        body = parse_query(text)
    except PolicyError:
        return "rule" if _rules(text) or _RULE.search(text) else "query"
    only = body[0].expr if len(body) == 1 and not body[0].withs else None
    # what could be both, `x := 1`, is kept for later queries
    return "rule" if isinstance(only, Assign) and isinstance(only.target, Var | Call) else "query"


def rule_names(text: str) -> tuple[str, ...]:
    """The names of the rules that a text defines; none where it is no rules."""
    return tuple(dict.fromkeys(rule.head.ref[0].span.text for rule in _rules(text)))


def constants(text: str) -> frozenset[str]:
    """The names of which a text says all there is to say, so that another definition takes its place: `x := 1`."""
    return frozenset(
        rule.head.ref[0].span.text
        for rule in _rules(text)
        if not (rule.body or rule.default or rule.head.key or rule.head.args is not None)
    )


def _rules(text: str) -> tuple[Rule, ...]:
    try:
        return parse_module(Source("repl.rego", _HEAD + text)).rules
    except PolicyError:
        return ()
