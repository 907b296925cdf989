"""Small helpers over PostgreSQL's parse tree, as pglast gives it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import pglast.ast

__all__ = [
    "Node",
    "ast",
    "children",
    "descendants",
    "ends_in_star",
    "integer",
    "output_name",
    "strings",
    "text",
    "type_name",
]

Node: TypeAlias = Any
"""A node of the tree."""

ast: Any = pglast.ast
"""The classes of nodes. Untyped: the parser's stubs call every field of every node optional, which is but noise."""

_SYNONYMS = {
    "bool": "boolean",
    "bpchar": "character",
    "float4": "real",
    "float8": "double precision",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "varchar": "character varying",
}

_ATTRIBUTES: dict[type, tuple[str, ...]] = {}


def children(node: Node) -> Iterator[Any]:
    """The nodes right below a node, or in a tuple of nodes."""
    if type(node) is tuple:
        for item in node:
            if isinstance(item, ast.Node):
                yield item
            elif type(item) is tuple:
                yield from children(item)
        return
    kind = type(node)
    names = _ATTRIBUTES.get(kind)
    if names is None:
        names = _ATTRIBUTES[kind] = tuple(name for name in kind.__slots__ if name != "location")
    for name in names:
        value = getattr(node, name)
        if isinstance(value, ast.Node):
            yield value
        elif type(value) is tuple:
            yield from children(value)


def descendants(node: Node) -> Iterator[Any]:
    """Every node of a tree, itself among them; without recursion, for trees may be deep."""
    waiting = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, ast.Node):
            yield item
        waiting.extend(children(item))


def strings(parts: Any) -> tuple[str, ...]:
    """The names in a list of `String` nodes; anything else in it is left out."""
    return tuple(part.sval for part in parts or () if isinstance(part, ast.String))


def ends_in_star(parts: Any) -> bool:
    """Whether a list of fields or an indirection ends in `*`."""
    return bool(parts) and isinstance(parts[-1], ast.A_Star)


def integer(node: Node) -> int | None:
    """The value of an integer constant, else `None`."""
    if isinstance(node, ast.A_Const) and not node.isnull and isinstance(node.val, ast.Integer):
        value = node.val.ival
        return 0 if value is None else int(value)
    return None


def text(node: Node) -> str | None:
    """The value of a string constant, else `None`."""
    if isinstance(node, ast.A_Const) and not node.isnull and isinstance(node.val, ast.String):
        return str(node.val.sval)
    return None


def type_name(node: Node) -> str:
    """A type as `format_type` would write it, without its modifier: `text`, `integer[]`, `hr.mood`."""
    names = [name for name in strings(node.names) if name != "pg_catalog"]
    plain = _SYNONYMS.get(names[-1], names[-1]) if len(names) == 1 else ".".join(names)
    return plain + "[]" if node.arrayBounds else plain


_FIXED_NAMES: dict[type, str] = {
    ast.A_ArrayExpr: "array",
    ast.CoalesceExpr: "coalesce",
    ast.GroupingFunc: "grouping",
    ast.MergeSupportFunc: "merge_action",
    ast.RowExpr: "row",
    ast.XmlSerialize: "xmlserialize",
    ast.JsonParseExpr: "json",
    ast.JsonScalarExpr: "json_scalar",
    ast.JsonSerializeExpr: "json_serialize",
    ast.JsonObjectConstructor: "json_object",
    ast.JsonArrayConstructor: "json_array",
    ast.JsonArrayQueryConstructor: "json_array",
    ast.JsonObjectAgg: "json_objectagg",
    ast.JsonArrayAgg: "json_arrayagg",
}
_XML_NAMES = (
    "xmlconcat",
    "xmlelement",
    "xmlforest",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
    "?column?",
)
_JSON_NAMES = ("json_exists", "json_query", "json_value", "json_table")


def output_name(node: Node) -> str:
    """The name the server gives to an output column that has none."""
    return _name(node)[0] or "?column?"


def _name(node: Node) -> tuple[str | None, int]:
    """The name and how strongly it holds: 2 for columns and functions, 1 for what any of those inside
    overrides.
    """
    if isinstance(node, ast.TypeCast):
        name, strength = _name(node.arg)
        return (name, strength) if strength == 2 else (strings(node.typeName.names)[-1], 1)
    if isinstance(node, ast.CaseExpr):
        name, strength = _name(node.defresult) if node.defresult is not None else (None, 0)
        return (name, strength) if strength == 2 else ("case", 1)
    if isinstance(node, ast.CollateClause):
        return _name(node.arg)
    if isinstance(node, ast.A_Indirection):
        named = strings(node.indirection)
        return (named[-1], 2) if named else _name(node.arg)
    return _leaf_name(node)


def _leaf_name(node: Node) -> tuple[str | None, int]:
    kind = type(node)
    fixed = _FIXED_NAMES.get(kind)
    if fixed is not None:
        return fixed, 2
    if kind is ast.ColumnRef:
        named = strings(node.fields)
        return (named[-1], 2) if named else (None, 0)
    if kind is ast.FuncCall:
        return strings(node.funcname)[-1], 2
    if kind is ast.SubLink:
        return _sublink_name(node)
    if kind is ast.MinMaxExpr:
        return node.op.name.removeprefix("IS_").lower(), 2
    if kind is ast.SQLValueFunction:
        return node.op.name.removeprefix("SVFOP_").removesuffix("_N").lower(), 2
    if kind is ast.XmlExpr:
        return _XML_NAMES[int(node.op)], 2
    if kind is ast.JsonFuncExpr:
        return _JSON_NAMES[int(node.op)], 2
    if kind is ast.A_Expr and node.kind.name == "AEXPR_NULLIF":
        return "nullif", 2
    return None, 0


def _sublink_name(node: Node) -> tuple[str | None, int]:
    kind = node.subLinkType.name
    if kind == "EXISTS_SUBLINK":
        return "exists", 2
    if kind == "ARRAY_SUBLINK":
        return "array", 2
    if kind == "EXPR_SUBLINK" and isinstance(node.subselect, ast.SelectStmt):
        select = node.subselect
        while select.larg is not None:
            select = select.larg
        if select.targetList:
            target = select.targetList[0]
            return (target.name, 2) if target.name else _name(target.val)
    return None, 0
