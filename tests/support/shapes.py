"""Syntax trees as short text, for tables of tests: `(plus 1 2)` for `1 + 2`."""

from __future__ import annotations

import json
from typing import Any

from doorward_dsl import syntax as s

__all__ = ["shape"]


def shape(node: Any) -> str:
    """The node as an s-expression; spans are left out."""
    match node:
        case None:
            return "-"
        case bool() | str():
            return json.dumps(node, ensure_ascii=False)
        case int():
            return str(node)
        case s.Scalar(value=value):
            return (
                json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool | None) else str(value)
            )
        case s.Var(name=name):
            return name
        case s.Ref(head=head, path=path):
            return _list("ref", head, *path)
        case s.Call(name=name, args=args):
            return _list(".".join(name), *args)
        case s.Array(items=items):
            return f"[{_joined(items)}]"
        case s.Set(items=items):
            return _list("set", *items)
        case s.Object(pairs=pairs):
            return "{" + ", ".join(f"{shape(key)}: {shape(value)}" for key, value in pairs) + "}"
        case s.ArrayComprehension(head=head, body=body):
            return f"[{shape(head)} | {_body(body)}]"
        case s.SetComprehension(head=head, body=body):
            return f"{{{shape(head)} | {_body(body)}}}"
        case s.ObjectComprehension(key=key, value=value, body=body):
            return f"{{{shape(key)}: {shape(value)} | {_body(body)}}}"
        case s.Template(parts=parts):
            return _list("template", *parts)
        case _:
            return _expression(node)


def _expression(node: Any) -> str:
    match node:
        case s.ExprTerm(term=term):
            return shape(term)
        case s.Assign(target=target, value=value):
            return _list(":=", target, value)
        case s.Unify(left=left, right=right):
            return _list("=", left, right)
        case s.SomeDecl(names=names):
            return _list("some", *names)
        case s.SomeIn(key=None, value=value, domain=domain):
            return _list("some-in", value, domain)
        case s.SomeIn(key=key, value=value, domain=domain):
            return _list("some-in", key, value, domain)
        case s.Every(key=None, value=value, domain=domain, body=body):
            return f"(every {shape(value)} {shape(domain)} | {_body(body)})"
        case s.Every(key=key, value=value, domain=domain, body=body):
            return f"(every {shape(key)} {shape(value)} {shape(domain)} | {_body(body)})"
        case s.Not(expr=expr):
            return _list("not", expr)
        case s.Literal(expr=expr, withs=()):
            return shape(expr)
        case s.Literal(expr=expr, withs=withs):
            return (
                " ".join(["(with", shape(expr), *(f"{shape(w.target)}={shape(w.value)}" for w in withs)])
                + ")"
            )
        case s.Rule():
            return _rule(node)
        case tuple() | list():
            return _body(node)
        case _:
            return _statement(node)


def _rule(rule: s.Rule) -> str:
    head = rule.head
    parts = ["default" if rule.default else "rule", _joined(head.ref)]
    if head.args is not None:
        parts.append(f"({_joined(head.args)})")
    if head.key is not None:
        parts.append(f"contains {shape(head.key)}")
    if head.value is not None:
        parts.append(f"{':=' if head.assign else '='} {shape(head.value)}")
    if rule.body:
        parts.append(f"| {_body(rule.body)}")
    if rule.else_ is not None:
        parts.append(f"else {_rule(rule.else_)}")
    return f"({' '.join(parts)})"


def _statement(node: Any) -> str:
    match node:
        case s.FieldTarget(parts=parts):
            return ".".join(parts)
        case s.JsonPathTarget(steps=steps):
            return "$" + "".join(f"[{shape(step)}]" for step in steps)
        case s.ContentTarget(detector=detector):
            return f"content({detector})"
        case s.TermTarget(term=term):
            return f"<{shape(term)}>"
        case s.Masker(name=name, args=args):
            return _list(name, *args) if args else name
        case s.Mask():
            own = f" {_joined(node.targets)} with {shape(node.masker)}"
        case s.Approve():
            own = f" by {_joined(node.groups)} within {node.within_ms}"
        case s.Credential():
            own = f" ttl {node.ttl_ms} single_use {node.single_use} as {shape(node.role)}"
        case s.Allow() | s.Block():
            own = ""
        case _:
            raise AssertionError(f"no shape for {type(node).__name__}")
    when = f" if {_body(node.when)}" if node.when is not None else ""
    unless = f" unless {_body(node.unless)}" if node.unless is not None else ""
    return f"({type(node).__name__.lower()} {shape(node.reason)}{own}{when}{unless})"


def _body(body: Any) -> str:
    return "; ".join(shape(literal) for literal in body)


def _joined(nodes: Any) -> str:
    return " ".join(shape(node) for node in nodes)


def _list(name: str, *nodes: Any) -> str:
    return f"({' '.join([name, *(shape(node) for node in nodes)])})"
