"""A schema written as SQL, for tests: `create table customers (id int, ssn text)` becomes a catalogue.

The catalogue of production is read from the server by a gateway. A test has no server; it has the statements that would
make one, or the output of `pg_dump --schema-only`. They are read with PostgreSQL's own grammar and laid over the system
catalogue of a PostgreSQL 18. What has no bearing on what names mean (indexes, constraints, owners, comments) is passed over;
what has, but cannot be worked out without a server, is refused.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final

import pglast
from pglast import ast
from pglast.enums import AlterTableType, ConstrType, FunctionParameterMode, ObjectType
from pglast.stream import RawStream

from doorward.author.testing.schema_names import qualify, type_name
from doorward.facts.postgres import Catalogue, Settings, analyse
from doorward.facts.postgres.catalogue import (
    CatalogueDocument,
    CatalogueError,
    Function,
    Operator,
    Relation,
    RelationColumn,
)

__all__ = ["catalogue_of"]

_MAX_LENGTH: Final = 1_000_000
_FIRST_OID: Final = 16_384
"""The server gives its own objects smaller numbers."""

_PASSED_OVER: Final = (
    ast.AlterDefaultPrivilegesStmt,
    ast.AlterOwnerStmt,
    ast.AlterSeqStmt,
    ast.CommentStmt,
    ast.CreateExtensionStmt,
    ast.CreateFdwStmt,
    ast.CreateForeignServerStmt,
    ast.CreatePolicyStmt,
    ast.CreatePublicationStmt,
    ast.CreateRoleStmt,
    ast.CreateStatsStmt,
    ast.GrantStmt,
    ast.GrantRoleStmt,
    ast.IndexStmt,
    ast.SelectStmt,
    ast.TransactionStmt,
    ast.VariableSetStmt,
)
_KEEPS_COLUMNS: Final = frozenset(
    {
        AlterTableType.AT_AddConstraint,
        AlterTableType.AT_AddIdentity,
        AlterTableType.AT_ChangeOwner,
        AlterTableType.AT_ClusterOn,
        AlterTableType.AT_ColumnDefault,
        AlterTableType.AT_DropNotNull,
        AlterTableType.AT_EnableRowSecurity,
        AlterTableType.AT_ForceRowSecurity,
        AlterTableType.AT_ReplicaIdentity,
        AlterTableType.AT_SetNotNull,
        AlterTableType.AT_SetStatistics,
        AlterTableType.AT_SetStorage,
        AlterTableType.AT_ValidateConstraint,
    }
)
_SERIAL: Final = frozenset({"serial", "serial4", "bigserial", "serial8", "smallserial", "serial2"})
_CHANGES_ROWS: Final = 2 | 64
"""The timings BEFORE and INSTEAD OF, as the server numbers them."""

_VOLATILITY: Final = {"immutable": "i", "stable": "s", "volatile": "v"}


@cache
def _system() -> CatalogueDocument:
    packed = files("doorward.author.testing").joinpath("postgres_18.json.gz").read_bytes()
    return CatalogueDocument.model_validate_json(gzip.decompress(packed))


@lru_cache(maxsize=64)
def catalogue_of(sql: str) -> Catalogue:
    """The catalogue of a server on which these statements were run. Raises CatalogueError."""
    if len(sql) > _MAX_LENGTH:
        raise CatalogueError(f"the schema is longer than {_MAX_LENGTH} characters")
    schema = _Schema()
    try:
        for raw in pglast.parse_sql(sql):
            schema.add(raw.stmt)
    except pglast.Error as error:
        raise CatalogueError(f"the schema is not SQL: {error.args[0]}") from None
    except RecursionError:
        raise CatalogueError("the schema is nested too deeply") from None
    return schema.catalogue()


class _Schema:
    """The statements that were read so far."""

    def __init__(self) -> None:
        self.relations: dict[tuple[str, str], Relation] = {}
        self.functions: list[Function] = []
        self.operators: list[Operator] = []
        self.types: set[str] = set()
        """Enumerations and domains of schema `public`."""
        self.schemas = {"public", "pg_catalog"}
        self.oid = _FIRST_OID
        self._read: dict[type[Any], Callable[[Any], None]] = {
            ast.CreateSchemaStmt: self._schema,
            ast.CreateStmt: self._table,
            ast.CreateForeignTableStmt: self._foreign_table,
            ast.ViewStmt: self._view,
            ast.CreateTableAsStmt: self._materialized_view,
            ast.CreateSeqStmt: self._sequence,
            ast.CreateFunctionStmt: self._function,
            ast.AlterTableStmt: self._alter,
            ast.CreateTrigStmt: self._trigger,
            ast.RuleStmt: self._rule,
            ast.CompositeTypeStmt: self._composite,
            ast.CreateEnumStmt: lambda node: self._type(node.typeName),
            ast.CreateDomainStmt: lambda node: self._type(node.domainname),
            ast.DefineStmt: self._operator,
        }

    def add(self, node: Any) -> None:
        """Take one statement. Raises CatalogueError."""
        read = self._read.get(type(node))
        if read is not None:
            read(node)
        elif not isinstance(node, _PASSED_OVER):
            text = " ".join(RawStream()(node).split()[:3])
            raise CatalogueError(f"a schema for tests cannot hold `{text} …`")

    def catalogue(self) -> Catalogue:
        """The catalogue so far, over the system's own."""
        system = _system()
        document = CatalogueDocument.model_construct(
            format=1,
            server_version=system.server_version,
            database=system.database,
            relations=(*system.relations, *self.relations.values()),
            functions=(*system.functions, *self.functions),
            operators=tuple(self.operators),
        )
        own = repr((sorted(self.relations.items()), sorted(self.functions, key=repr), self.operators))
        return Catalogue(document, hashlib.sha256(own.encode()).hexdigest())

    # --- relations -------------------------------------------------------------------------------------------

    def _schema(self, node: Any) -> None:
        self.schemas.add(node.schemaname or node.authrole.rolename)
        for element in node.schemaElts or ():
            if getattr(element, "relation", None) is not None and element.relation.schemaname is None:
                element.relation.schemaname = node.schemaname
            self.add(element)

    def _place(self, relation: Any) -> tuple[str, str]:
        schema = relation.schemaname or "public"
        if schema not in self.schemas:
            raise CatalogueError(f"there is no schema `{schema}`: write `create schema {schema};` before it")
        return schema, relation.relname

    def _find(self, relation: Any) -> Relation:
        place = (relation.schemaname or "public", relation.relname)
        found = self.relations.get(place)
        if found is None:
            raise CatalogueError(f"there is no relation `{'.'.join(place)}` so far")
        return found

    def _new(
        self, place: tuple[str, str], kind: str, columns: list[tuple[str, str, str]], **more: Any
    ) -> None:
        if place in self.relations:
            raise CatalogueError(f"the relation `{'.'.join(place)}` is created twice")
        numbered = tuple(
            RelationColumn(name, number, type_, generated)
            for number, (name, type_, generated) in enumerate(columns, 1)
        )
        self.relations[place] = Relation(*place, self.oid, kind, numbered, **more)
        self.oid += 1

    def _table(self, node: Any, kind: str = "r") -> None:
        place = self._place(node.relation)
        parents = [self._find(parent) for parent in node.inhRelations or ()]
        columns = {c.name: (c.name, c.type, c.generated) for parent in parents for c in parent.columns}
        own: set[str] = set()
        serials: list[str] = []
        for element in node.tableElts or ():
            if isinstance(element, ast.ColumnDef):
                name, type_, generated = self._column(element)
                if name in own:
                    raise CatalogueError(f"the column `{name}` of `{'.'.join(place)}` is given twice")
                own.add(name)
                columns[name] = name, type_, generated
                if _is_serial(element):
                    serials.append(name)
            elif isinstance(element, ast.TableLikeClause):
                for c in self._find(element.relation).columns:
                    columns.setdefault(c.name, (c.name, c.type, ""))
        if node.partspec is not None:
            kind = "p"
        self._new(place, kind, list(columns.values()), parents=tuple(parent.oid for parent in parents))
        schema, table = place
        for name in serials:
            self._new((schema, f"{table}_{name}_seq"), "S", [])

    def _foreign_table(self, node: Any) -> None:
        self._table(node.base, "f")

    def _column(self, node: Any) -> tuple[str, str, str]:
        generated = next(
            (
                RawStream()(self._qualified(constraint.raw_expr))
                for constraint in node.constraints or ()
                if constraint.contype == ConstrType.CONSTR_GENERATED
            ),
            "",
        )
        return node.colname, self._type_name(node.typeName), generated

    def _sequence(self, node: Any) -> None:
        place = self._place(node.sequence)
        if place not in self.relations:
            self._new(place, "S", [])

    def _view(self, node: Any) -> None:
        names = [alias.sval for alias in node.aliases or ()]
        self._query(node.view, node.query, names, "v", replace=bool(node.replace))

    def _materialized_view(self, node: Any) -> None:
        names = [alias.sval for alias in node.into.colNames or ()]
        kind = "m" if node.objtype == ObjectType.OBJECT_MATVIEW else "r"
        self._query(node.into.rel, node.query, names, kind)

    def _query(
        self, relation: Any, query: Any, names: list[str], kind: str, *, replace: bool = False
    ) -> None:
        """A relation with the columns of a query."""
        place = self._place(relation)
        if replace:
            self.relations.pop(place, None)
        text = RawStream()(self._qualified(query))
        analysis = analyse(text, self.catalogue(), Settings())
        if analysis.facts["opaque"]:
            why = analysis.facts["opaque_reason"]
            raise CatalogueError(f"the query of `{'.'.join(place)}` cannot be read: {why}")
        (outputs,) = analysis.outputs
        types = {
            (relation.schema, relation.name, column.name): column.type
            for relation in self.relations.values()
            for column in relation.columns
        }
        columns = []
        for number, output in enumerate(outputs):
            behind = {types.get((c.schema, c.table, c.name)) for c in output.direct} - {None}
            name = names[number] if number < len(names) else output.name
            columns.append((name, behind.pop() if len(behind) == 1 else "text", ""))
        if names:
            listed = ", ".join(f'"{name}"' for name, _, _ in columns)
            text = f'SELECT * FROM ({text}) AS "q" ({listed})'  # noqa: S608 - it is parsed, never run
        self._new(place, kind, columns, definition=text if kind != "r" else None)  # type: ignore[arg-type]

    def _qualified(self, node: Any) -> Any:
        functions = {function.name for function in self.functions if function.schema == "public"}
        return qualify(node, lambda name: ("public", name) in self.relations, functions.__contains__)

    def _type_name(self, name: Any) -> str:
        return type_name(name, lambda own: ("public", own) in self.relations or own in self.types)

    # --- what changes relations ------------------------------------------------------------------------------

    def _alter(self, node: Any) -> None:
        for command in node.cmds or ():
            if command.subtype in _KEEPS_COLUMNS:
                continue
            relation = self._find(node.relation)
            if command.subtype == AlterTableType.AT_AddColumn:
                name, type_, generated = self._column(command.def_)
                number = max((column.attnum for column in relation.columns), default=0) + 1
                columns = (*relation.columns, RelationColumn(name, number, type_, generated))
                changed = relation._replace(columns=columns)
            elif command.subtype == AlterTableType.AT_AttachPartition:
                part = self._find(command.def_.name)
                changed = part._replace(parents=(*part.parents, relation.oid))
            elif command.subtype == AlterTableType.AT_DropColumn:
                left = tuple(column for column in relation.columns if column.name != command.name)
                changed = relation._replace(columns=left)
            else:
                text = " ".join(RawStream()(node).split()[:6])
                raise CatalogueError(f"a schema for tests cannot hold `{text} …`")
            self.relations[changed.schema, changed.name] = changed

    def _trigger(self, node: Any) -> None:
        if node.row and node.timing & _CHANGES_ROWS:
            relation = self._find(node.relation)
            self.relations[relation.schema, relation.name] = relation._replace(triggers=True)

    def _rule(self, node: Any) -> None:
        relation = self._find(node.relation)
        self.relations[relation.schema, relation.name] = relation._replace(rules=True)

    # --- types -----------------------------------------------------------------------------------------------

    def _composite(self, node: Any) -> None:
        self._new(self._place(node.typevar), "c", [self._column(column) for column in node.coldeflist or ()])

    def _type(self, names: Any) -> None:
        if len(names) == 1 or names[0].sval == "public":
            self.types.add(names[-1].sval)

    # --- functions -------------------------------------------------------------------------------------------

    def _function(self, node: Any) -> None:
        *path, name = (part.sval for part in node.funcname)
        options = {option.defname: option.arg for option in node.options or ()}
        modes = FunctionParameterMode
        given = [
            parameter
            for parameter in node.parameters or ()
            if parameter.mode not in (modes.FUNC_PARAM_OUT, modes.FUNC_PARAM_TABLE)
        ]
        out = [
            parameter
            for parameter in node.parameters or ()
            if parameter.mode in (modes.FUNC_PARAM_OUT, modes.FUNC_PARAM_INOUT, modes.FUNC_PARAM_TABLE)
        ]
        variadic = any(parameter.mode == modes.FUNC_PARAM_VARIADIC for parameter in given)
        language = options["language"].sval if "language" in options else "sql"
        body = options["as"][0].sval if "as" in options else None
        if language == "sql" and body is None:
            raise CatalogueError(f"the function `{name}` has no body in quotes, which tests need")
        set_of = any(parameter.mode == modes.FUNC_PARAM_TABLE for parameter in out)
        result = "record" if len(out) != 1 else self._type_name(out[0].argType)
        if node.returnType is not None:
            result = self._type_name(node.returnType)
        elif not out:
            result = "void" if not node.is_procedure else "-"
        self.functions.append(
            Function(
                schema=path[0] if path else "public",
                name=name,
                kind="p" if node.is_procedure else "f",
                volatility=_VOLATILITY[options["volatility"].sval] if "volatility" in options else "v",
                returns_set=set_of or bool(node.returnType is not None and node.returnType.setof),
                min_args=sum(parameter.defexpr is None for parameter in given) - variadic,
                max_args=-1 if variadic else len(given),
                language=language,
                result="record" if len(out) > 1 else result,
                columns=tuple(p.name or f"column{at}" for at, p in enumerate(out, 1)) if out else None,
                body=body if language == "sql" else None,
            )
        )

    def _operator(self, node: Any) -> None:
        if node.kind != ObjectType.OBJECT_OPERATOR:
            raise CatalogueError(
                f"a schema for tests cannot hold `{' '.join(RawStream()(node).split()[:3])} …`"
            )
        *path, name = (part.sval for part in node.defnames)
        options = {option.defname: option.arg for option in node.definition}
        called: Any = options.get("function", options.get("procedure"))
        *function_path, function = (part.sval for part in called.names)
        self.operators.append(
            Operator(
                path[0] if path else "public",
                name,
                function_path[0] if function_path else "public",
                function,
            )
        )


def _is_serial(column: Any) -> bool:
    return column.typeName.names[-1].sval in _SERIAL
