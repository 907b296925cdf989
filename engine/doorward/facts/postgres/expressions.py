"""Expressions: where a value comes from.

A value passes *directly* through a column reference, a lossless cast, COALESCE, the results of CASE, COLLATE
and a scalar sub-query; through anything else it is *derived*. A comparison inside an expression makes the
result derived, so that a question about a value is treated as the value. What is not known to this module
makes the statement opaque.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from doorward.facts.postgres import trees
from doorward.facts.postgres.catalogue import Function
from doorward.facts.postgres.context import Context
from doorward.facts.postgres.findings import NOTHING, Flow, Opaque, SqlState, derive, merge
from doorward.facts.postgres.functions import SCALAR_AGGREGATES, Called, call
from doorward.facts.postgres.scope import Field, Scope
from doorward.facts.postgres.trees import Node, ast

__all__ = ["Expressions", "Queries"]

_LOSSLESS_TEXT: Final = frozenset({"text", "character varying"})
_WIDER: Final = {
    ("smallint", "integer"),
    ("smallint", "bigint"),
    ("smallint", "numeric"),
    ("integer", "bigint"),
    ("integer", "numeric"),
    ("bigint", "numeric"),
}
_COMPARING: Final = frozenset(
    [
        "=",
        "<>",
        "!=",
        "<",
        ">",
        "<=",
        ">=",
        "~",
        "~*",
        "!~",
        "!~*",
        "~~",
        "~~*",
        "!~~",
        "!~~*",
        "@>",
        "<@",
        "?",
        "?|",
        "?&",
        "&&",
        "@@",
        "^@",
        "%",
        "<%",
        "%>",
        "<->",
    ]
)

_VALUES: Final = (
    ast.A_Const,
    ast.ParamRef,
    ast.SQLValueFunction,
    ast.SetToDefault,
    ast.CurrentOfExpr,
    ast.MergeSupportFunc,
)
_COMPUTING: Final = (
    ast.A_ArrayExpr,
    ast.A_Indices,
    ast.BoolExpr,
    ast.GroupingFunc,
    ast.JsonArgument,
    ast.JsonArrayConstructor,
    ast.JsonBehavior,
    ast.JsonFuncExpr,
    ast.JsonIsPredicate,
    ast.JsonKeyValue,
    ast.JsonObjectConstructor,
    ast.JsonParseExpr,
    ast.JsonScalarExpr,
    ast.JsonSerializeExpr,
    ast.JsonValueExpr,
    ast.MinMaxExpr,
    ast.ResTarget,
    ast.RowExpr,
    ast.SortBy,
    ast.XmlExpr,
    ast.XmlSerialize,
)
_DUMB: Final = (
    ast.TypeName,
    ast.JsonOutput,
    ast.JsonReturning,
    ast.JsonFormat,
    ast.String,
    ast.Integer,
    ast.Float,
    ast.Boolean,
    ast.BitString,
)


class Queries(Protocol):
    """The part of the walk that expressions need for sub-queries and function bodies."""

    def rows(self, node: Node, scope: Scope) -> tuple[Field, ...]:
        """The columns of a query that stands inside `scope`."""

    def body(self, function: Function) -> Flow:
        """Everything that the body of an SQL function reads."""


class Expressions:
    """Walks expressions for one analysis."""

    def __init__(self, context: Context, queries: Queries) -> None:
        self._context = context
        self._queries = queries
        self._handlers: dict[type, Callable[[Any, Scope], Flow]] = {
            ast.ColumnRef: self._column,
            ast.TypeCast: self._cast,
            ast.FuncCall: lambda node, scope: self.called(node, scope)[0],
            ast.A_Expr: self._operation,
            ast.A_Indirection: self._indirection,
            ast.SubLink: self._sublink,
            ast.CaseExpr: self._case,
            ast.CoalesceExpr: lambda node, scope: merge(self.each(node.args, scope)),
            ast.CollateClause: lambda node, scope: self.walk(node.arg, scope),
            ast.NamedArgExpr: lambda node, scope: self.walk(node.arg, scope),
            ast.NullTest: self._test,
            ast.BooleanTest: self._test,
            ast.MultiAssignRef: self._multiple,
            ast.JsonObjectAgg: self._json_aggregate,
            ast.JsonArrayAgg: self._json_aggregate,
            ast.JsonArrayQueryConstructor: self._json_query,
            ast.WindowDef: self.window,
        }
        for kind in _VALUES:
            self._handlers[kind] = lambda node, scope: NOTHING
        for kind in _COMPUTING:
            self._handlers[kind] = self._computed

    def walk(self, node: Node, scope: Scope) -> Flow:
        """Where the value of an expression comes from. `None` and a tuple are taken for nothing and for all
        of it.
        """
        if node is None:
            return NOTHING
        if type(node) is tuple:
            return derive(self.each(node, scope))
        handler = self._handlers.get(type(node))
        if handler is None:
            raise Opaque(f"`{type(node).__name__}` is not understood inside an expression")
        self._context.step(node)
        return handler(node, scope)

    def each(self, nodes: Node, scope: Scope) -> list[Flow]:
        """Where each of several values comes from."""
        return [self.walk(node, scope) for node in nodes or ()]

    def condition(self, node: Node, scope: Scope) -> Flow:
        """An expression that decides which rows come."""
        if isinstance(node, ast.BoolExpr) and node.boolop.name == "AND_EXPR":
            self._context.step(node)
            return derive([self.condition(item, scope) for item in node.args])
        if _is_equality(node):
            flows = self.each((node.lexpr, node.rexpr), scope)
            if all(flow.pure for flow in flows):
                self._context.step(node)
                self._operator(node, flows)
                self._context.match(derive(flows).sources)
                return derive(flows)
        flow = self.walk(node, scope)
        self._context.filter(flow.sources)
        return flow

    def _computed(self, node: Node, scope: Scope) -> Flow:
        parts = [child for child in trees.children(node) if not isinstance(child, _DUMB)]
        return derive(self.each(parts, scope))

    def _column(self, node: Node, scope: Scope) -> Flow:
        path = trees.strings(node.fields)
        if trees.ends_in_star(node.fields):
            # `count(t.*)`, `row(t.*)`: the row as a value.
            item = scope.item(path[-1], path[-2] if len(path) > 1 else None) if path else None
            if item is None:
                raise Opaque("`*` is not understood here")
            flow = item.whole()
        else:
            try:
                flow = scope.column(path[0]) if len(path) == 1 else scope.qualified(path)
            except Opaque:
                # A name that is no column of a function's body is a parameter, whose value the caller's
                # arguments give.
                if not self._context.in_function or len(path) > 2:
                    raise
                flow = NOTHING
        self._context.findings.columns |= flow.sources
        return flow

    def _cast(self, node: Node, scope: Scope) -> Flow:
        flow = self.walk(node.arg, scope)
        target = trees.type_name(node.typeName)
        plain = not node.typeName.typmods
        if plain and (target in _LOSSLESS_TEXT or target == flow.type or (flow.type, target) in _WIDER):
            return Flow(flow.direct, flow.derived, target)
        return derive([flow], target)

    def _operation(self, node: Node, scope: Scope) -> Flow:
        # A chain such as `a || b || c` leans to the left and may be long: walked by a loop, not by recursion.
        flows = []
        current: Any = node
        while isinstance(current, ast.A_Expr):
            self._context.step(current)
            operands = [self.walk(current.rexpr, scope)]
            if not isinstance(current.lexpr, ast.A_Expr):
                operands.append(self.walk(current.lexpr, scope))
            flows += operands
            self._operator(current, flows)
            current = current.lexpr
        flow = derive(flows)
        if any(map(_compares, _spine(node))):
            self._context.compare(flow.sources)
        return flow

    def _operator(self, node: Node, flows: list[Flow]) -> None:
        *qualifier, name = trees.strings(node.name)
        schemas = qualifier[-1:] or self._context.function_path
        for operator in self._context.catalogue.operators(name):
            if operator.schema in schemas:
                path = (operator.function_schema, operator.function)
                count = 1 if node.lexpr is None else 2
                if call(self._context, path, count, flows, self._queries.body) is None:
                    raise Opaque(f"the operator `{name}` calls an unknown function")

    def _indirection(self, node: Node, scope: Scope) -> Flow:
        argument, steps = node.arg, node.indirection
        if isinstance(argument, ast.ColumnRef) and isinstance(steps[0], ast.String):
            path = trees.strings(argument.fields)
            item = scope.row(path[0]) if len(path) == 1 else None
            found = item.find(steps[0].sval) if item is not None else None
            if found is not None:
                self._context.step(argument)
                self._context.findings.columns |= found.flow.sources
                if len(steps) == 1:
                    return found.flow
                return derive([found.flow, *self.each(_indices(steps), scope)])
        return derive([self.walk(argument, scope), *self.each(_indices(steps), scope)])

    def _test(self, node: Node, scope: Scope) -> Flow:
        flow = derive([self.walk(node.arg, scope)], "boolean")
        self._context.compare(flow.sources)
        return flow

    def _case(self, node: Node, scope: Scope) -> Flow:
        conditions = [self.walk(node.arg, scope)]
        results = [self.walk(node.defresult, scope)]
        for when in node.args:
            self._context.step(when)
            conditions.append(self.walk(when.expr, scope))
            results.append(self.walk(when.result, scope))
        decisive = derive(conditions).sources
        self._context.compare(decisive)
        return merge(results).depending_on(decisive)

    def _sublink(self, node: Node, scope: Scope) -> Flow:
        tested = self.walk(node.testexpr, scope)
        with self._context.filters_apart() as filtered:
            fields = self._queries.rows(node.subselect, scope)
        kind = node.subLinkType.name
        flows = [item.flow for item in fields]
        if kind == "EXPR_SUBLINK" and len(flows) == 1:
            return flows[0].depending_on(frozenset(filtered))
        if kind == "ARRAY_SUBLINK":
            self._context.findings.gathers |= _carries(flows)
        else:
            self._context.compare(derive([tested, *flows]).sources)
        return derive([tested, *flows]).depending_on(frozenset(filtered))

    def _multiple(self, node: Node, scope: Scope) -> Flow:
        source = node.source
        if isinstance(source, ast.RowExpr) and len(source.args) == node.ncolumns:
            self._context.step(source)
            # The parser repeats the whole row for each column that it is assigned to.
            return self.each(source.args, scope)[int(node.colno) - 1]
        if isinstance(source, ast.SubLink):
            self._context.step(source)
            with self._context.filters_apart() as filtered:
                fields = self._queries.rows(source.subselect, scope)
            if len(fields) == node.ncolumns:
                return fields[int(node.colno) - 1].flow.depending_on(frozenset(filtered))
        raise Opaque("the right side of a multiple assignment is not understood")

    def _json_aggregate(self, node: Node, scope: Scope) -> Flow:
        constructor = node.constructor
        self._context.step(constructor)
        self._context.compare(self.walk(constructor.agg_filter, scope).sources)
        flow = derive(
            [
                self.walk(node.arg, scope),
                self.walk(constructor.agg_filter, scope),
                self.walk(constructor.agg_order, scope),
                self.walk(constructor.over, scope),
            ]
        )
        self._context.findings.gathers |= _carries([flow])
        return flow

    def _json_query(self, node: Node, scope: Scope) -> Flow:
        with self._context.filters_apart() as filtered:
            flows = [item.flow for item in self._queries.rows(node.query, scope)]
        self._context.findings.gathers |= _carries(flows)
        return derive(flows).depending_on(frozenset(filtered))

    def window(self, node: Node, scope: Scope) -> Flow:
        """What the partition, order and frame of a window depend on."""
        self._context.touched.add(id(node))
        parts = [node.partitionClause, node.orderClause, node.startOffset, node.endOffset]
        flow = derive(self.walk(part, scope) for part in parts)
        for name in (node.refname, node.name):
            if name is not None and name in scope.windows:
                flow = derive([flow, scope.windows[name]])
        self._context.compare(flow.sources)
        return flow

    def called(self, node: Node, scope: Scope) -> tuple[Flow, Called | None]:
        """A function call: where its value comes from, and what the function is (`None`: a column in
        disguise).
        """
        self._context.step(node)
        path = trees.strings(node.funcname)
        arguments = node.args or ()
        flows = self.each(arguments, scope)
        ordered = self.each(node.agg_order, scope)
        count = len(arguments) + (len(ordered) if node.agg_within_group else 0)
        first = trees.text(arguments[0]) if arguments else None
        called = call(self._context, path, count, flows, self._queries.body, first=first)
        self._context.mentions.functions.add(path[-1])
        if called is None:
            return self._disguised(path, arguments, scope), None
        filtered = self.walk(node.agg_filter, scope)
        self._context.compare(derive([*ordered, filtered]).sources)
        window = self.walk(node.over, scope)
        flow = derive([*flows, *ordered, filtered, window, called.extra], _known(called.type))
        if called.returns_set:
            self._context.filter(derive(flows).sources)
        elif node.agg_distinct:
            self._context.compare(derive(flows).sources)
        if called.aggregate and path[-1] not in SCALAR_AGGREGATES:
            self._context.findings.gathers |= _carries(flows)
        return flow, called

    def _disguised(self, path: tuple[str, ...], arguments: Any, scope: Scope) -> Flow:
        """`column(row)` is another way to write `row.column`."""
        if len(path) == 1 and len(arguments) == 1 and isinstance(arguments[0], ast.ColumnRef):
            row = trees.strings(arguments[0].fields)
            item = scope.row(row[0]) if len(row) == 1 else None
            found = item.find(path[0]) if item is not None else None
            if found is not None:
                return found.flow
        raise Opaque(
            f"there is no function `{'.'.join(path)}` that takes {len(arguments)} arguments",
            SqlState.UNDEFINED_FUNCTION,
        )


def _known(type_: str | None) -> str | None:
    """A function's type where it does not depend on the arguments."""
    return None if type_ is None or type_.startswith("any") or type_ in ("record", "void") else type_


def _indices(steps: Any) -> list[Any]:
    return [step for step in steps if isinstance(step, ast.A_Indices)]


def _carries(flows: list[Flow]) -> bool:
    return any(flow.sources for flow in flows)


def _spine(node: Node) -> list[Node]:
    found = []
    while isinstance(node, ast.A_Expr):
        found.append(node)
        node = node.lexpr
    return found


def _is_equality(node: Node) -> bool:
    """Whether a condition is `column = column`."""
    return (
        isinstance(node, ast.A_Expr)
        and node.kind.name == "AEXPR_OP"
        and trees.strings(node.name) == ("=",)
        and isinstance(node.lexpr, ast.ColumnRef)
        and isinstance(node.rexpr, ast.ColumnRef)
    )


def _compares(node: Node) -> bool:
    return node.kind.name != "AEXPR_OP" or trees.strings(node.name)[-1] in _COMPARING
