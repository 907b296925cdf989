"""`rego.parse_module`: the syntax tree of a module as data, in the shapes that OPA's has as JSON."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import count
from typing import Any, Final, TypeAlias

from doorward.run.errors import BuiltinError
from doorward.run.values import Value
from doorward.run.values import number as exact_number
from doorward_dsl.check.apart import negates_whole_lines
from doorward_dsl.diagnostics import Diagnostic, ParseError
from doorward_dsl.lowered import connected, connective, held, is_parenthesized
from doorward_dsl.parse import parse_module
from doorward_dsl.source import Source
from doorward_dsl.syntax import (
    Array,
    ArrayComprehension,
    Assign,
    Body,
    Call,
    Comment,
    Every,
    Expr,
    ExprTerm,
    Import,
    Literal,
    Module,
    Not,
    Object,
    ObjectComprehension,
    Ref,
    Rule,
    Scalar,
    Set,
    SetComprehension,
    SomeDecl,
    SomeIn,
    Template,
    Term,
    Unify,
    Var,
)
from doorward_dsl.walk import open_vars

from .builtin import pure
from .operands import string

__all__ = ["BUILTINS", "parsed_module"]

_NAME: Final = "rego.parse_module"
_LONGEST: Final = 1 << 18
"""Characters of a module; parsing takes far longer than a step for each."""

_Json: TypeAlias = dict[str, Value]


def parsed_module(filename: Value, text: Value) -> Value:
    """`rego.parse_module`: the module of that text as OPA's JSON tree. Raises BuiltinError for what does not parse."""
    name, policy = string(_NAME, 1, filename), string(_NAME, 2, text)
    if len(policy) > _LONGEST:
        raise BuiltinError(f"{_NAME}: the module is longer than {_LONGEST} characters")
    # a file name is a label here: whatever it ends in, the text is Rego
    source = Source(f"{name}.rego" if name.endswith(".ward") else name, policy)
    try:
        module = parse_module(source)
    except ParseError as error:
        raise BuiltinError(f"{_NAME}: {_problems(name, error.diagnostics)}") from None
    return _Tree(name).module(module)


def _problems(name: str, diagnostics: Sequence[Diagnostic]) -> str:
    found = [f"{name}:{one.span.line}: {one.code}: {one.message}" for one in diagnostics]
    counted = "1 error" if len(found) == 1 else f"{len(found)} errors"
    return f"{counted} occurred: " + "\n".join(found)


class _Tree:
    """One module on its way to data. Wildcards are numbered through the module, as they stand in it."""

    def __init__(self, name: str) -> None:
        self._file = name
        self._wildcards = count()
        self._newer_not = False

    def module(self, module: Module) -> _Json:
        self._newer_not = negates_whole_lines(module)
        path = [_term("var", "data"), *(_term("string", part) for part in module.package)]
        found: _Json = {"package": {"path": path}}
        if module.imports:
            found["imports"] = [self._import(one) for one in module.imports]
        if module.rules:
            found["rules"] = [self._rule(rule) for rule in module.rules]
        if module.comments:
            found["comments"] = [self._comment(one) for one in module.comments]
        return found

    def _import(self, one: Import) -> _Json:
        path = _reference(one.ref.name) if isinstance(one.ref, Var) else self.term(one.ref)
        return {"path": path} if one.alias is None else {"path": path, "alias": one.alias}

    def _comment(self, comment: Comment) -> _Json:
        text = base64.b64encode(comment.text.encode("utf-8", "surrogateescape")).decode("ascii")
        span = comment.span
        return {"Text": text, "Location": {"file": self._file, "row": span.line, "col": span.column}}

    # --- rules ---

    def _rule(self, rule: Rule, first: Rule | None = None) -> _Json:
        """A rule, or a later link of the chain that `first` begins."""
        found: _Json = {"head": self._head(rule, first)}
        found["body"] = self._body(rule.body) if rule.body else [_always()]
        if rule.default:
            found["default"] = True
        if rule.else_ is not None:
            found["else"] = self._rule(rule.else_, first or rule)
        return found

    def _head(self, rule: Rule, first: Rule | None) -> _Json:
        head = rule.head
        name, *rest = head.ref
        # the first part is a name, though it be that of a document
        ref = [_term("var", name.name) if isinstance(name, Var) else self.term(name), *map(self.term, rest)]
        found: _Json = {"ref": ref}
        if len(ref) == 1:
            found["name"] = ref[0]["value"]
        if head.args is not None:
            found["args"] = [self.term(arg) for arg in head.args]
        if head.key is not None:
            found["key"] = self.term(head.key)
            return found
        if head.assign and (head.value is not None or first is not None):
            found["assign"] = True
        if head.value is None:
            found["value"] = _term("boolean", True)
        else:
            found["value"] = self.term(head.value)
        if len(ref) == 2 and not rule.default:
            found.update(_older_form(first or rule, ref))
        return found

    # --- bodies ---

    def _body(self, body: Body) -> list[_Json]:
        return [self._literal(literal, at) for at, literal in enumerate(body)]

    def _literal(self, literal: Literal, at: int) -> _Json:
        expr = literal.expr
        found: _Json = {"index": at}
        if isinstance(expr, Not) and not self._newer_not:
            found["negated"] = True
            expr = expr.expr
        found["terms"] = self._terms(expr)
        if literal.withs:
            found["with"] = [
                {"target": self.term(one.target), "value": self.term(one.value)} for one in literal.withs
            ]
        return found

    def _terms(self, expr: Expr) -> Value:
        sides = connected(expr)
        if sides is not None:
            return self._connection(connective(expr), *map(self._side, sides))
        match expr:
            case Not(expr=inner):
                body, explicit = self._side(Literal(inner, (), inner.span))
                return {"type": "not", "body": body, "explicit_body": explicit}
            case ExprTerm(term=Call() as call):
                return self._call(call)
            case ExprTerm(term=term):
                return self.term(term)
            case Assign(target=left, value=right):
                return [_reference("assign"), self.term(left), self.term(right)]
            case Unify(left=left, right=right):
                return [_reference("eq"), self.term(left), self.term(right)]
            case SomeDecl(names=names):
                return {"symbols": [self.term(name) for name in names]}
            case SomeIn(key=None, value=value, domain=domain):
                member = [_reference("internal", "member_2"), self.term(value), self.term(domain)]
                return {"symbols": [_term("call", member)]}
            case SomeIn(key=key, value=value, domain=domain) if key is not None:
                parts = [self.term(key), self.term(value), self.term(domain)]
                return {"symbols": [_term("call", [_reference("internal", "member_3"), *parts])]}
            case Every(key=name, value=value, domain=domain, body=body):
                return {
                    "key": None if name is None else self.term(name),
                    "value": self.term(value),
                    "domain": self.term(domain),
                    "body": self._body(body),
                }
        raise AssertionError(f"no expression: {expr!r}")

    def _connection(
        self, word: str, left: tuple[list[_Json], bool], right: tuple[list[_Json], bool]
    ) -> _Json:
        """`a and b`"""
        found: _Json = {"type": word, "lhs": left[0], "rhs": right[0]}
        if left[1]:
            found["explicit_lhs"] = True
        if right[1]:
            found["explicit_rhs"] = True
        return found

    def _side(self, literal: Literal) -> tuple[list[_Json], bool]:
        """What stands beside `and` or `or`, or after `not`, as a body; and whether it was written as one."""
        body = held(literal.expr)
        if body is None:
            return self._body((literal,)), False
        return self._body(body), not is_parenthesized(literal.expr, body)

    # --- terms ---

    def _call(self, call: Call) -> list[_Json]:
        return [_reference(*call.name), *(self.term(arg) for arg in call.args)]

    def term(self, term: Term) -> _Json:
        match term:
            case Scalar(value=value):
                return _scalar(value)
            case Var(name="input" | "data" as document):
                return _reference(document)
            case Var(name=name):
                return _term("var", f"${next(self._wildcards)}" if name == "_" else name)
            case Ref(head=Var(name=name), path=path) if name != "_":
                return _term("ref", [_term("var", name), *(self.term(part) for part in path)])
            case Ref(head=head, path=path):
                return _term("ref", [self.term(head), *(self.term(part) for part in path)])
            case Call():
                return _term("call", self._call(term))
            case Array(items=items):
                return _term("array", [self.term(item) for item in items])
            case Set(items=items):
                return _term("set", _settled(map(self.term, items), lambda item: item))
            case Object(pairs=pairs):
                made = ([self.term(one), self.term(other)] for one, other in pairs)
                return _term("object", _settled(made, lambda pair: pair[0]))
            case ArrayComprehension(head=head, body=body):
                return _term("arraycomprehension", {"term": self.term(head), "body": self._body(body)})
            case SetComprehension(head=head, body=body):
                return _term("setcomprehension", {"term": self.term(head), "body": self._body(body)})
            case ObjectComprehension(key=key, value=value, body=body):
                pair = {"key": self.term(key), "value": self.term(value)}
                return _term("objectcomprehension", {**pair, "body": self._body(body)})
            case Template():
                return self._template(term)
        raise AssertionError(f"no term: {term!r}")

    def _template(self, template: Template) -> _Json:
        parts = [self._part(part) for part in template.parts]
        raw = template.span.text.startswith("$`")
        return _term("templatestring", {"parts": parts or None, "multi_line": raw})

    def _part(self, part: str | Term | Literal) -> _Json:
        if isinstance(part, str):
            return _term("string", part)
        if isinstance(part, Literal):
            return self._literal(part, 0)
        if isinstance(part, Scalar):
            return self.term(part)
        return {"index": 0, "terms": self._call(part) if isinstance(part, Call) else self.term(part)}


def _older_form(rule: Rule, ref: list[_Json]) -> _Json:
    """The name and key that heads of two parts had before there were longer ones."""
    head = rule.head
    found: _Json = {}
    if rule.body:
        if head.args is None and (isinstance(head.ref[1], Ref) or not _is_ground(head.ref[1])):
            found["key"] = ref[1]
        if head.value is not None:
            found["name"] = ref[0]["value"]
    elif head.args is None and head.value is not None:
        found = {"key": ref[1], "name": ref[0]["value"]}
    return found


_KINDS: Final = (
    *("null", "boolean", "number", "string", "var", "ref", "array", "object", "set"),
    *("arraycomprehension", "objectcomprehension", "setcomprehension", "call", "templatestring"),
)
_ORDER: Final = {kind: rank for rank, kind in enumerate(_KINDS)}
_LISTED: Final = frozenset({"ref", "array", "set", "call"})


def _settled(made: Iterable[Value], by: Callable[[Value], _Json]) -> list[Value]:
    """The members of a set or the pairs of an object in Rego's order, each once; of equal keys, the last counts."""
    found = {_place(by(one)): one for one in made}
    return [found[place] for place in sorted(found)]


def _place(term: _Json) -> tuple[Any, ...]:
    """Where a term stands among others: comparable with that of any other term."""
    kind, value = term["type"], term["value"]
    rank = _ORDER[kind]
    if kind == "null":
        return (rank,)
    if kind in _LISTED:
        return (rank, tuple(map(_place, value)))
    if kind == "object":
        keys = tuple(_place(one) for one, _ in value)
        return (rank, keys, tuple(_place(other) for _, other in value))
    return (rank, value) if type(value) is not dict else (rank, repr(value))


def _is_ground(term: Term) -> bool:
    """Whether there is no variable in a term, the heads of references apart."""
    return not any(True for _ in open_vars(term))


def _always() -> _Json:
    return {"index": 0, "terms": _term("boolean", True), "generated": True}


def _term(kind: str, value: Value) -> _Json:
    return {"type": kind, "value": value}


def _reference(head: str, *path: str) -> _Json:
    return _term("ref", [_term("var", head), *(_term("string", part) for part in path)])


def _scalar(value: Any) -> _Json:
    if value is None:
        return _term("null", {})
    if isinstance(value, bool):
        return _term("boolean", value)
    if isinstance(value, str):
        return _term("string", value)
    return _term("number", exact_number(value) if isinstance(value, Decimal) else value)


BUILTINS: Final = pure({_NAME: parsed_module})
