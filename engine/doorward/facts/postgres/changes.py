"""INSERT, UPDATE, DELETE and MERGE, on their own or inside WITH: what is written, from where, and what
RETURNING shows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

from pglast.enums import CmdType, MergeMatchKind

from doorward.facts.postgres.catalogue import Relation
from doorward.facts.postgres.context import Context
from doorward.facts.postgres.expressions import Expressions
from doorward.facts.postgres.findings import NOTHING, Flow, Opaque, SqlState, derive, merge
from doorward.facts.postgres.model import Column
from doorward.facts.postgres.scope import Field, Item, Namespace, Scope
from doorward.facts.postgres.sources import Sources
from doorward.facts.postgres.trees import Node, ast

__all__ = ["Changes", "SelectQueries"]


class SelectQueries(Protocol):
    """The part of the walk that changes need for the queries inside them."""

    def rows(self, node: Node, scope: Scope) -> tuple[Field, ...]:
        """The columns of a query that stands inside `scope`."""

    def with_clause(self, clause: Node, scope: Scope) -> Scope:
        """The surroundings of a statement after its WITH clause."""

    def targets(self, nodes: Node, scope: Scope) -> tuple[Field, ...]:
        """The columns of a target list."""


class _Target:
    """The relation that a statement changes, and what flows into each of its columns."""

    def __init__(
        self,
        relation: Relation,
        name: str,
        fields: tuple[Field, ...],
        *,
        aliased: bool,
        triggered: frozenset[Column],
    ) -> None:
        self.relation = relation
        self.name = name
        self.fields = {item.name: item.flow for item in fields}
        self.assigned: dict[str, list[Flow]] = {}
        self._triggered = triggered
        self._schema = None if aliased else relation.schema

    def item(self, name: str | None = None) -> Item:
        """The target as a row source, as it stands before or after the change."""
        fields = tuple(
            Field(column, merge([flow, *self.assigned.get(column, ())]))
            for column, flow in self.fields.items()
        )
        if name is not None:
            return Item(name, fields)
        return Item(self.name, fields, self._schema, self.relation)

    def returned(self, name: str | None = None) -> Item:
        """The target as RETURNING sees it: where triggers may change the row before it is stored, each of its columns may have
        been computed from any other. What a trigger fetches from other relations is its author's to answer for.
        """
        item = self.item(name)
        if not self._triggered:
            return item
        row = item.whole().sources | self._triggered
        fields = tuple(Field(column.name, column.flow.depending_on(row)) for column in item.fields)
        return replace(item, fields=fields)

    def proposed(self) -> Item:
        """The row that INSERT would have added, as ON CONFLICT sees it."""
        fields = tuple(Field(column, merge(self.assigned.get(column) or [NOTHING])) for column in self.fields)
        return Item("excluded", fields, None, self.relation)


class Changes:
    """Walks data-modifying statements for one analysis."""

    def __init__(
        self, context: Context, expressions: Expressions, sources: Sources, queries: SelectQueries
    ) -> None:
        self._context = context
        self._expressions = expressions
        self._sources = sources
        self._queries = queries

    def statement(self, node: Node, scope: Scope) -> tuple[Field, ...]:
        """The columns that RETURNING gives, none without it."""
        kinds = self._context.findings.kinds
        inside = self._queries.with_clause(getattr(node, "withClause", None), scope)
        if isinstance(node, ast.InsertStmt):
            kinds["insert"] = None
            return self._insert(node, inside)
        if isinstance(node, ast.UpdateStmt):
            kinds["update"] = None
            return self._update(node, inside)
        if isinstance(node, ast.DeleteStmt):
            kinds["delete"] = None
            return self._delete(node, inside)
        if isinstance(node, ast.MergeStmt):
            kinds["merge"] = None
            return self._merge(node, inside)
        raise Opaque(f"`{type(node).__name__}` is not understood inside a query")

    def _target(self, node: Node) -> _Target:
        relation = self._sources.relation(node)
        if relation.rules:
            raise Opaque(f"the rules on `{relation.name}` may turn the statement into another")
        if relation.kind == "v" and relation.definition is not None:
            # Whatever stands behind the view may be what changes.
            before = set(self._context.findings.read)
            self._context.findings.read.clear()
            fields = self._sources.fields(relation)
            self._context.findings.written |= self._context.findings.read
            self._context.findings.read |= before
        else:
            fields = self._sources.fields(relation, inherited=bool(node.inh))
        self._context.writing(relation)
        name = node.alias.aliasname if node.alias is not None else node.relname
        triggered = self._triggered(relation, fields)
        return _Target(relation, name, fields, aliased=node.alias is not None, triggered=triggered)

    def _triggered(self, relation: Relation, fields: tuple[Field, ...]) -> frozenset[Column]:
        """The columns of those relations behind a target (partitions, what a view shows) whose rows a trigger may change."""
        catalogue = self._context.catalogue
        paths = {(column.schema, column.table) for item in fields for column in item.flow.sources}
        behind = [catalogue.relation(*path) for path in paths | {(relation.schema, relation.name)}]
        return frozenset(
            column
            for item in behind
            if item is not None and item.triggers
            for column in catalogue.columns(item)
        )

    def _assign(self, target: _Target, name: str, flow: Flow) -> None:
        """Notes that a value is written to a column; one that came from another column is now stored twice."""
        if name not in target.fields:
            raise Opaque(
                f"the column `{target.relation.name}.{name}` cannot be resolved", SqlState.UNDEFINED_COLUMN
            )
        own = target.fields[name].sources
        findings = self._context.findings
        findings.assigned |= {str(column) for column in own}
        findings.stored |= flow.sources - own
        target.assigned.setdefault(name, []).append(flow)

    def _assignments(self, target: _Target, nodes: Node, scope: Scope) -> None:
        for node in nodes or ():
            self._context.step(node)
            self._expressions.each([i for i in node.indirection or () if isinstance(i, ast.A_Indices)], scope)
            self._assign(target, node.name, self._expressions.walk(node.val, scope))

    def _inserted(self, target: _Target, columns: Any, flows: list[Flow]) -> None:
        names = [column.name for column in columns or ()] or list(target.fields)
        if len(flows) > len(names):
            raise Opaque("INSERT has more expressions than target columns", SqlState.SYNTAX_ERROR)
        for name, flow in zip(names, flows, strict=False):
            self._assign(target, name, flow)

    def _insert(self, node: Node, scope: Scope) -> tuple[Field, ...]:
        target = self._target(node.relation)
        for column in node.cols or ():
            self._context.step(column)
            self._expressions.each(
                [i for i in column.indirection or () if isinstance(i, ast.A_Indices)], scope
            )
        if node.selectStmt is not None:
            fields = self._queries.rows(node.selectStmt, scope)
            self._inserted(target, node.cols, [item.flow for item in fields])
        conflict = node.onConflictClause
        if conflict is not None:
            self._context.step(conflict)
            inside = Scope(
                Namespace.of(target.item()).beside(Namespace.of(target.proposed()).only()), scope, scope.ctes
            )
            self._conflict(conflict, target, inside)
        return self._returning(node.returningClause, target, Namespace(), scope)

    def _conflict(self, node: Node, target: _Target, scope: Scope) -> None:
        if node.infer is not None:
            self._context.step(node.infer)
            for element in node.infer.indexElems or ():
                self._context.step(element)
                self._expressions.walk(element.expr, scope)
            self._expressions.condition(node.infer.whereClause, scope)
        self._expressions.condition(node.whereClause, scope)
        self._assignments(target, node.targetList, scope)

    def _update(self, node: Node, scope: Scope) -> tuple[Field, ...]:
        target = self._target(node.relation)
        others = self._sources.clause(node.fromClause, scope)
        inside = Scope(Namespace.of(target.item()).beside(others), scope, scope.ctes)
        self._assignments(target, node.targetList, inside)
        self._expressions.condition(node.whereClause, inside)
        return self._returning(node.returningClause, target, others, scope)

    def _delete(self, node: Node, scope: Scope) -> tuple[Field, ...]:
        target = self._target(node.relation)
        others = self._sources.clause(node.usingClause, scope)
        inside = Scope(Namespace.of(target.item()).beside(others), scope, scope.ctes)
        self._expressions.condition(node.whereClause, inside)
        return self._returning(node.returningClause, target, others, scope)

    def _merge(self, node: Node, scope: Scope) -> tuple[Field, ...]:
        target = self._target(node.relation)
        source = self._sources.element(node.sourceRelation, scope, Namespace())
        both = Scope(Namespace.of(target.item()).beside(source), scope, scope.ctes)
        self._expressions.condition(node.joinCondition, both)
        for clause in node.mergeWhenClauses or ():
            self._context.step(clause)
            if clause.matchKind == MergeMatchKind.MERGE_WHEN_NOT_MATCHED_BY_TARGET:
                inside = Scope(source, scope, scope.ctes)
            elif clause.matchKind == MergeMatchKind.MERGE_WHEN_NOT_MATCHED_BY_SOURCE:
                inside = Scope(Namespace.of(target.item()), scope, scope.ctes)
            else:
                inside = both
            self._expressions.condition(clause.condition, inside)
            if clause.commandType == CmdType.CMD_INSERT:
                for column in clause.targetList or ():
                    self._context.step(column)
                self._inserted(target, clause.targetList, self._expressions.each(clause.values, inside))
            else:
                self._assignments(target, clause.targetList, inside)
        return self._returning(node.returningClause, target, source, scope, source_first=True)

    def _returning(
        self, clause: Node, target: _Target, others: Namespace, scope: Scope, *, source_first: bool = False
    ) -> tuple[Field, ...]:
        if clause is None:
            return ()
        self._context.step(clause)
        own = Namespace.of(target.returned())
        names = others.beside(own) if source_first else own.beside(others)
        versions = {"old": "old", "new": "new"}
        for option in clause.options or ():
            self._context.step(option)
            versions[option.option.name.removeprefix("RETURNING_OPTION_").lower()] = option.value
        taken = {item.name for item in names.items}
        for name in versions.values():
            if name not in taken:
                names = names.beside(Namespace.of(target.returned(name)).only())
        fields = self._queries.targets(clause.exprs, Scope(names, scope, scope.ctes))
        # Rows come back from the relation that was changed: it was read, too.
        if derive(item.flow for item in fields).sources:
            self._context.reading(target.relation)
        return fields
