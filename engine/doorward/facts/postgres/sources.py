"""The FROM clause: relations, views, sub-queries, functions and joins, and the names they make visible."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from pglast.enums import JoinType

from doorward.facts.postgres import trees
from doorward.facts.postgres.catalogue import SYSTEM_SCHEMAS, Relation, RelationColumn
from doorward.facts.postgres.context import Context
from doorward.facts.postgres.expressions import Expressions
from doorward.facts.postgres.findings import ANYTHING, NOTHING, Flow, Opaque, SqlState, derive, merge
from doorward.facts.postgres.functions import Called
from doorward.facts.postgres.scope import Cte, Field, Item, Namespace, Scope
from doorward.facts.postgres.trees import Node, ast

__all__ = ["RowQueries", "Sources"]

_REPEATING: Final = {
    "pg_stats": (
        "most_common_vals",
        "histogram_bounds",
        "most_common_elems",
        "range_length_histogram",
        "range_bounds_histogram",
    ),
    "pg_stats_ext": ("most_common_vals",),
    "pg_stats_ext_exprs": ("most_common_vals", "histogram_bounds", "most_common_elems"),
    "pg_statistic": ("stavalues1", "stavalues2", "stavalues3", "stavalues4", "stavalues5"),
    "pg_statistic_ext_data": ("stxdmcv", "stxdexpr"),
    "pg_stat_activity": ("query",),
    "pg_largeobject": ("data",),
}
"""System columns in which values of any other column may stand: they count as derived from all of them."""

_SEQUENCE: Final = (("last_value", "bigint"), ("log_cnt", "bigint"), ("is_called", "boolean"))


class RowQueries(Protocol):
    """The part of the walk that FROM needs: queries, and what views hold."""

    def rows(self, node: Node, scope: Scope) -> tuple[Field, ...]:
        """The columns of a query that stands inside `scope`."""

    def cte(self, cte: Cte) -> tuple[Field, ...]:
        """The columns of a common table expression."""

    def view(self, relation: Relation) -> tuple[Flow, ...]:
        """Where each column of a view comes from."""

    def generated(self, relation: Relation, column: RelationColumn) -> Flow:
        """What a generated column is computed from."""


class Sources:
    """Walks FROM clauses for one analysis."""

    def __init__(self, context: Context, expressions: Expressions, queries: RowQueries) -> None:
        self._context = context
        self._expressions = expressions
        self._queries = queries

    def clause(self, nodes: Node, scope: Scope) -> Namespace:
        """The names that a FROM clause makes visible to the query whose surroundings are `scope`."""
        names = Namespace()
        for node in nodes or ():
            names = names.beside(self.element(node, scope, names))
        return names

    def element(self, node: Node, scope: Scope, before: Namespace) -> Namespace:
        """One element of FROM. What stands to its left, `before`, is visible to LATERAL and to functions."""
        self._context.step(node)
        if isinstance(node, ast.RangeVar):
            return self._named(node, scope)
        if isinstance(node, ast.JoinExpr):
            return self._join(node, scope, before)
        if isinstance(node, ast.RangeSubselect):
            inside = self._lateral(scope, before) if node.lateral else scope
            fields = self._queries.rows(node.subquery, inside)
            return Namespace.of(Item(*_aliased(node.alias, fields, "")))
        if isinstance(node, ast.RangeFunction):
            return self._functions(node, self._lateral(scope, before))
        if isinstance(node, ast.RangeTableSample):
            self._expressions.each(node.args, scope)
            self._expressions.walk(node.repeatable, scope)
            return self.element(node.relation, scope, before)
        if isinstance(node, ast.RangeTableFunc):
            return self._xml_table(node, self._lateral(scope, before))
        if isinstance(node, ast.JsonTable):
            return self._json_table(node, self._lateral(scope, before))
        raise Opaque(f"`{type(node).__name__}` is not understood in FROM")

    @staticmethod
    def _lateral(scope: Scope, before: Namespace) -> Scope:
        return Scope(before, scope, scope.ctes)

    def _named(self, node: Node, scope: Scope) -> Namespace:
        if node.schemaname is None and scope.ctes is not None:
            cte = scope.ctes.find(node.relname)
            if cte is not None:
                return Namespace.of(Item(*_aliased(node.alias, self._queries.cte(cte), node.relname)))
        relation = self.relation(node)
        self._context.reading(relation)
        fields = self.fields(relation, inherited=bool(node.inh))
        name, named = _aliased(node.alias, fields, node.relname)
        return Namespace.of(Item(name, named, None if node.alias else relation.schema, relation))

    def relation(self, node: Node) -> Relation:
        """The relation that a `RangeVar` means. Raises `Opaque` where the catalogue has none."""
        self._context.step(node)
        relation = self._context.resolve(node.catalogname, node.schemaname, node.relname)
        if relation is None:
            name = ".".join(part for part in (node.schemaname, node.relname) if part)
            raise Opaque(f"the relation `{name}` is not in the catalogue", SqlState.UNDEFINED_TABLE)
        self._context.mentions.relations.add((node.schemaname or "", node.relname))
        return relation

    def fields(self, relation: Relation, *, inherited: bool = True) -> tuple[Field, ...]:
        """The columns of a relation: each its own, its ancestors', its descendants', or of what the view
        shows.
        """
        catalogue = self._context.catalogue
        columns = catalogue.columns(relation)
        if relation.definition is not None:
            behind: tuple[Flow, ...] = self._queries.view(relation)
            if len(behind) != len(columns):
                raise Opaque(f"the view `{relation.name}` does not have the columns of its definition")
        elif relation.kind in "vm" and relation.schema not in SYSTEM_SCHEMAS:
            raise Opaque(f"the definition of the view `{relation.name}` is not in the catalogue")
        else:
            behind = (NOTHING,) * len(columns)
        family = catalogue.ancestors(relation)
        if inherited:
            descendants = catalogue.descendants(relation)
            family = [*family, *descendants]
            if relation.kind != "p":
                for child in descendants:
                    self._context.reading(child)
        kin: dict[str, list[Any]] = {}
        for member in family:
            for column in catalogue.columns(member):
                kin.setdefault(column.name, []).append(column)
        # A caller can put any value into a temporary table, or a setting, and see it in a system view.
        own_values = relation.kind in "rpmv" and relation.schema not in (*SYSTEM_SCHEMAS, "pg_temp")
        computed = self._generated(relation)
        repeating = _REPEATING.get(relation.name, ()) if relation.schema == "pg_catalog" else ()
        fields = []
        for column, described, flow in zip(columns, relation.columns, behind, strict=True):
            direct = flow.direct | {column, *kin.get(column.name, ())}
            derived = flow.derived | {ANYTHING} if column.name in repeating else flow.derived
            derived |= computed.get(column.name, NOTHING).sources
            pure = not derived and own_values and (relation.definition is None or flow.pure)
            fields.append(Field(column.name, Flow(direct, derived, described.type, pure)))
        if relation.kind == "S" and not fields:
            fields = [Field(name, Flow(type=type_)) for name, type_ in _SEQUENCE]
        return tuple(fields)

    def _generated(self, relation: Relation) -> Mapping[str, Flow]:
        """What the generated columns of a relation, and of those that inherit from it, are computed from."""
        found: dict[str, Flow] = {}
        catalogue = self._context.catalogue
        for member in (relation, *catalogue.ancestors(relation), *catalogue.descendants(relation)):
            for described in member.columns:
                if described.generated:
                    own = self._queries.generated(member, described)
                    found[described.name] = derive([own, found.get(described.name, NOTHING)])
        return found

    def _join(self, node: Node, scope: Scope, before: Namespace) -> Namespace:
        left = self.element(node.larg, scope, before)
        right = self.element(node.rarg, scope, before.beside(left))
        joined = left.beside(right)
        shared = list(trees.strings(node.usingClause))
        if node.isNatural:
            there = {item.name for item in right.fields}
            shared = list(dict.fromkeys(item.name for item in left.fields if item.name in there))
            if not joined.certain:
                raise Opaque("the columns of a NATURAL JOIN cannot be told")
        merged = [self._shared(node, name, left, right) for name in shared]
        rest = tuple(item for item in joined.fields if item.name not in shared)
        fields = (*merged, *rest)
        if node.join_using_alias is not None:
            extra = Item(node.join_using_alias.aliasname, tuple(merged))
            joined = Namespace((*joined.items, extra), joined.fields, joined.certain)
        self._expressions.condition(node.quals, Scope(joined, scope, scope.ctes))
        if node.alias is not None:
            name, fields = _aliased(node.alias, fields, "")
            return Namespace.of(Item(name, fields, certain=joined.certain))
        return Namespace(joined.items, fields, joined.certain)

    def _shared(self, node: Node, name: str, left: Namespace, right: Namespace) -> Field:
        sides = []
        for side in (left, right):
            found = [item.flow for item in side.fields if item.name == name]
            if len(found) != 1:
                raise Opaque(
                    f"the join column `{name}` cannot be resolved",
                    SqlState.AMBIGUOUS_COLUMN if found else SqlState.UNDEFINED_COLUMN,
                )
            sides.append(found[0])
            self._context.findings.columns |= found[0].sources
        note = self._context.match if all(flow.pure for flow in sides) else self._context.filter
        note(derive(sides).sources)
        if node.jointype is JoinType.JOIN_RIGHT:
            sides.reverse()
        # Where the two sides are of different types the value is converted; it still is the value of either
        # side.
        return Field(name, merge(sides))

    def _functions(self, node: Node, scope: Scope) -> Namespace:
        fields: list[Field] = []
        certain = True
        name = ""
        several = len(node.functions) > 1
        for function, definitions in node.functions:
            flow, called = self._function(function, scope)
            self._context.filter(flow.sources)
            own = trees.output_name(function)
            name = name or own
            alias = node.alias.aliasname if node.alias is not None and not several else own
            listed = definitions or (node.coldeflist if not several else None)
            if listed:
                found = tuple(Field(item.colname, derive([flow])) for item in listed)
            else:
                found, sure = self._answer(function, called, flow, alias, scope)
                certain = certain and sure
            fields += found
        if node.ordinality:
            fields.append(Field("ordinality", NOTHING))
        alias_name, named = _aliased(node.alias, tuple(fields), name, strict=certain)
        return Namespace.of(Item(alias_name, named, certain=certain))

    def _function(self, node: Node, scope: Scope) -> tuple[Flow, Called | None]:
        if isinstance(node, ast.FuncCall):
            return self._expressions.called(node, scope)
        return self._expressions.walk(node, scope), None

    def _answer(
        self, node: Node, called: Called | None, flow: Flow, alias: str, scope: Scope
    ) -> tuple[tuple[Field, ...], bool]:
        """The columns of a function in FROM, and whether they are sure to be just these."""
        value = derive([flow])
        if called is None:
            return (Field(alias, value),), isinstance(node, ast.SQLValueFunction)
        if called.columns is not None:
            return tuple(Field(name, value) for name in called.columns), True
        composite = self.composite(called.type)
        if composite is not None:
            return tuple(Field(column.name, value) for column in composite.columns), True
        if trees.strings(node.funcname)[-1] == "unnest":
            sure = all(self._plain_array(argument, scope) for argument in node.args)
            names = [alias] if len(node.args) == 1 else ["unnest"] * len(node.args)
            return tuple(Field(name, value) for name in names), sure
        sure = called.same_columns and all(map(self._scalar, called.types))
        return (Field(alias, value),), sure

    def _scalar(self, type_: str) -> bool:
        """Whether a declared type is surely no row type."""
        return not type_.startswith("any") and type_ != "record" and self.composite(type_) is None

    def _plain_array(self, node: Node, scope: Scope) -> bool:
        """Whether an argument is surely an array of anything but rows."""
        if isinstance(node, ast.A_ArrayExpr):
            plain = (ast.A_Const, ast.ParamRef)
            return all(isinstance(i, plain) or self._plain_array(i, scope) for i in node.elements or ())
        type_ = self._expressions.walk(node, scope).type
        return type_ is not None and type_.endswith("[]") and self.composite(type_[:-2]) is None

    def composite(self, type_: str | None) -> Relation | None:
        """The relation whose row type a type is."""
        if type_ is None or type_.endswith("[]"):
            return None
        schema, _, name = type_.rpartition(".")
        return self._context.resolve(None, schema or "pg_catalog", name.strip('"'))

    def _xml_table(self, node: Node, scope: Scope) -> Namespace:
        inputs = [self._expressions.walk(node.docexpr, scope), self._expressions.walk(node.rowexpr, scope)]
        inputs += self._expressions.each(node.namespaces, scope)
        columns = []
        for column in node.columns or ():
            self._context.step(column)
            own = [self._expressions.walk(part, scope) for part in (column.colexpr, column.coldefexpr)]
            columns.append(Field(column.colname, derive([*inputs, *own])))
        self._context.filter(derive(inputs).sources)
        return Namespace.of(Item(*_aliased(node.alias, tuple(columns), "xmltable")))

    def _json_table(self, node: Node, scope: Scope) -> Namespace:
        inputs = [self._expressions.walk(node.context_item, scope)]
        inputs += self._expressions.each(node.passing, scope)
        if node.on_error is not None:
            inputs.append(self._expressions.walk(node.on_error, scope))
        columns: list[Field] = []
        waiting = list(_plain_first(node.columns))
        while waiting:
            column = waiting.pop(0)
            self._context.step(column)
            if column.columns:
                waiting[:0] = _plain_first(column.columns)
                continue
            own = [self._expressions.walk(part, scope) for part in (column.on_empty, column.on_error)]
            columns.append(Field(column.name, derive([*inputs, *own])))
        self._context.filter(derive(inputs).sources)
        return Namespace.of(Item(*_aliased(node.alias, tuple(columns), "json_table")))


def _aliased(
    alias: Any, fields: tuple[Field, ...], name: str, *, strict: bool = True
) -> tuple[str, tuple[Field, ...]]:
    """A row source's name and columns after `AS name (columns)`."""
    if alias is None:
        return name, fields
    renamed = trees.strings(alias.colnames)
    if len(renamed) > len(fields):
        if strict:
            raise Opaque(
                f"`{alias.aliasname}` is given more columns than it has", SqlState.INVALID_COLUMN_REFERENCE
            )
        everything = derive(item.flow for item in fields)
        fields = (*fields, *(Field("", everything) for _ in renamed[len(fields) :]))
    named = [Field(new, item.flow) for new, item in zip(renamed, fields, strict=False)]
    return alias.aliasname, (*named, *fields[len(renamed) :])


def _plain_first(columns: Node) -> list[Node]:
    """The columns of one level of JSON_TABLE in the order of its answer: those of nested paths come last."""
    return sorted(columns or (), key=lambda column: bool(column.columns))
