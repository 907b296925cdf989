"""Where the outputs of a query come from, by sqlglot's own resolution of names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify_columns import qualify_columns, validate_qualify_columns
from sqlglot.optimizer.qualify_tables import qualify_tables
from sqlglot.optimizer.scope import Scope, build_scope
from sqlglot.schema import MappingSchema

from doorward.facts.postgres.context import Context
from doorward.facts.postgres.second_reading import Node, folded, relation_named

__all__ = ["origins"]

Origins: TypeAlias = frozenset[tuple[str, str, str]]
"""Stored columns as schema, relation and name."""

_Columns: TypeAlias = dict[str, dict[str, dict[str, str]]]
"""The columns of relations by schema and name, each with a type."""

_NONE: Final[Origins] = frozenset()
_BEYOND: Final = (exp.Lateral, exp.Unnest, exp.RecursiveWithSearch)
_MAX_SELECTS: Final = 40
"""Queries inside a query; the other parser's work grows faster than their number."""


def origins(tree: Node, context: Context) -> list[Origins] | None:
    """The stored columns behind each output of a query, as far as they can be told; `None` where the query cannot be
    resolved. Changes the tree.
    """
    nodes = list(tree.walk())
    if sum(isinstance(node, exp.Select) for node in nodes) > _MAX_SELECTS or _is_beyond(nodes):
        return None
    for node in nodes:
        if isinstance(node, exp.Identifier):
            node.set("this", folded(node))
            node.set("quoted", True)
    columns = _resolved((node for node in nodes if isinstance(node, exp.Table)), context)
    if columns is None:
        return None
    schema = MappingSchema({**columns}, dialect="postgres", normalize=False)
    dialect = Postgres()
    try:
        tree = qualify_tables(tree, dialect=dialect)
        tree = qualify_columns(tree, schema, expand_alias_refs=False, dialect=dialect)
        validate_qualify_columns(tree)
        scope = build_scope(tree)
    except SqlglotError:
        return None
    selects = () if scope is None else _selects(scope)
    if scope is None or any(select.is_star for select in selects):
        return None
    tracer = _Tracer(columns)
    return [tracer.output(scope, place) for place in range(len(selects))]


def _selects(scope: Scope) -> list[Node]:
    """The outputs of a query."""
    query: Node = scope.expression
    return list(query.selects) if isinstance(query, exp.Query) else []


def _is_beyond(nodes: list[Node]) -> bool:
    """Whether the other parser is known not to tell rightly what comes out."""
    # Of joins that merge columns it does not know which ones `*` stands for.
    merging = any(isinstance(n, exp.Join) and (n.args.get("using") or n.method == "NATURAL") for n in nodes)
    return any(isinstance(n, _BEYOND) or (merging and isinstance(n, exp.Star)) for n in nodes)


def _resolved(tables: Iterable[exp.Table], context: Context) -> _Columns | None:
    """Writes the schema of every relation into the tree. Gives the columns of all of them, `None` where they cannot be told."""
    columns: _Columns = {}
    for table in tables:
        if not isinstance(table.this, exp.Identifier) or table.alias_column_names:
            return None  # a function, or a relation whose columns go by other names here, which the parser would not notice
        named = relation_named(table)
        if named is None:
            continue
        schema, name = named
        relation = context.resolve(None, schema or None, name)
        if relation is None:
            return None
        table.set("db", exp.to_identifier(relation.schema, quoted=True))
        columns.setdefault(relation.schema, {})[name] = {c.name: "text" for c in relation.columns}
    return columns


class _Tracer:
    """Follows outputs through the scopes of one resolved query."""

    def __init__(self, columns: _Columns) -> None:
        self._columns = columns
        self._known: dict[tuple[int, int], Origins] = {}

    def output(self, scope: Scope, place: int) -> Origins:
        """The stored columns behind one output."""
        key = (id(scope), place)
        if key not in self._known:
            self._known[key] = _NONE  # a recursive query adds nothing by referring to itself
            query = scope.expression
            if isinstance(query, exp.SetOperation):
                arms = scope.set_operation_scopes
                self._known[key] = _NONE.union(*(self.output(arm, place) for arm in arms))
            elif isinstance(query, exp.Select) and place < len(query.selects):
                self._known[key] = self._value(scope, query.selects[place])
        return self._known[key]

    def _value(self, scope: Scope, value: Node) -> Origins:
        inside = {id(inner.expression): inner for inner in scope.subquery_scopes}
        found = _NONE
        for node in value.walk(prune=lambda node: isinstance(node, exp.Query)):
            if isinstance(node, exp.Column):
                found |= self._column(scope, node)
            elif isinstance(node, exp.Query):
                inner = inside.get(id(node.unnest()))
                if inner is not None:
                    found = found.union(*(self.output(inner, place) for place in range(len(_selects(inner)))))
        return found

    def _column(self, scope: Scope, column: exp.Column) -> Origins:
        level: Scope | None = scope
        while level is not None and column.table not in level.selected_sources:
            level = level.parent
        source = level.selected_sources[column.table][1] if level is not None else None
        if isinstance(source, exp.Table):
            # A name that is no column of the relation is that of the row, or of a column that every relation has.
            known = column.name in self._columns.get(source.db, {}).get(source.name, ())
            return frozenset({(source.db, source.name, column.name)}) if known else _NONE
        if isinstance(source, Scope):
            places = [at for at, item in enumerate(_selects(source)) if item.alias_or_name == column.name]
            return _NONE.union(*(self.output(source, place) for place in places))
        return _NONE
