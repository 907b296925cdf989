"""Names in a schema that is written as SQL: what a server would have made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pglast import ast
from pglast.visitors import Visitor

__all__ = ["Known", "qualify", "type_name"]

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

Known = Callable[[str], bool]
"""Whether schema `public` has something of a name."""


def type_name(name: Any, is_own: Known) -> str:
    """A type as `format_type` writes it with nothing but `pg_catalog` to search, without its modifiers."""
    parts = [part.sval for part in name.names]
    last = str(parts[-1])
    if len(parts) > 1 and parts[0] != "pg_catalog":
        written = ".".join(parts)
    elif len(parts) == 1 and is_own(last):
        written = f"public.{last}"
    else:
        written = _TYPES.get(last, last)
    return f"{written}[]" if name.arrayBounds else written


def qualify(node: Any, is_relation: Known, is_function: Known) -> Any:
    """Writes `public` before every relation and function of that schema that a query names without one; the query.

    A name that the query itself gives to a sub-query stays as it is.
    """
    own = _Own()
    own(node)
    _Qualifier(lambda name: is_relation(name) and name not in own.names, is_function)(node)
    return node


class _Qualifier(Visitor):
    def __init__(self, is_relation: Known, is_function: Known) -> None:
        super().__init__()
        self._is_relation = is_relation
        self._is_function = is_function

    def visit_RangeVar(self, ancestors: Any, node: Any) -> None:  # noqa: N802 - the library's own name
        if node.schemaname is None and self._is_relation(node.relname):
            node.schemaname = "public"

    def visit_FuncCall(self, ancestors: Any, node: Any) -> None:  # noqa: N802 - the library's own name
        if len(node.funcname) == 1 and self._is_function(node.funcname[0].sval):
            node.funcname = (ast.String("public"), *node.funcname)


class _Own(Visitor):
    """The names that a query gives to its sub-queries."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def visit_CommonTableExpr(self, ancestors: Any, node: Any) -> None:  # noqa: N802 - the library's own name
        self.names.add(node.ctename)
