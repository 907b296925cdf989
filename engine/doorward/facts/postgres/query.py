"""Queries: SELECT, set operations, VALUES, common table expressions, and what views and SQL functions hold."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

import pglast
from pglast.enums import SetOperation

from doorward.facts.postgres import trees
from doorward.facts.postgres.bounds import parse
from doorward.facts.postgres.catalogue import Function, Relation, RelationColumn
from doorward.facts.postgres.changes import Changes
from doorward.facts.postgres.context import Context
from doorward.facts.postgres.expressions import Expressions
from doorward.facts.postgres.findings import (
    ANYTHING,
    NOTHING,
    Findings,
    Flow,
    Opaque,
    SqlState,
    derive,
    merge,
)
from doorward.facts.postgres.functions import MAX_NESTING
from doorward.facts.postgres.kinds import into_clause
from doorward.facts.postgres.scope import Cte, Ctes, Field, Item, Namespace, Scope
from doorward.facts.postgres.sources import Sources
from doorward.facts.postgres.trees import Node, ast

__all__ = ["Queries"]

_MAX_OUTPUTS: Final = 1664
"""Columns that the server allows in a target list; without a bound, `SELECT *, *` of itself could fill the memory."""

_MAX_ROUNDS: Final = 64
"""How often a recursive query is walked until nothing new flows."""


class Queries:
    """Walks queries for one analysis; `context.findings` holds what is found."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.expressions = Expressions(context, self)
        self.sources = Sources(context, self.expressions, self)
        self._changes = Changes(context, self.expressions, self.sources, self)

    def rows(self, node: Node, scope: Scope) -> tuple[Field, ...]:
        """The columns that a query or a statement with RETURNING gives, inside `scope`."""
        self._context.step(node)
        if isinstance(node, ast.SelectStmt):
            return self._select(node, scope)
        return self._changes.statement(node, scope)

    def with_clause(self, clause: Node, scope: Scope) -> Scope:
        """The surroundings of a statement after its WITH clause."""
        if clause is None:
            return scope
        ctes = Ctes(scope.ctes)
        inside = Scope(scope.names, scope.outer, ctes, scope.windows)
        for place, node in enumerate(clause.ctes):
            self._context.step(node)
            if node.ctename in ctes.here:
                raise Opaque(f"the name `{node.ctename}` stands twice in WITH", SqlState.DUPLICATE_ALIAS)
            if clause.recursive:
                ctes.here[node.ctename] = Cte(node, inside, recursive=True, place=place)
            else:
                earlier = Ctes(scope.ctes, ctes.here, before=place)
                within = Scope(scope.names, scope.outer, earlier, scope.windows)
                cte = ctes.here[node.ctename] = Cte(node, within, recursive=False, place=place)
                self.cte(cte)
        if clause.recursive:
            for cte in ctes.here.values():
                self.cte(cte)
        return inside

    def cte(self, cte: Cte) -> tuple[Field, ...]:
        """The columns of a common table expression, worked out when first asked for."""
        if cte.running:
            cte.referred_to_itself = True
            if cte.fields is None:
                raise Opaque(f"`{cte.node.ctename}` refers to itself in a way that is not understood")
            return cte.fields
        if cte.fields is None:
            cte.running = True
            try:
                fields = self._recursive(cte) if cte.recursive else self.rows(cte.node.ctequery, cte.scope)
                cte.fields = self._searched(cte, self._renamed(cte.node, fields))
            finally:
                cte.running = False
        return cte.fields

    @staticmethod
    def _renamed(node: Node, fields: tuple[Field, ...]) -> tuple[Field, ...]:
        names = trees.strings(node.aliascolnames)
        if len(names) > len(fields):
            raise Opaque(
                f"`{node.ctename}` is given more columns than it has", SqlState.INVALID_COLUMN_REFERENCE
            )
        renamed = [Field(name, item.flow) for name, item in zip(names, fields, strict=False)]
        return (*renamed, *fields[len(names) :])

    def _recursive(self, cte: Cte) -> tuple[Field, ...]:
        """Walks a query that may refer to itself until its flows no longer grow."""
        query = cte.node.ctequery
        if isinstance(query, ast.SelectStmt) and query.op == SetOperation.SETOP_UNION:
            scope = self.with_clause(query.withClause, cte.scope)
            cte.fields = self._renamed(cte.node, self.rows(query.larg, scope))
        for _ in range(_MAX_ROUNDS):
            fields = self.rows(query, cte.scope)
            known, cte.fields = cte.fields, self._renamed(cte.node, fields)
            if not cte.referred_to_itself or known == cte.fields:
                return fields
        raise Opaque(f"`{cte.node.ctename}` is too complex")

    def _searched(self, cte: Cte, fields: tuple[Field, ...]) -> tuple[Field, ...]:
        """The columns that SEARCH and CYCLE add."""
        flows = {item.name: item.flow for item in fields}
        search, cycle = cte.node.search_clause, cte.node.cycle_clause
        if search is not None:
            by = derive(flows.get(name, NOTHING) for name in trees.strings(search.search_col_list))
            fields = (*fields, Field(search.search_seq_column, by))
        if cycle is not None:
            by = derive(flows.get(name, NOTHING) for name in trees.strings(cycle.cycle_col_list))
            for value in (cycle.cycle_mark_value, cycle.cycle_mark_default):
                self.expressions.walk(value, Scope())
            fields = (*fields, Field(cycle.cycle_mark_column, by), Field(cycle.cycle_path_column, by))
        return fields

    def _select(self, node: Node, scope: Scope) -> tuple[Field, ...]:
        scope = self.with_clause(node.withClause, scope)
        if node.op != SetOperation.SETOP_NONE:
            fields = self._set_operation(node, scope)
        elif node.valuesLists:
            fields = self._values(node, scope)
            self._ordered(node.sortClause, fields, Scope(Namespace((), fields), scope, scope.ctes))
        else:
            fields = self._plain(node, scope)
        for bound in (node.limitCount, node.limitOffset):
            self.expressions.condition(bound, Scope(Namespace(), scope, scope.ctes))
        if node.lockingClause:
            self._context.findings.read_only = False
            for locking in node.lockingClause:
                for relation in locking.lockedRels or ():
                    self._context.step(relation)
        return fields

    def _set_operation(self, node: Node, scope: Scope) -> tuple[Field, ...]:
        # A chain of unions leans to the left and may be long: walked by a loop, not by recursion.
        right, distinct, last = [node.rarg], not node.all, node.larg
        while last.op != SetOperation.SETOP_NONE and not (
            last.withClause or last.sortClause or last.limitCount or last.limitOffset or last.lockingClause
        ):
            self._context.step(last)
            right.append(last.rarg)
            distinct = distinct or not last.all
            last = last.larg
        arms = [self.rows(arm, scope) for arm in (last, *reversed(right))]
        if len({len(arm) for arm in arms}) != 1:
            raise Opaque(
                "the sides of a set operation have different numbers of columns", SqlState.SYNTAX_ERROR
            )
        columns = [merge(item.flow for item in column) for column in zip(*arms, strict=True)]
        fields = tuple(Field(item.name, flow) for item, flow in zip(arms[0], columns, strict=True))
        if distinct:
            self._context.filter(derive(columns).sources)
        self._ordered(node.sortClause, fields, Scope(Namespace((), fields), scope, scope.ctes))
        return fields

    def _values(self, node: Node, scope: Scope) -> tuple[Field, ...]:
        inside = Scope(Namespace(), scope, scope.ctes)
        rows = [self.expressions.each(row, inside) for row in node.valuesLists]
        if len({len(row) for row in rows}) != 1:
            raise Opaque("the rows of VALUES have different lengths", SqlState.SYNTAX_ERROR)
        columns = zip(*rows, strict=True)
        return tuple(Field(f"column{place}", merge(column)) for place, column in enumerate(columns, 1))

    def _plain(self, node: Node, scope: Scope) -> tuple[Field, ...]:
        inside = Scope(self.sources.clause(node.fromClause, scope), scope, scope.ctes)
        self.expressions.condition(node.whereClause, inside)
        for window in node.windowClause or ():
            inside.windows[window.name] = self.expressions.window(window, inside)
        fields = self.targets(node.targetList, inside)
        for group in node.groupClause or ():
            self._grouped(group, fields, inside)
        self.expressions.condition(node.havingClause, inside)
        self._ordered(node.sortClause, fields, inside)
        for distinct in node.distinctClause or ():
            if distinct is None:
                self._context.filter(derive(item.flow for item in fields).sources)
            else:
                self._order_by(distinct, fields, inside)
        return fields

    def targets(self, nodes: Node, scope: Scope) -> tuple[Field, ...]:
        """The columns of a target list or a RETURNING clause."""
        fields: list[Field] = []
        for node in nodes or ():
            self._context.step(node)
            expanded = self._star(node.val, scope)
            if expanded is None:
                flow = self.expressions.walk(node.val, scope)
                fields.append(Field(node.name or trees.output_name(node.val), flow))
            else:
                fields += expanded
                self._context.findings.columns |= derive(item.flow for item in expanded).sources
            if len(fields) > _MAX_OUTPUTS:
                raise Opaque(f"there are more than {_MAX_OUTPUTS} output columns")
        return tuple(fields)

    def _star(self, node: Node, scope: Scope) -> tuple[Field, ...] | None:
        """The columns that `*`, `t.*` or `(row).*` stands for; `None` where `node` is no such thing."""
        if isinstance(node, ast.A_Indirection) and trees.ends_in_star(node.indirection):
            self._context.step(node)
            return self._row_star(node, scope)
        if not isinstance(node, ast.ColumnRef) or not trees.ends_in_star(node.fields):
            return None
        self._context.step(node)
        path = trees.strings(node.fields)
        if not path:
            if not scope.names.certain:
                raise Opaque("the columns of `*` cannot be told")
            return scope.names.fields
        item = scope.item(path[-1], path[-2] if len(path) > 1 else None)
        if item is None:
            raise Opaque(f"the name `{'.'.join(path)}` cannot be resolved", SqlState.UNDEFINED_TABLE)
        return self._whole(item)

    @staticmethod
    def _whole(item: Item) -> tuple[Field, ...]:
        if not item.certain:
            raise Opaque(f"the columns of `{item.name}` cannot be told")
        return item.fields

    def _row_star(self, node: Node, scope: Scope) -> tuple[Field, ...]:
        argument = node.arg
        if len(node.indirection) == 1 and isinstance(argument, ast.ColumnRef):
            path = trees.strings(argument.fields)
            item = scope.row(path[0]) if len(path) == 1 else None
            if item is not None:
                self._context.step(argument)
                return self._whole(item)
        flow = self.expressions.walk(argument, scope)
        composite = self.sources.composite(flow.type) if len(node.indirection) == 1 else None
        if composite is None:
            raise Opaque("the columns of a row value cannot be told")
        return tuple(Field(column.name, derive([flow])) for column in composite.columns)

    def _grouped(self, node: Node, fields: tuple[Field, ...], scope: Scope) -> None:
        if isinstance(node, ast.GroupingSet):
            self._context.step(node)
            for item in node.content or ():
                self._grouped(item, fields, scope)
        elif type(node) is tuple:
            for item in node:
                self._grouped(item, fields, scope)
        elif isinstance(node, ast.RowExpr):
            self._context.step(node)
            for item in node.args or ():
                self._grouped(item, fields, scope)
        else:
            name = _bare(node)
            if name is not None and scope.has_column(name):
                self.expressions.condition(node, scope)
            else:
                self._order_by(node, fields, scope)

    def _ordered(self, nodes: Node, fields: tuple[Field, ...], scope: Scope) -> None:
        for node in nodes or ():
            self._context.step(node)
            self._order_by(node.node, fields, scope)

    def _order_by(self, node: Node, fields: tuple[Field, ...], scope: Scope) -> None:
        """What ORDER BY, GROUP BY or DISTINCT ON names: an output by name or place, else an expression."""
        name, place = _bare(node), trees.integer(node)
        chosen = [item for item in fields if name is not None and item.name == name]
        if place is not None:
            chosen = list(fields[place - 1 : place]) if place > 0 else []
            if not chosen:
                raise Opaque(f"there is no output column {place}", SqlState.INVALID_COLUMN_REFERENCE)
        if chosen:
            self._context.step(node)
            self._context.filter(derive(item.flow for item in chosen).sources)
        else:
            self.expressions.condition(node, scope)

    def view(self, relation: Relation) -> tuple[Flow, ...]:
        """Where the columns of a view come from; what it reads and calls counts as read and called here."""
        flows, findings = self._expanded(relation, relation.definition or "")
        self._context.findings.include(findings)
        return tuple(flows)

    def generated(self, relation: Relation, column: RelationColumn) -> Flow:
        """What a generated column is computed from; anything, where its expression is not understood."""
        context = self._context
        key: Hashable = (relation.oid, column.attnum)
        known: Flow | None = context.catalogue.expansion(key)
        if known is None:
            inner = Context(context.catalogue, context.settings, view=True)
            fields = tuple(
                Field(item.name, Flow(frozenset({item}))) for item in context.catalogue.columns(relation)
            )
            scope = Scope(Namespace.of(Item(relation.name, fields, relation.schema, relation)))
            try:
                (select,) = parse(f"SELECT {column.generated}")
                known = derive([Queries(inner).targets(select.targetList, scope)[0].flow])
            except (Opaque, pglast.Error):
                known = Flow(derived=frozenset({ANYTHING}))
            context.catalogue.keep_expansion(key, known)
        return known

    def body(self, function: Function) -> Flow:
        """Everything that an SQL function reads; what it does counts as done here."""
        flows, findings = self._expanded(function, function.body or "")
        self._context.findings.include(findings)
        return derive([*flows, Flow(derived=frozenset(findings.columns))])

    def _expanded(self, of: Relation | Function, text: str) -> tuple[list[Flow], Findings]:
        """The flows and findings of a view or function, worked out once for each catalogue and search path."""
        context = self._context
        key: Hashable = of.oid if isinstance(of, Relation) else (of, context.relation_path)
        known: tuple[list[Flow], Findings] | None = context.catalogue.expansion(key)
        if known is not None:
            return known
        if context.nesting >= MAX_NESTING:
            raise Opaque(f"`{of.name}` stands too deep inside views and functions")
        inner = Context(context.catalogue, context.settings, view=isinstance(of, Relation))
        inner.nesting, inner.steps_left = context.nesting + 1, context.steps_left
        inner.in_function = isinstance(of, Function)
        flows: list[Flow] = []
        try:
            statements = parse(text)
        except pglast.Error as error:
            raise Opaque(f"the definition of `{of.name}` cannot be read") from error
        for node in statements:
            if not isinstance(node, ast.SelectStmt) or into_clause(node) is not None:
                raise Opaque(f"`{of.name}` does more than reading")
            flows = [item.flow for item in Queries(inner).rows(node, Scope())]
            inner.require_understood(node)
        context.steps_left = inner.steps_left
        if isinstance(of, Relation):
            # The questions that a view asks are its author's; a caller cannot change them, as the arguments of a function.
            findings = inner.findings
            findings.matched |= findings.filtered | findings.compared
            findings.filtered, findings.compared = set(), set()
        context.catalogue.keep_expansion(key, (flows, inner.findings))
        return flows, inner.findings


def _bare(node: Node) -> str | None:
    """The name of a reference that is just one name."""
    if isinstance(node, ast.ColumnRef) and len(node.fields) == 1 and isinstance(node.fields[0], ast.String):
        return str(node.fields[0].sval)
    return None
