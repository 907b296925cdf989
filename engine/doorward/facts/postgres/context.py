"""What every part of the walk over a statement shares: the catalogue, the session, the findings, the bounds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from doorward.facts.postgres import trees
from doorward.facts.postgres.catalogue import Catalogue, Relation
from doorward.facts.postgres.findings import Findings, Opaque, SqlState
from doorward.facts.postgres.model import Column, Settings, relation_name
from doorward.facts.postgres.trees import Node, ast

__all__ = ["MAX_STEPS", "Context", "Mentions"]

MAX_STEPS: Final = 20_000
"""Nodes that the analysis of one statement may visit beyond one for each character, repetitions counted."""

_MUST_BE_UNDERSTOOD: Final = (
    ast.ColumnRef,
    ast.FuncCall,
    ast.RangeVar,
    ast.RangeFunction,
    ast.RangeSubselect,
    ast.SelectStmt,
    ast.SubLink,
    ast.ResTarget,
    ast.A_Expr,
    ast.A_Indirection,
    ast.InsertStmt,
    ast.UpdateStmt,
    ast.DeleteStmt,
    ast.MergeStmt,
)


class Mentions:
    """Names as the statement itself spells them, where the walk has found what they mean: relations as (schema or "", name),
    functions and columns by their last part. What stands behind views and functions is not among them.
    """

    __slots__ = ("columns", "functions", "relations")

    def __init__(self) -> None:
        self.relations: set[tuple[str, str]] = set()
        self.functions: set[str] = set()
        self.columns: set[str] = set()


class Context:
    """The state of one analysis. `touched` holds the identities of the nodes that the walk has understood."""

    def __init__(
        self, catalogue: Catalogue, settings: Settings, *, length: int = 0, view: bool = False
    ) -> None:
        self.catalogue = catalogue
        self.settings = settings
        self.findings = Findings()
        self.mentions = Mentions()
        self.touched: set[int] = set()
        self.steps_left = MAX_STEPS + length
        self.in_function = False
        self.nesting = 0
        # The names in a view's definition were written down with nothing but `pg_catalog` to search.
        self.relation_path = ("pg_catalog",) if view else self._path(temporary=True)
        self.function_path = ("pg_catalog",) if view else self._path(temporary=False)

    def _path(self, *, temporary: bool) -> tuple[str, ...]:
        """Schemas in order of search; the temporary one holds relations and types, never functions."""
        user = self.settings.user
        named = [user if schema == "$user" else schema for schema in self.settings.search_path]
        path = named if "pg_catalog" in named else ["pg_catalog", *named]
        if not temporary:
            return tuple(schema for schema in path if schema != "pg_temp")
        return tuple(path if "pg_temp" in path else ["pg_temp", *path])

    def step(self, node: Node) -> None:
        """Counts a node as visited and understood. Raises `Opaque` when the budget is used up."""
        self.steps_left -= 1
        if self.steps_left < 0:
            raise Opaque("the statement is too complex")
        self.touched.add(id(node))
        if type(node) is ast.ColumnRef and not trees.ends_in_star(node.fields):
            self.mentions.columns.add(trees.strings(node.fields)[-1])

    def require_understood(self, node: Node) -> None:
        """Raises `Opaque` where the walk has passed over a part of a statement that could have mattered."""
        if isinstance(node, ast.ExecuteStmt | ast.FetchStmt):
            return  # what stands behind the name has been looked at on its own
        for item in trees.descendants(node):
            if isinstance(item, _MUST_BE_UNDERSTOOD) and id(item) not in self.touched:
                raise Opaque(f"a part of the statement is not understood: `{type(item).__name__}`")

    def resolve(self, catalog: str | None, schema: str | None, name: str) -> Relation | None:
        """The relation that a name means, or `None`."""
        if catalog is not None and catalog != self.catalogue.database:
            raise Opaque(
                f"the name `{catalog}.{schema}.{name}` is of another database", SqlState.FEATURE_NOT_SUPPORTED
            )
        if schema is not None:
            return self.catalogue.relation(schema, name)
        for candidate in self.relation_path:
            relation = self.catalogue.relation(candidate, name)
            if relation is not None:
                return relation
        return None

    def named(self, schema: str | None, name: str) -> str:
        """What facts call a relation that is named in a statement, known or not."""
        relation = self.resolve(None, schema, name)
        if relation is not None:
            return relation_name(relation.schema, relation.name)
        known = self.catalogue.schemas | {"public"}
        visible = (s for s in self.relation_path if s in known and s not in ("pg_temp", "pg_catalog"))
        return relation_name(schema or next(visible, "public"), name)

    def reading(self, relation: Relation) -> None:
        """Notes that rows of a relation are read: whoever reads a partition reads its parent's rows."""
        for item in (relation, *self.catalogue.ancestors(relation)):
            self.findings.read.add(relation_name(item.schema, item.name))
        self._reaching(relation)

    def writing(self, relation: Relation) -> None:
        """Notes that rows of a relation change."""
        self.findings.write()
        for item in (relation, *self.catalogue.ancestors(relation)):
            self.findings.written.add(relation_name(item.schema, item.name))
        self._reaching(relation)

    def _reaching(self, relation: Relation) -> None:
        """Notes that the rows of a foreign table, or of one among the partitions, are on another server."""
        family = (relation, *self.catalogue.descendants(relation))
        self.findings.external |= any(item.kind == "f" for item in family)

    def filter(self, sources: frozenset[Column]) -> None:
        """Notes columns that decide which rows come."""
        self.findings.filtered |= sources

    def match(self, sources: frozenset[Column]) -> None:
        """Notes columns that decide which rows come by being equal to stored values, and in no other way."""
        self.findings.matched |= sources

    def compare(self, sources: frozenset[Column]) -> None:
        """Notes columns that a value depends on by way of a comparison."""
        self.findings.compared |= sources

    @contextmanager
    def filters_apart(self) -> Iterator[set[Column]]:
        """Gathers what a sub-query inside an expression is filtered by: its value depends on that, the rows outside do
        not. The set is complete when the block is left.
        """
        findings, inside = self.findings, set[Column]()
        filtered, matched = findings.filtered, findings.matched
        findings.filtered, findings.matched = set(), set()
        try:
            yield inside
        finally:
            inside |= findings.filtered | findings.matched
            findings.compared |= findings.filtered
            matched |= findings.matched
            findings.filtered, findings.matched = filtered, matched
