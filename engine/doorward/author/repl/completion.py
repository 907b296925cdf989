"""What could follow at a place of an entry: commands, built-ins with what they do, rules, data, fields of the input."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from doorward.author.repl.session import COMMANDS, Session
from doorward.decide.request import document_schemas
from doorward.run.values import UNDEFINED
from doorward_dsl.signatures import OPERATORS, stated_signatures

__all__ = ["Suggestion", "suggestions"]

_WORD: Final = re.compile(r"[A-Za-z_][\w.]*\Z")
_KEYWORDS: Final = (
    "some",
    "every",
    "not",
    "in",
    "with",
    "as",
    "if",
    "contains",
    "else",
    "default",
    "import",
    "package",
)


class Suggestion(NamedTuple):
    """Text that could stand in place of the last `replaces` characters, and what it is."""

    text: str
    replaces: int
    meaning: str = ""


def suggestions(session: Session, before: str) -> Iterator[Suggestion]:
    """What could follow the text before the cursor."""
    if before.lstrip().startswith(":"):
        word = before.lstrip()[1:]
        if " " not in word:
            for name, (rest, what) in COMMANDS.items():
                if name.startswith(word):
                    yield Suggestion(name, len(word), f"{rest}  {what}".strip())
            return
    found = _WORD.search(before)
    if found is None:
        return
    word = found[0]
    if word.startswith(("data.", "input.")):
        root, *path = word.split(".")
        below = _below_data(session, path[:-1]) if root == "data" else _below_input(session, path[:-1])
        for name, meaning in sorted(below.items()):
            if name.startswith(path[-1]) and name.isidentifier():
                yield Suggestion(name, len(path[-1]), meaning)
        return
    named = {**dict.fromkeys(_KEYWORDS, "keyword"), **dict.fromkeys(("data", "input"), "document")}
    named |= dict.fromkeys(_below_data(session, session.package), "rule")
    named |= {name: text for name, text in _builtins().items() if name not in named}
    for name, meaning in sorted(named.items()):
        if name.startswith(word) and name != word:
            yield Suggestion(name, len(word), meaning)


def _builtins() -> dict[str, str]:
    told = {}
    for name, stated in stated_signatures().items():
        if name.startswith("internal.") or name in OPERATORS:
            continue
        args = ", ".join(map(_type, stated["args"])) + ("…" if stated["variadic"] else "")
        told[name] = f"({args}) → {_type(stated['result'])}: {stated['description']}"
    return told


def _type(stated: Any) -> str:
    return stated if isinstance(stated, str) else "nothing" if stated is None else "any"


def _below_data(session: Session, path: Any) -> dict[str, str]:
    """The names below a path of `data`, and what each is."""
    found: dict[str, str] = {}
    at = tuple(path)
    for rule_path, rules in session.engine.program.rules.items():
        if rule_path[: len(at)] == at and len(rule_path) > len(at):
            last = len(rule_path) == len(at) + 1
            kind = "function" if rules[0].head.args is not None else "rule"
            found.setdefault(rule_path[len(at)], f"{kind}, {rules[0].span}" if last else "package")
    document: Any = session.engine.policies.data
    for step in at:
        document = document.get(step) if isinstance(document, dict) else None
    for name in document if isinstance(document, dict) else ():
        found.setdefault(str(name), "data")
    return found


def _below_input(session: Session, path: list[str]) -> dict[str, str]:
    if session.input is not UNDEFINED:
        document: Any = session.input
        for step in path:
            document = document.get(step) if isinstance(document, dict) else None
        return {str(name): "input" for name in document} if isinstance(document, dict) else {}
    found: dict[str, str] = {}
    for kind, schema in document_schemas().items():
        part: Any = schema
        for step in path:
            part = _resolved(part, schema).get("properties", {}).get(step, {})
        for name, field in _resolved(part, schema).get("properties", {}).items():
            found.setdefault(name, field.get("description", f"of a request of kind {kind}"))
    return found


def _resolved(part: Any, schema: Any) -> Any:
    while isinstance(part, dict) and "$ref" in part:
        part = schema["$defs"].get(part["$ref"].rpartition("/")[2], {})
    return part if isinstance(part, dict) else {}
