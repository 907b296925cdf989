"""Generated policies, as text: rules that use one another, on requests and data that make them hold now and then.

Everything is drawn so that it shrinks to something short, and so that most of it compiles: a variable is bound
before it is used, and a rule uses only rules above it. A definition that the checks refuse all the same is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from doorward_dsl import PolicyError, Source, parse_module
from doorward_dsl.compile import compile_modules

__all__ = ["documents", "governing", "packages", "values"]

Draw = Callable[[st.SearchStrategy[Any]], Any]

# Few names and few values: what is compared must meet now and then.
_KEYS = ["a", "b", "c"]
_SCALARS = [1, "a", 0, 2, "b", True, False, None, "c", 1.5, -1]
_VARIABLES = ["x", "y", "z", "v", "w"]

scalars = st.sampled_from(_SCALARS)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(_KEYS), inner, max_size=3)
    ),
    max_leaves=6,
)
collections = st.one_of(
    st.lists(values, min_size=1, max_size=3), st.dictionaries(st.sampled_from(_KEYS), values, min_size=1)
)
documents = st.one_of(st.dictionaries(st.sampled_from(_KEYS), st.one_of(collections, values)), values)

_LITERALS = [
    "1",
    '"a"',
    "0",
    "2",
    '"b"',
    "true",
    "false",
    "null",
    "1.5",
    "[]",
    "{}",
    "set()",
    '{"a", 1}',
    "[1, 2]",
]
_LITERALS += ['{"a": 1, "b": [2]}', "{1: true}", '{["a"], "b"}', "{true: 1, 1: 2}"]
_UNARY = [
    "count({})",
    "sum({})",
    "to_number({})",
    "sort({})",
    "upper({})",
    "is_string({})",
    "object.keys({})",
]
_UNARY += ["max({})", "type_name({})", "abs({})", "array.reverse({})", "json.marshal({})"]
_BINARY = ["{} + {}", "{} - {}", "{} * {}", "{} / {}", "{} | {}", "{} & {}", "{} % {}"]
_BINARY += ["array.concat({}, {})", "object.union({}, {})", "startswith({}, {})", "intersection({{{}, {}}})"]
_COMPARISONS = ["==", "!=", "<", ">=", "in", "="]
_REPLACEABLE = ["count", "to_number", "type_name"]


@dataclass
class _Rule:
    name: str
    kind: str
    """complete, set, object or function"""
    arity: int = 0


@dataclass
class _Scope:
    """What a body can use at a place: rules above, and variables bound before."""

    rules: list[_Rule]
    bound: list[str] = field(default_factory=list)
    own: set[str] = field(default_factory=set)
    """Variables that this body has declared, or used."""

    def inner(self) -> _Scope:
        return _Scope(self.rules, list(self.bound))

    def bind(self, name: str) -> None:
        if name not in self.bound:
            self.bound.append(name)
        self.own.add(name)


class _Writer:
    """Draws terms and bodies."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw

    def pick(self, *options: Any) -> Any:
        return self._draw(st.sampled_from(options))

    def chance(self, one_in: int) -> bool:
        return bool(self._draw(st.integers(0, one_in - 1)) == one_in - 1)

    def many(self, least: int, most: int) -> range:
        return range(self._draw(st.integers(least, most)))

    # --- terms ---

    def term(self, scope: _Scope, depth: int = 2) -> str:
        """A term that binds nothing."""
        forms: list[Callable[[_Scope, int], str]] = [self._literal, self._reference]
        if scope.bound:
            forms += [self._variable, self._variable]
        if scope.rules:
            forms += [self._rule, self._rule]
        if depth > 0:
            forms += [self._unary, self._binary, self._composite, self._comprehension, self._template]
        return str(self.pick(*forms)(scope, depth - 1))

    def _literal(self, scope: _Scope, depth: int) -> str:
        return str(self.pick(*_LITERALS))

    def _variable(self, scope: _Scope, depth: int) -> str:
        name = str(self.pick(*scope.bound))
        scope.own.add(name)
        return name + self._path(scope, depth) if self.chance(4) else name

    def _reference(self, scope: _Scope, depth: int) -> str:
        return str(self.pick("input", "data.base", "input.a", "data.base.b")) + self._path(scope, depth)

    def _rule(self, scope: _Scope, depth: int) -> str:
        rule = self.pick(*scope.rules)
        if rule.kind == "function":
            return self._call(rule, scope, depth)
        return rule.name + (self._path(scope, depth) if self.chance(2) else "")

    def _call(self, rule: _Rule, scope: _Scope, depth: int) -> str:
        return f"{rule.name}({', '.join(self.term(scope, min(depth, 1)) for _ in range(rule.arity))})"

    def _path(self, scope: _Scope, depth: int) -> str:
        return "".join(self._step(scope) for _ in self.many(0, 2))

    def _step(self, scope: _Scope) -> str:
        steps = [".a", ".b", "[0]", '["c"]', "[_]", "[1]"]
        if scope.bound:
            name = self.pick(*scope.bound)
            scope.own.add(name)
            steps += [f"[{name}]"] * 3
        return str(self.pick(*steps))

    def loose(self, scope: _Scope, depth: int) -> str:
        """A term of no known type, which nothing can be refused for."""
        forms: list[Callable[[_Scope, int], str]] = [self._reference]
        if scope.bound:
            forms += [self._variable, self._variable]
        if scope.rules:
            forms.append(self._rule)
        return str(self.pick(*forms)(scope, depth))

    def domain(self, scope: _Scope, depth: int) -> str:
        """A term that may have members."""
        forms: list[Callable[[_Scope, int], str]] = [self.loose, self.loose]
        if depth > 0:
            forms += [self._composite, self._comprehension]
        return str(self.pick(*forms)(scope, depth - 1))

    def _unary(self, scope: _Scope, depth: int) -> str:
        return str(self.pick(*_UNARY)).format(self.loose(scope, depth))

    def _binary(self, scope: _Scope, depth: int) -> str:
        left, right = self.loose(scope, depth), self.loose(scope, depth)
        made = str(self.pick(*_BINARY)).format(left, right)
        return made if made.endswith(")") and "(" in made[:14] else f"({made})"

    def _composite(self, scope: _Scope, depth: int) -> str:
        parts = [self.term(scope, depth) for _ in self.many(1, 2)]
        form = self.pick("array", "set", "object")
        if form == "array":
            return f"[{', '.join(parts)}]"
        if form == "set":
            return f"{{{', '.join(parts)}}}"
        keys = [self._key(scope) for _ in parts]
        return "{" + ", ".join(f"{name}: {part}" for name, part in zip(keys, parts, strict=True)) + "}"

    def _key(self, scope: _Scope) -> str:
        names = [f'"{name}"' for name in _KEYS] + scope.bound
        name = str(self.pick(*names))
        if name in scope.bound:
            scope.own.add(name)
        return name

    def _comprehension(self, scope: _Scope, depth: int) -> str:
        inner = scope.inner()
        body = self.body(inner, 1, 2, depth)
        head = self.term(inner, 0)
        form = self.pick("[{} | {}]", "{{{} | {}}}", "{{{}: {} | {}}}")
        if form == "{{{}: {} | {}}}":
            return str(form).format(self.term(inner, 0), head, body)
        return str(form).format(head, body)

    def _template(self, scope: _Scope, depth: int) -> str:
        part = self.pick("input.a", "data.base.a", *scope.bound)
        if part in scope.bound:
            scope.own.add(part)
        return f'$"<{{{part}}}>"'

    # --- bodies ---

    def body(self, scope: _Scope, least: int, most: int, depth: int = 2) -> str:
        """Expressions on one line; what they bind is bound in the scope then."""
        return "; ".join(self.expression(scope, depth) for _ in self.many(least, most))

    def expression(self, scope: _Scope, depth: int) -> str:
        forms = [self._test, self._test, self._truth, self._assign, self._some, self._equation]
        forms += [self._running, self._negation, self._replacing]
        if depth > 0:
            forms += [self._every, self._walk]
        return str(self.pick(*forms)(scope, depth))

    def _truth(self, scope: _Scope, depth: int) -> str:
        return self.term(scope, depth)

    def _test(self, scope: _Scope, depth: int) -> str:
        return f"{self.loose(scope, depth)} {self.pick(*_COMPARISONS)} {self.term(scope, depth)}"

    def _fresh(self, scope: _Scope) -> str | None:
        """A name that is free here; now and then one that hides another from further out."""
        free = [name for name in _VARIABLES if name not in scope.bound]
        hidden = [name for name in scope.bound if name not in scope.own]
        if hidden and (not free or self.chance(4)):
            return str(self.pick(*hidden))
        return str(self.pick(*free)) if free else None

    def _unbound(self, scope: _Scope) -> str | None:
        free = [name for name in _VARIABLES if name not in scope.bound]
        return str(self.pick(*free)) if free else None

    def _assign(self, scope: _Scope, depth: int) -> str:
        value = self.term(scope, depth)
        name = self._fresh(scope)
        if name is None:
            return value
        scope.bind(name)
        return f"{name} := {value}"

    def _some(self, scope: _Scope, depth: int) -> str:
        domain = self.domain(scope, depth)
        names = [name for name in _VARIABLES if name not in scope.bound]
        if not names:
            return f"1 in {domain}"
        first = self.pick(*names)
        others = [name for name in names if name != first]
        if others and self.chance(3):
            second = self.pick(*others)
            scope.bind(first)
            scope.bind(second)
            return f"some {first}, {second} in {domain}"
        scope.bind(first)
        pattern = self.pick(first, first, f'["a", {first}]', f"[{first}, _]", f'{{"a": {first}}}')
        return f"some {pattern} in {domain}"

    def _equation(self, scope: _Scope, depth: int) -> str:
        value = self.loose(scope, depth)
        name = self._unbound(scope)
        if name is None:
            return value
        other = self.term(scope, 0)
        patterns = [name, f"[{name}, {other}]", f"[{other}, {name}]", f'{{"a": {name}}}']
        patterns += [f'{{"a": {other}, "b": {name}}}', f"[{name}, [{name}, _]]", f"[_, {name}]"]
        pattern = str(self.pick(*patterns))
        scope.bind(name)
        return self.pick(f"{pattern} = {value}", f"{value} = {pattern}")  # type: ignore[no-any-return]

    def _running(self, scope: _Scope, depth: int) -> str:
        heads = ["input", "data.base", "input.a", "data.base.b", *scope.bound]
        heads += [rule.name for rule in scope.rules if rule.kind != "function"] * 2
        head = self.pick(*heads)
        name = self._unbound(scope)
        if head in scope.bound:
            scope.own.add(head)
        if name is None:
            return f"{head}[_]"
        rest = self.pick("", "", "[_]", ".a", " == 1")
        scope.bind(name)
        other = self._unbound(scope)
        if other is not None and self.chance(3):
            scope.bind(other)
            return f"{other} = {head}[{name}]{'' if rest == ' == 1' else rest}"
        return f"{head}[{name}]{rest}"

    def _negation(self, scope: _Scope, depth: int) -> str:
        return f"not {self.pick(self._truth, self._test)(scope, depth)}"

    def _every(self, scope: _Scope, depth: int) -> str:
        domain = self.domain(scope, depth - 1)
        inner = scope.inner()
        names = [name for name in _VARIABLES if name not in scope.bound]
        if not names:
            return domain
        inner.bind(names[0])
        head = names[0]
        if len(names) > 1 and self.chance(3):
            inner.bind(names[1])
            head = f"{names[0]}, {names[1]}"
        return f"every {head} in {domain} {{ {self.body(inner, 1, 2, depth - 1)} }}"

    def _walk(self, scope: _Scope, depth: int) -> str:
        names = [name for name in _VARIABLES if name not in scope.bound]
        if len(names) < 2:
            return "input"
        source = self.pick("input", "data.base", "input.a")
        scope.bind(names[0])
        scope.bind(names[1])
        return f"walk({source}, [{names[0]}, {names[1]}])"

    def _replacing(self, scope: _Scope, depth: int) -> str:
        expression = self.pick(self._truth, self._test, self._assign, self._some, self._negation)
        outside = scope.inner()
        changes = [self._change(outside) for _ in self.many(1, 2)]
        return f"{expression(scope, depth)} {' '.join(changes)}"

    def _change(self, scope: _Scope) -> str:
        functions = [rule for rule in scope.rules if rule.kind == "function"]
        targets = ["input", "input.a", "input.b", "data.base", "data.base.a", "data.base.b.c", *_REPLACEABLE]
        targets += [f"data.p.{rule.name}" for rule in scope.rules]
        target = str(self.pick(*targets))
        if target in _REPLACEABLE and self.chance(2):
            fitting = [rule.name for rule in functions if rule.arity == 1]
            return f"with {target} as {self.pick('is_string', *_REPLACEABLE, *fitting)}"
        for rule in functions:
            fitting = [other.name for other in functions if other.arity == rule.arity]
            if target == f"data.p.{rule.name}" and self.chance(2):
                return f"with {target} as {self.pick(*fitting)}"
        return f"with {target} as {self.term(scope, 1)}"

    # --- rules ---

    def rules(self, number: int, above: list[_Rule]) -> tuple[list[str], _Rule]:
        """The definitions of one rule or function."""
        name = f"r{number}"
        kind = self.pick("complete", "complete", "set", "object", "function", "parts")
        define = {
            "complete": self._complete,
            "set": self._set,
            "object": self._object,
            "function": self._function,
            "parts": self._parts,
        }[kind]
        rule = _Rule(
            name, {"parts": "object"}.get(kind, kind), self.pick(1, 1, 2) if kind == "function" else 0
        )
        return define(rule, above), rule

    def _condition(self, scope: _Scope) -> str:
        body = self.body(scope, 0, 3)
        return f" if {{ {body} }}" if body else ""

    def _complete(self, rule: _Rule, above: list[_Rule]) -> list[str]:
        texts = [f"default {rule.name} := {self._literal(_Scope([]), 0)}"] if self.chance(4) else []
        texts += [self._definition(rule.name, above) for _ in self.many(1, 3)]
        return texts

    def _definition(self, head: str, above: list[_Rule], bound: tuple[str, ...] = ()) -> str:
        scope = _Scope(above, list(bound), set(bound))
        condition = self._condition(scope)
        if condition and self.chance(2):
            text = f"{head}{condition}"  # worth true
        else:
            text = f"{head} := {self.term(scope, 1)}{condition}"
        while condition and self.chance(3):
            scope = _Scope(above, list(bound), set(bound))
            condition = self._condition(scope)
            text += f" else := {self.term(scope, 1)}{condition}"
        return text

    def _set(self, rule: _Rule, above: list[_Rule]) -> list[str]:
        texts = []
        for _ in self.many(1, 3):
            scope = _Scope(above)
            condition = self._condition(scope)
            texts.append(f"{rule.name} contains {self.term(scope, 1)}{condition}")
        return texts

    def _object(self, rule: _Rule, above: list[_Rule]) -> list[str]:
        texts = []
        for _ in self.many(1, 3):
            scope = _Scope(above)
            condition = self._condition(scope)
            texts.append(f"{rule.name}[{self._part(scope)}] := {self.term(scope, 1)}{condition}")
        return texts

    def _part(self, scope: _Scope) -> str:
        return self.term(scope, 0) if self.chance(4) else self._key(scope)

    def _parts(self, rule: _Rule, above: list[_Rule]) -> list[str]:
        texts = []
        for _ in self.many(1, 3):
            scope = _Scope(above)
            condition = self._condition(scope)
            path = "".join(self.pick(".a", ".b", f"[{self._part(scope)}]") for _ in self.many(1, 2))
            if self.chance(3):
                texts.append(f"{rule.name}{path} contains {self.term(scope, 0)}{condition}")
            else:
                texts.append(f"{rule.name}{path} := {self.term(scope, 1)}{condition}")
        return texts

    def _function(self, rule: _Rule, above: list[_Rule]) -> list[str]:
        texts = []
        if self.chance(4):
            texts.append(f"default {rule.name}({', '.join('_' * rule.arity)}) := {self.pick(*_LITERALS)}")
        for _ in self.many(1, 3):
            args, bound = [], []
            for name in ("m", "n")[: rule.arity]:
                args.append(
                    self.pick(name, name, f"[{name}, _]", f'{{"a": {name}}}', self.pick(*_LITERALS[:6]))
                )
                bound += [name] if name in args[-1] and not args[-1].startswith(("nu", "tr", "fa")) else []
            texts.append(self._definition(f"{rule.name}({', '.join(args)})", above, tuple(bound)))
        return texts

    # --- statements ---

    def statement(self, number: int, above: list[_Rule]) -> str:
        """A Ward statement."""
        scope = _Scope(above)
        body = self.body(scope, 0, 3)
        condition = f" if {{ {body} }}" if body else ""
        if self.chance(3):
            condition += f" unless {{ {self.body(scope.inner(), 1, 2)} }}"
        reason = self.pick("", f'"s{number}" ', *(f'$"s{number} {{{name}}}" ' for name in scope.bound))
        groups = ['"dba"', *scope.bound, "input.a"]
        head = self.pick(
            f"allow {reason}",
            f"block {reason}",
            f"block {reason}",
            f"mask {reason}t.a, *.b with partial(4)",
            f"mask {reason}{self.pick('t.c', *scope.bound)} with hash",
            f'approve {reason}by {self.pick(*groups)}, "dba" within 15m',
            f"credential {reason}ttl 60s single_use",
            f"credential {reason}ttl 60s as {self.pick(*groups)}",
        )
        return f"{head}{condition}"


@st.composite
def packages(draw: Draw) -> str:
    """A package `p` of rules `r0`, `r1`, …"""
    return _assemble(_Writer(draw), "package p\n", 5, statements=0)


@st.composite
def governing(draw: Draw) -> str:
    """A package `p` of rules and of statements about `postgres`."""
    return _assemble(_Writer(draw), "package p\n\ngoverns postgres\n", 3, statements=4)


def _assemble(writer: _Writer, head: str, most: int, *, statements: int) -> str:
    text = head
    rules: list[_Rule] = []
    for number in writer.many(1, most):
        definitions, rule = writer.rules(number, list(rules))
        kept = [text := added for definition in definitions if compiles(added := f"{text}\n{definition}\n")]
        if kept:
            rules.append(rule)
    for number in writer.many(min(statements, 1), statements):
        added = f"{text}\n{writer.statement(number, rules)}\n"
        text = added if compiles(added) else text
    return text


def compiles(text: str) -> bool:
    """Whether the checks accept a policy."""
    try:
        compile_modules([parse_module(Source("p.ward", text))])
    except PolicyError:
        return False
    return True
