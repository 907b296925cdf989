"""One statement: what it does, what it gives back, and how many rows it can carry off."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import pglast
from pglast.enums import LimitOption

from doorward.facts.postgres import trees
from doorward.facts.postgres.bounds import parse
from doorward.facts.postgres.context import Context
from doorward.facts.postgres.findings import Findings, Flow, Opaque, SqlState, derive
from doorward.facts.postgres.kinds import EFFECTS, HARMLESS_SETTINGS, into_clause, kind_of
from doorward.facts.postgres.model import Column, OutputColumn, relation_name
from doorward.facts.postgres.query import Queries
from doorward.facts.postgres.scope import Field, Item, Namespace, Scope
from doorward.facts.postgres.trees import Node, ast

__all__ = ["Statement", "Walked"]

_QUERIES: Final = (ast.SelectStmt, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)
_TARGETS: Final = ("relation", "view", "sequence", "rel", "table", "base")
_MAX_INDIRECTION: Final = 4
"""PREPARE inside EXPLAIN inside a cursor: how many names may be followed."""


@dataclass(frozen=True, slots=True)
class Walked:
    """A statement understood. `carries`: rows with column values leave; `limit` bounds their number where it
    is known.
    """

    outputs: tuple[OutputColumn, ...] = ()
    carries: bool = False
    limit: int | None = None


class Statement:
    """Walks one statement for one analysis. `depends_on_session` is set where the answer must not be cached."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._queries = Queries(context)
        self._followed = 0
        self.depends_on_session = False

    @property
    def _findings(self) -> Findings:
        return self._context.findings

    def walk(self, node: Node) -> Walked:
        """Everything about a statement. Raises `Opaque`."""
        kind = kind_of(node)
        self._findings.kinds[kind] = None
        if isinstance(node, _QUERIES):
            return self._query(node)
        handler = {
            "explain": self._explain,
            "copy": self._copy,
            "create_table_as": self._create_as,
            "create_materialized_view": self._create_as,
            "create_view": self._create_view,
            "prepare": self._prepare,
            "declare": self._prepare,
            "execute": self._named,
            "fetch": self._named,
            "move": self._named,
            "set": self._set,
            "reset": self._set,
            "show": self._show,
        }.get(kind)
        if handler is not None:
            return handler(node)
        if type(node) not in EFFECTS:
            reason = {
                "do": "`DO` runs code that is not analysed",
                "call": "`CALL` runs code that is not analysed",
            }
            raise Opaque(reason.get(kind, f"the statement `{type(node).__name__}` is not understood"))
        self._plain(node, EFFECTS[type(node)])
        return Walked()

    def _query(self, node: Node) -> Walked:
        into = into_clause(node) if isinstance(node, ast.SelectStmt) else None
        fields = self._queries.rows(node, Scope())
        flows = [item.flow for item in fields]
        if into is not None:
            self._findings.kinds["select"] = None
            self._store(into.rel, flows)
            fields = ()
        elsewhere = bool(self._findings.stored) and isinstance(node, ast.SelectStmt) and into is None
        carries = bool(derive(flows).sources or self._findings.stored)
        return Walked(_outputs(fields), carries, None if elsewhere else self._bound(node))

    def _bound(self, node: Node) -> int | None:
        """The literal LIMIT of a query, `None` where there is none or it bounds nothing."""
        if self._findings.gathers:
            return None
        query = node.selectStmt if isinstance(node, ast.InsertStmt) else node
        if not isinstance(query, ast.SelectStmt):
            return None
        if query.valuesLists and query.limitCount is None:
            return len(query.valuesLists)
        if query.limitOption != LimitOption.LIMIT_OPTION_COUNT:
            return None
        if isinstance(query.limitCount, ast.ParamRef):
            self.depends_on_session = True
            place = (query.limitCount.number or 0) - 1
            given = self._context.settings.parameters
            text = given[place] if 0 <= place < len(given) else None
            return (
                int(text)
                if text is not None and text.isascii() and text.isdigit() and len(text) < 19
                else None
            )
        return trees.integer(query.limitCount)

    def _store(self, target: Node, flows: Iterable[Flow]) -> None:
        """Notes that rows become a relation of their own."""
        self._touch(target)
        self._context.mentions.relations.add((target.schemaname or "", target.relname))
        self._findings.write()
        self._findings.change_schema()
        self._findings.stored |= derive(flows).sources
        self._findings.written.add(self._context.named(target.schemaname, target.relname))

    def _touch(self, node: Node) -> None:
        self._context.touched.update(id(item) for item in trees.descendants(node))

    def _inner(self, node: Node) -> Walked:
        """A statement inside another."""
        if not isinstance(node, (*_QUERIES, ast.CreateTableAsStmt, ast.ExecuteStmt, ast.DeclareCursorStmt)):
            raise Opaque(f"`{type(node).__name__}` is not understood inside another statement")
        return self.walk(node)

    def _explain(self, node: Node) -> Walked:
        analyze = False
        for option in node.options or ():
            if option.defname == "analyze":
                analyze = _is_true(option.arg)
        plan = (OutputColumn("QUERY PLAN"),)
        if analyze:
            walked = self._inner(node.query)
            return Walked(plan, walked.carries and not walked.outputs, walked.limit)
        before = self._findings
        self._context.findings = inner = Findings()
        try:
            self._inner(node.query)
        finally:
            self._context.findings = before
        # The plan is made, nothing runs: whatever would have been written is merely looked at.
        before.read |= inner.read | inner.written
        before.columns |= inner.columns
        before.filtered |= inner.filtered
        before.compared |= inner.compared
        before.matched |= inner.matched
        before.functions |= inner.functions
        before.external |= inner.external
        return Walked(plan)

    def _create_as(self, node: Node) -> Walked:
        walked = self._inner(node.query)
        flows = [Flow(item.direct, item.derived) for item in walked.outputs]
        self._store(node.into.rel, flows)
        return Walked((), walked.carries, walked.limit)

    def _create_view(self, node: Node) -> Walked:
        fields = self._queries.rows(node.query, Scope())
        self._findings.stored |= derive(item.flow for item in fields).sources
        self._findings.change_schema()
        self._touch(node.view)
        self._context.mentions.relations.add((node.view.schemaname or "", node.view.relname))
        self._findings.written.add(self._context.named(node.view.schemaname, node.view.relname))
        return Walked()

    def _prepare(self, node: Node) -> Walked:
        walked = self._inner(node.query)
        self._findings.changes_session = True
        return Walked((), walked.carries, walked.limit)

    def _named(self, node: Node) -> Walked:
        """EXECUTE, FETCH and MOVE: what stands behind a name of the session."""
        self.depends_on_session = True
        settings = self._context.settings
        fetches = isinstance(node, ast.FetchStmt)
        name = node.portalname if fetches else node.name
        text = (settings.cursors if fetches else settings.prepared).get(name)
        if text is None:
            raise Opaque(
                f"what `{name}` stands for is not known",
                SqlState.INVALID_CURSOR_NAME if fetches else SqlState.INVALID_STATEMENT_NAME,
            )
        self._followed += 1
        if self._followed > _MAX_INDIRECTION:
            raise Opaque(f"`{name}` stands for too long a chain of names")
        try:
            statements = parse(text)
        except pglast.Error as error:
            raise Opaque(f"what `{name}` stands for cannot be read") from error
        if len(statements) != 1:
            raise Opaque(f"`{name}` stands for more than one statement")
        inner = statements[0]
        if isinstance(inner, ast.PrepareStmt | ast.DeclareCursorStmt):
            inner = inner.query
        if not fetches:
            for parameter in node.params or ():
                self._queries.expressions.walk(parameter, Scope())
        walked = self.walk(inner)
        self._context.require_understood(inner)
        if not fetches:
            return walked
        if node.ismove:
            return Walked()
        bounded = node.direction.name in ("FETCH_FORWARD", "FETCH_BACKWARD") and 0 < node.howMany < 2**31 - 1
        single = node.direction.name in ("FETCH_ABSOLUTE", "FETCH_RELATIVE")
        limit = 1 if single else node.howMany if bounded else walked.limit
        return Walked(walked.outputs, walked.carries, None if self._findings.gathers else limit)

    def _copy(self, node: Node) -> Walked:
        if node.filename is not None or node.is_program:
            self._findings.external = True
            self._findings.write()
        if node.is_from:
            self._copy_in(node)
            return Walked()
        if node.query is not None:
            walked = self._inner(node.query)
            outputs, limit, carries = walked.outputs, walked.limit, walked.carries
        else:
            outputs, limit, carries = _outputs(self._copied(node)), None, True
        if not self._findings.external:
            return Walked(outputs, carries, limit)
        self._findings.stored |= derive(Flow(item.direct, item.derived) for item in outputs).sources
        return Walked((), carries, limit)

    def _copied(self, node: Node) -> tuple[Field, ...]:
        """The columns that COPY of a whole table sends: generated ones only where they are named."""
        relation = self._queries.sources.relation(node.relation)
        self._context.reading(relation)
        fields = {item.name: item for item in self._queries.sources.fields(relation)}
        names = trees.strings(node.attlist) or [c.name for c in relation.columns if not c.generated]
        missing = [name for name in names if name not in fields]
        if missing:
            raise Opaque(
                f"the column `{relation.name}.{missing[0]}` cannot be resolved", SqlState.UNDEFINED_COLUMN
            )
        chosen = tuple(fields[name] for name in names)
        self._findings.columns |= derive(item.flow for item in chosen).sources
        return chosen

    def _copy_in(self, node: Node) -> None:
        relation = self._queries.sources.relation(node.relation)
        if relation.rules:
            raise Opaque(f"the rules on `{relation.name}` may turn the statement into another")
        self._context.writing(relation)
        fields = self._queries.sources.fields(relation)
        names = trees.strings(node.attlist) or [c.name for c in relation.columns if not c.generated]
        table = relation_name(relation.schema, relation.name)
        self._findings.assigned |= {f"{table}.{name}" for name in names}
        names_in_force = Namespace.of(Item(relation.name, fields, relation.schema, relation))
        self._queries.expressions.condition(node.whereClause, Scope(names_in_force))

    def _set(self, node: Node) -> Walked:
        findings, name = self._findings, (node.name or "").lower()
        findings.changes_session = True
        self._touch(node)
        if name in ("role", "session_authorization"):
            findings.changes_roles, findings.read_only = True, False
        elif name and name not in HARMLESS_SETTINGS and name != "session characteristics":
            findings.read_only = False
        values = [
            str(getattr(arg.val, "sval", "")).lower()
            for arg in node.args or ()
            if isinstance(arg, ast.A_Const)
        ]
        if name == "standard_conforming_strings" and values not in (["on"], ["true"], [""]):
            raise Opaque("`standard_conforming_strings` would change how statements are read")
        if name == "client_encoding" and values and values[0].replace("-", "") not in ("utf8", "unicode", ""):
            raise Opaque("`client_encoding` other than UTF8 would change how statements are read")
        return Walked()

    def _show(self, node: Node) -> Walked:
        if node.name.lower() == "all":
            return Walked((OutputColumn("name"), OutputColumn("setting"), OutputColumn("description")))
        return Walked((OutputColumn(node.name),))

    def _plain(self, node: Node, effects: str) -> None:
        """A statement without a query: its effects, and the relations that it names."""
        findings = self._findings
        if "s" in effects:
            findings.change_schema()
        if "r" in effects:
            findings.changes_roles, findings.read_only = True, False
        if "w" in effects:
            findings.write()
        findings.changes_session |= "c" in effects
        findings.external |= "x" in effects
        if "n" in effects or "x" in effects:
            findings.read_only = False
        self._touch(node)
        self._named_relations(node, writes=bool(set(effects) & set("sw")))
        if isinstance(node, ast.AlterTableStmt):
            owner = ("AT_ChangeOwner", "AT_DisableRowSecurity", "AT_NoForceRowSecurity")
            findings.changes_roles |= any(command.subtype.name in owner for command in node.cmds or ())
        if isinstance(node, ast.DropStmt):
            self._dropped(node)
        if isinstance(node, ast.RenameStmt | ast.AlterObjectSchemaStmt | ast.AlterTableStmt | ast.RuleStmt):
            findings.stored |= self._moved(node)

    def _named_relations(self, node: Node, *, writes: bool) -> None:
        own = {
            id(getattr(node, name))
            for name in _TARGETS
            if isinstance(getattr(node, name, None), ast.RangeVar)
        }
        if isinstance(node, ast.CreateForeignTableStmt):
            own = {id(node.base.relation)}
        for item in trees.descendants(node):
            if isinstance(item, ast.RangeVar):
                name = self._context.named(item.schemaname, item.relname)
                written = writes and (id(item) in own or isinstance(node, ast.TruncateStmt))
                (self._findings.written if written else self._findings.read).add(name)

    def _dropped(self, node: Node) -> None:
        kind = node.removeType.name
        relations = ("TABLE", "VIEW", "MATVIEW", "SEQUENCE", "FOREIGN_TABLE", "INDEX")
        on_table = ("TRIGGER", "POLICY", "RULE")
        for item in node.objects or ():
            names = trees.strings(item) if type(item) is tuple else ()
            if kind.removeprefix("OBJECT_") in on_table:
                names = names[:-1]
            elif kind == "OBJECT_SCHEMA" and isinstance(item, ast.String):
                self._findings.written |= self._context.catalogue.relations_of(item.sval)
                continue
            elif kind.removeprefix("OBJECT_") not in relations:
                continue
            if names:
                self._findings.written.add(
                    self._context.named(names[-2] if len(names) > 1 else None, names[-1])
                )

    def _moved(self, node: Node) -> set[Column]:
        """Columns that come to stand under another name, or flow into another column."""
        target = node.relation
        relation = None
        if isinstance(target, ast.RangeVar):
            relation = self._context.resolve(target.catalogname, target.schemaname, target.relname)
        if relation is None:
            if isinstance(node, ast.RenameStmt) and node.renameType.name == "OBJECT_SCHEMA":
                return {c for c in self._context.catalogue.user_columns if c.schema == node.subname}
            return set()
        columns = {c.name: c for c in self._context.catalogue.columns(relation)}
        if isinstance(node, ast.RenameStmt) and node.renameType.name == "OBJECT_COLUMN":
            return {columns[node.subname]} if node.subname in columns else set()
        if isinstance(node, ast.RenameStmt | ast.AlterObjectSchemaStmt):
            return set(columns.values())
        mentioned = (
            trees.strings(i.fields)[-1:] for i in trees.descendants(node) if isinstance(i, ast.ColumnRef)
        )
        return {columns[name] for names in mentioned for name in names if name in columns}


def _outputs(fields: tuple[Field, ...]) -> tuple[OutputColumn, ...]:
    return tuple(OutputColumn(item.name, item.flow.direct, item.flow.derived) for item in fields)


def _is_true(value: Any) -> bool:
    """An option of EXPLAIN: true unless it says otherwise."""
    if value is None:
        return True
    if isinstance(value, ast.Integer):
        return bool(value.ival)
    return str(getattr(value, "sval", getattr(value, "boolval", True))).lower() not in ("false", "off", "0")
