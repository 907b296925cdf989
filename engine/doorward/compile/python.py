"""Python's own syntax nodes, made short: each carries the line of the policy it stands for.

Names given to these functions are always made up by the emitter; what policies say reaches Python as
constants only.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

__all__ = ["Writer", "assigned"]


class Writer:
    """Makes nodes that stand at `line` of the policy file."""

    def __init__(self) -> None:
        self.line = 1

    def _at(self) -> dict[str, Any]:
        return {"lineno": self.line, "col_offset": 0, "end_lineno": self.line, "end_col_offset": 0}

    def load(self, name: str) -> ast.expr:
        """The value of a variable."""
        return ast.Name(name, ast.Load(), **self._at())

    def constant(self, value: bool | int | float | str | None) -> ast.expr:
        """A constant of a type that Python writes itself."""
        return ast.Constant(value, **self._at())

    def call(self, function: str | ast.expr, *args: ast.expr) -> ast.expr:
        """`function(*args)`."""
        callee = self.load(function) if isinstance(function, str) else function
        return ast.Call(callee, list(args), [], **self._at())

    def attribute(self, source: ast.expr, name: str) -> ast.expr:
        """`source.name`."""
        return ast.Attribute(source, name, ast.Load(), **self._at())

    def method(self, source: ast.expr, name: str, *args: ast.expr) -> ast.expr:
        """`source.name(*args)`."""
        return self.call(self.attribute(source, name), *args)

    def item(self, source: ast.expr, index: ast.expr) -> ast.expr:
        """`source[index]`."""
        return ast.Subscript(source, index, ast.Load(), **self._at())

    def compare(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> ast.expr:
        """`left operator right`."""
        return ast.Compare(left, [operator], [right], **self._at())

    def same(self, left: ast.expr, right: ast.expr) -> ast.expr:
        """`left is right`."""
        return self.compare(left, ast.Is(), right)

    def other(self, left: ast.expr, right: ast.expr) -> ast.expr:
        """`left is not right`."""
        return self.compare(left, ast.IsNot(), right)

    def has_type(self, source: ast.expr, kind: str) -> ast.expr:
        """`type(source) is kind`."""
        return self.same(self.call("type", source), self.load(kind))

    def either(self, *parts: ast.expr) -> ast.expr:
        """`a or b`."""
        return ast.BoolOp(ast.Or(), list(parts), **self._at())

    def both(self, *parts: ast.expr) -> ast.expr:
        """`a and b`."""
        return ast.BoolOp(ast.And(), list(parts), **self._at())

    def all_of(self, parts: Sequence[ast.expr]) -> ast.expr:
        """`a and b and …`, of one part or more."""
        return parts[0] if len(parts) == 1 else self.both(*parts)

    def any_of(self, parts: Sequence[ast.expr]) -> ast.expr:
        """`a or b or …`, of one part or more."""
        return parts[0] if len(parts) == 1 else self.either(*parts)

    def between(self, low: ast.expr, middle: ast.expr, high: ast.expr) -> ast.expr:
        """`low <= middle < high`."""
        return ast.Compare(low, [ast.LtE(), ast.Lt()], [middle, high], **self._at())

    def negate(self, part: ast.expr) -> ast.expr:
        """`not part`."""
        return ast.UnaryOp(ast.Not(), part, **self._at())

    def opposite(self, test: ast.expr) -> ast.expr:
        """What holds when a test does not, as a person would put it."""
        match test:
            case ast.UnaryOp(ast.Not(), inner):
                return inner
            case ast.Compare(left, [ast.Is()], [right]):
                return self.other(left, right)
            case ast.Compare(left, [ast.IsNot()], [right]):
                return self.same(left, right)
            case ast.BoolOp(ast.Or(), parts):
                return self.both(*map(self.opposite, parts))
        return self.negate(test)

    def choose(self, test: ast.expr, yes: ast.expr, no: ast.expr) -> ast.expr:
        """`yes if test else no`."""
        return ast.IfExp(test, yes, no, **self._at())

    def binary(self, left: ast.expr, operator: ast.operator, right: ast.expr) -> ast.expr:
        """`left operator right`, for arithmetic."""
        return ast.BinOp(left, operator, right, **self._at())

    def list_of(self, items: Sequence[ast.expr]) -> ast.expr:
        """`[items]`."""
        return ast.List(list(items), ast.Load(), **self._at())

    def tuple_of(self, items: Sequence[ast.expr]) -> ast.expr:
        """`(items)`."""
        return ast.Tuple(list(items), ast.Load(), **self._at())

    def set_of(self, items: Sequence[ast.expr]) -> ast.expr:
        """`{items}`, or `set()`."""
        return ast.Set(list(items), **self._at()) if items else self.call("set")

    def dict_of(self, pairs: Sequence[tuple[ast.expr, ast.expr]]) -> ast.expr:
        """`{key: value}`."""
        return ast.Dict([k for k, _ in pairs], [v for _, v in pairs], **self._at())

    def assign(self, name: str, value: ast.expr) -> ast.stmt:
        """`name = value`."""
        return ast.Assign([ast.Name(name, ast.Store(), **self._at())], value, **self._at())

    def assign_attribute(self, source: ast.expr, name: str, value: ast.expr) -> ast.stmt:
        """`source.name = value`."""
        return ast.Assign([ast.Attribute(source, name, ast.Store(), **self._at())], value, **self._at())

    def assign_item(self, source: ast.expr, index: ast.expr, value: ast.expr) -> ast.stmt:
        """`source[index] = value`."""
        return ast.Assign([ast.Subscript(source, index, ast.Store(), **self._at())], value, **self._at())

    def do(self, value: ast.expr) -> ast.stmt:
        """The expression as a statement."""
        return ast.Expr(value, **self._at())

    def when(self, test: ast.expr, body: list[ast.stmt], otherwise: list[ast.stmt] | None = None) -> ast.stmt:
        """`if test: body else: otherwise`."""
        return ast.If(test, body, otherwise or [], **self._at())

    def once(self, body: list[ast.stmt]) -> ast.stmt:
        """`while True: body`, which is left by `break`: Python's nearest thing to a labelled block."""
        return ast.While(self.constant(True), body, [], **self._at())

    def loop(self, names: Sequence[str], source: ast.expr, body: list[ast.stmt]) -> ast.stmt:
        """`for names in source: body`."""
        targets: list[ast.expr] = [ast.Name(name, ast.Store(), **self._at()) for name in names]
        target = targets[0] if len(targets) == 1 else ast.Tuple(targets, ast.Store(), **self._at())
        return ast.For(target, source, body, [], **self._at())

    def attempt(
        self, body: list[ast.stmt], error: str, name: str | None, handler: list[ast.stmt]
    ) -> ast.stmt:
        """`try: body except error as name: handler`."""
        caught = ast.ExceptHandler(self.load(error), name, handler, **self._at())
        return ast.Try(body, [caught], [], [], **self._at())

    def lower(self, source: ast.expr, name: str, by: ast.expr) -> ast.stmt:
        """`source.name -= by`."""
        target = ast.Attribute(source, name, ast.Store(), **self._at())
        return ast.AugAssign(target, ast.Sub(), by, **self._at())

    def text_of(self, pieces: Sequence[str | ast.expr]) -> ast.expr:
        """`f"…"`: texts, and expressions put in as strings."""
        parts: list[ast.expr] = [
            self.constant(piece)
            if isinstance(piece, str)
            else ast.FormattedValue(piece, -1, None, **self._at())
            for piece in pieces
        ]
        return ast.JoinedStr(parts, **self._at())

    def leave(self) -> ast.stmt:
        """`break`."""
        return ast.Break(**self._at())

    def skip(self) -> ast.stmt:
        """`continue`."""
        return ast.Continue(**self._at())

    def give(self, value: ast.expr) -> ast.stmt:
        """`return value`."""
        return ast.Return(value, **self._at())

    def fail(self, error: ast.expr) -> ast.stmt:
        """`raise error`."""
        return ast.Raise(error, None, **self._at())

    def outer(self, names: Sequence[str]) -> ast.stmt:
        """`nonlocal names`."""
        return ast.Nonlocal(list(names), **self._at())

    def function(self, name: str, params: Sequence[str], body: list[ast.stmt]) -> ast.stmt:
        """`def name(params): body`."""
        args = ast.arguments(
            posonlyargs=[],
            args=[ast.arg(param, None, **self._at()) for param in params],
            vararg=None,
            kwonlyargs=[],
            kw_defaults=[],
            kwarg=None,
            defaults=[],
        )
        made: dict[str, Any] = {"name": name, "args": args, "body": body, "decorator_list": [], **self._at()}
        return ast.FunctionDef(**made)


def assigned(statements: list[ast.stmt]) -> set[str]:
    """The variables that the statements set, functions inside them left out."""
    found: set[str] = set()
    pending: list[ast.AST] = list(statements)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef):
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        if isinstance(node, ast.ExceptHandler) and node.name is not None:
            found.add(node.name)
        pending += ast.iter_child_nodes(node)
    return found
