"""What another parser, sqlglot, reads in SQL text: statements, and the names that stand in each.

Its trees are made for translating between dialects. To read nothing into the text that is not there, ordinary calls are kept
under the names they were written with. The work is bounded by the number of tokens, whatever ways the parser tries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeAlias

from sqlglot import Token, TokenType, exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.parsers.postgres import PostgresParser

__all__ = ["Node", "Reading", "folded", "readings", "relation_named"]

Node: TypeAlias = Any
"""A node of the parser's trees."""

_GRAMMAR: Final = frozenset(
    [
        "CAST",
        "EXTRACT",
        "JSON_OBJECT",
        "JSON_OBJECTAGG",
        "JSON_TABLE",
        "JSON_VALUE",
        "NORMALIZE",
        "OVERLAY",
        "POSITION",
        "SUBSTRING",
        "TRIM",
        "XMLELEMENT",
        "XMLTABLE",
    ]
)
"""Calls that have a syntax of their own in PostgreSQL, too."""

_STEPS_PER_TOKEN: Final = 60
_MAX_IDENTIFIER: Final = 63
_PLACES: Final = "doorward_places"

_FAMILIES: Final[dict[type[exp.Expression], str]] = {
    exp.Insert: "insert",
    exp.Update: "update",
    exp.Delete: "delete",
    exp.Merge: "merge",
    exp.Create: "create",
    exp.Drop: "drop",
    exp.Alter: "alter",
    exp.TruncateTable: "truncate",
    exp.Copy: "copy",
    exp.Grant: "grant",
    exp.Revoke: "revoke",
    exp.Comment: "comment",
    exp.Transaction: "begin",
    exp.Commit: "commit",
    exp.Rollback: "rollback",
    exp.Set: "set",
}
_CHANGES: Final = (exp.Insert, exp.Update, exp.Delete, exp.Merge)


class _NoOpinionError(Exception):
    """The text, or a statement of it, is beyond the parser."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One statement. Names are folded as the server folds them; `relations` are (schema or "", name) as written, without
    the names that WITH gives; `functions` are bare names; `names` is every identifier, whatever it is for.
    """

    tree: Node
    family: str
    changes: frozenset[str]
    relations: frozenset[tuple[str, str]]
    functions: frozenset[str]
    columns: frozenset[str]
    names: frozenset[str]


class _Parser(PostgresParser):
    FUNCTIONS: ClassVar[dict[str, Any]] = {}
    FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
        name: parser for name, parser in PostgresParser.FUNCTION_PARSERS.items() if name in _GRAMMAR
    }

    steps_left = 0

    def _advance(self, times: int = 1) -> None:
        self.steps_left -= 1
        if self.steps_left < 0:
            raise _NoOpinionError
        super()._advance(times)

    def _warn_unsupported(self) -> None:
        raise _NoOpinionError


def readings(text: str) -> list[Reading | None] | None:
    """What stands in each statement of a text, `None` for one that is beyond the parser; `None` for the whole where not even
    its words can be told. Never raises.
    """
    dialect = Postgres()
    dialect.INDEX_OFFSET = 0  # `a[1]` stays as it is, and is not logged
    try:
        tokens = dialect.tokenize(text)
    except Exception:  # faults of the parser are no opinion either
        return None
    return [_reading(dialect, some, text) for some in _statements(tokens)]


def _statements(tokens: list[Token]) -> Iterator[list[Token]]:
    found: list[Token] = []
    for token in tokens:
        if token.token_type is not TokenType.SEMICOLON:
            found.append(token)
        elif found:
            yield found
            found = []
    if found:
        yield found


def _reading(dialect: Postgres, tokens: list[Token], text: str) -> Reading | None:
    parser = _Parser(dialect=dialect)
    parser.steps_left = 100 + _STEPS_PER_TOKEN * len(tokens)
    try:
        trees = parser.parse(tokens, text)
    except Exception:  # also text that is too deep for it, and its own faults
        return None
    tree = trees[0] if len(trees) == 1 else None
    if not isinstance(tree, exp.Expression):
        return None
    family = "select" if isinstance(tree, exp.Query) else _FAMILIES.get(type(tree))
    return None if family is None else _gathered(tree, family)


def _gathered(tree: Node, family: str) -> Reading:
    changes, relations, functions, columns, names = set(), set(), set(), set(), set()
    for node in tree.walk():
        if isinstance(node, exp.Identifier):
            names.add(folded(node))
        elif isinstance(node, exp.Column):
            if isinstance(node.this, exp.Identifier) and not _names_a_collation(node):
                columns.add(folded(node.this))
        elif isinstance(node, exp.Table):
            relation = relation_named(node)
            if relation is not None:
                relations.add(relation)
        elif isinstance(node, exp.Anonymous):
            functions.add(folded(node.this))
        elif isinstance(node, exp.Unnest):
            functions.add("unnest")
        elif isinstance(node, _CHANGES) and not isinstance(node.parent, exp.When):
            changes.add(_FAMILIES[type(node)])
    return Reading(
        tree,
        family,
        frozenset(changes),
        frozenset(relations),
        frozenset(functions),
        frozenset(columns),
        frozenset(names),
    )


def folded(name: exp.Identifier | str) -> str:
    """A name as the server keeps it."""
    quoted = isinstance(name, exp.Identifier) and bool(name.args.get("quoted"))
    text = name if isinstance(name, str) else str(name.this)
    if not quoted:
        text = "".join(c.lower() if c.isascii() else c for c in text)
    if len(text) * 4 <= _MAX_IDENTIFIER:
        return text
    return text.encode(errors="replace")[:_MAX_IDENTIFIER].decode(errors="ignore")


def _names_a_collation(node: exp.Column) -> bool:
    return isinstance(node.parent, exp.Collate) and node.arg_key == "expression"


def relation_named(node: exp.Table) -> tuple[str, str] | None:
    """The relation that a node names; `None` for functions in FROM, for names given by WITH, and for mere references."""
    name, schema = node.this, node.args.get("db")
    if not isinstance(name, exp.Identifier) or isinstance(node.parent, exp.Lock):
        return None
    if schema is None and _given_by_with(node, folded(name)):
        return None
    return (folded(schema) if isinstance(schema, exp.Identifier) else "", folded(name))


def _given_by_with(node: Node, name: str) -> bool:
    """Whether a bare name in FROM is that of a common table expression which is in force there."""
    below: Node = node
    above = node.parent
    while above is not None:
        clause = above.args.get("with_")
        if clause is not None and clause is not below:
            if name in _first_places(clause):
                return True
        elif isinstance(above, exp.With):
            place = _first_places(above).get(name)
            if place is not None and (above.recursive or below.index is None or place < below.index):
                return True
        below, above = above, above.parent
    return False


def _first_places(clause: Node) -> dict[str, int]:
    """Where in WITH each name is first given; found out once, for every table in it is looked up there."""
    known: dict[str, int] | None = clause.meta.get(_PLACES)
    if known is None:
        places: dict[str, int] = {}
        for place, item in enumerate(clause.expressions):
            places.setdefault(folded(item.args["alias"].this), place)
        known = clause.meta[_PLACES] = places
    return known
