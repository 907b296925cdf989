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
from pglast.visitors import Visitor

from doorward.facts.postgres import Catalogue, Settings, analyse
from doorward.facts.postgres.catalogue import (
    CatalogueDocument,
    CatalogueError,
    Function,
    Relation,
    RelationColumn,
)

__all__ = ["catalogue_of"]

_MAX_LENGTH: Final = 1_000_000
_FIRST_OID: Final = 16_384
"""The server gives its own objects smaller numbers."""

_TYPES: Final = {
    "serial": "integer",
    "serial4": "integer",
    "bigserial": "bigint",
    "serial8": "bigint",
    "smallserial": "smallint",
    "serial2": "smallint",
    "int": "integer",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "bool": "boolean",
    "varchar": "character varying",
    "bpchar": "character",
    "char": "character",
    "decimal": "numeric",
    "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone",
    "timetz": "time with time zone",
    "time": "time without time zone",
    "varbit": "bit varying",
}
_PASSED_OVER: Final = (
    ast.AlterDefaultPrivilegesStmt,
    ast.AlterOwnerStmt,
    ast.AlterSeqStmt,
    ast.CommentStmt,
    ast.CreateExtensionStmt,
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
            ast.CreateEnumStmt: lambda node: None,
            ast.CreateDomainStmt: lambda node: None,
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
            operators=(),
        )
        own = repr((sorted(self.relations.items()), sorted(self.functions, key=repr)))
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
        names = [column.name for column in numbered]
        twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
        if twice is not None:
            raise CatalogueError(f"the column `{twice}` of `{'.'.join(place)}` is given twice")
        self.relations[place] = Relation(*place, self.oid, kind, numbered, **more)
        self.oid += 1

    def _table(self, node: Any, kind: str = "r") -> None:
        place = self._place(node.relation)
        parents = [self._find(parent) for parent in node.inhRelations or ()]
        columns = {c.name: (c.name, c.type, c.generated) for parent in parents for c in parent.columns}
        for element in node.tableElts or ():
            if isinstance(element, ast.ColumnDef):
                columns[str(element.colname)] = self._column(element)
            elif isinstance(element, ast.TableLikeClause):
                for c in self._find(element.relation).columns:
                    columns.setdefault(c.name, (c.name, c.type, ""))
        if node.partspec is not None:
            kind = "p"
        self._new(place, kind, list(columns.values()), parents=tuple(parent.oid for parent in parents))
        for element in node.tableElts or ():
            if isinstance(element, ast.ColumnDef) and _type(element.typeName, raw=True).endswith("serial"):
                schema, table = place
                self._new((schema, f"{table}_{element.colname}_seq"), "S", [])

    def _foreign_table(self, node: Any) -> None:
        self._table(node.base if hasattr(node, "base") else node, "f")

    def _column(self, node: Any) -> tuple[str, str, str]:
        generated = next(
            (
                RawStream()(self._qualified(constraint.raw_expr))
                for constraint in node.constraints or ()
                if constraint.contype == ConstrType.CONSTR_GENERATED
            ),
            "",
        )
        return node.colname, _type(node.typeName), generated

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
            (c.schema, c.table, c.name): one.type
            for relation in self.relations.values()
            for c, one in zip(Catalogue.columns(self.catalogue(), relation), relation.columns, strict=True)
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
        _Qualifier(self)(node)
        return node

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
        relation = self._find(node.relation)
        self.relations[relation.schema, relation.name] = relation._replace(triggers=True)

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
        result = _type(node.returnType) if node.returnType is not None else "record"
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


class _Qualifier(Visitor):
    """Writes the schema before every relation of the schema that a query names without one."""

    def __init__(self, schema: _Schema) -> None:
        super().__init__()
        self._schema = schema

    def visit_RangeVar(self, ancestors: Any, node: Any) -> None:  # noqa: N802 - the library's own name
        if node.schemaname is None and ("public", node.relname) in self._schema.relations:
            node.schemaname = "public"

    def visit_FuncCall(self, ancestors: Any, node: Any) -> None:  # noqa: N802 - the library's own name
        names = [function.name for function in self._schema.functions if function.schema == "public"]
        if len(node.funcname) == 1 and node.funcname[0].sval in names:
            node.funcname = (ast.String("public"), *node.funcname)


def _type(name: Any, *, raw: bool = False) -> str:
    """A type as `format_type` writes it, without its modifiers."""
    parts = [part.sval for part in name.names]
    last = parts[-1]
    if raw:
        return str(last)
    written = _TYPES.get(last, last) if len(parts) == 1 or parts[0] == "pg_catalog" else ".".join(parts)
    return f"{written}[]" if name.arrayBounds else str(written)
