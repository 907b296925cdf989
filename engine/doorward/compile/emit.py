"""From plan to Python, without any cleverness: one method a step.

An answer that gives up leaves its block (`break`) or goes on with the next member of its loop (`continue`).
`c` is the
context of the call, `v…` are the locals of the plan, `t…` what the emitter needs itself, `k…` constants,
`r…` units,
`h_…` the functions of `doorward.run`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from doorward.compile import plan
from doorward.compile.kinds import keys_of, members_of, parts_of
from doorward.compile.names import Names
from doorward.compile.operands import OperandWriter
from doorward.compile.plan import Block, Const, Local, Operand, Place, Step, Table
from doorward.compile.python import assigned
from doorward.run.lookup import Prefixes

__all__ = ["Emitter"]

_DEEPEST_NESTING: Final = 12
"""Python refuses more than twenty blocks inside one another; deeper loops go on in a function of their
own."""

_LOOK_UPS: Final = {"equal": "h_by_value", "has": "h_by_member", "prefix": "h_by_prefix"}

Give = Callable[[], list[ast.stmt]]
"""Makes the statements for one answer."""
Done = Callable[[], ast.expr]
"""Makes the test for having had an answer, where the first one is enough."""


class Emitter(OperandWriter):
    """Writes the statements of one Python function."""

    def __init__(self, names: Names) -> None:
        super().__init__(names)
        self.context = "c"
        self._contexts: list[str] = []
        self._nesting = 0
        self._arrays: set[int] = set()

    def read(self, name: str, place: Place) -> list[ast.stmt]:
        """Leaves what stands at a place in a variable, defined or not."""
        w = self.write
        root, *path = place
        source = w.attribute(w.load(self.context), "input") if root == "input" else w.load(f"v{root}")
        out = [w.assign(name, source)]
        out += [w.assign(name, self.member(w.load(name), str(step))) for step in path]
        return out

    def chosen(
        self,
        table: Table,
        functions: Mapping[int, Callable[..., Any]],
        args: list[ast.expr],
        use: Callable[[ast.expr], list[ast.stmt]],
    ) -> list[ast.stmt]:
        """Calls those functions of a table that the request can concern, and uses what each gives."""
        w = self.write
        place, one = self.temporary(), self.temporary()
        by_value: Any = {v: tuple(functions[at] for at in ats) for v, ats in table.buckets.items()}
        if table.how == "prefix":
            by_value = Prefixes(by_value)
        known = w.load(self.names.constant(by_value))
        source = w.call(_LOOK_UPS[table.how], w.load(self.context), known, w.load(place))
        return [*self.read(place, table.place), w.loop([one], source, use(w.call(one, *args)))]

    # --- blocks ---

    def block(self, block: Block, give: Give, done: Done | None) -> list[ast.stmt]:
        """All steps of a block; `give` for each answer, or for the first one only where `done` says how to
        see it."""
        if not block.steps:
            return give()
        context, contexts = self.context, list(self._contexts)
        arrays, domains = set(self._arrays), dict(self.domains)
        self._nesting += 1
        if self._nesting > _DEEPEST_NESTING:
            statements = self._apart(block, give, done)
        else:
            body = self._steps(block.steps, give, done, in_loop=False)
            statements = [self.write.once([*body, self.write.leave()])]
        self._nesting -= 1
        self.context, self._contexts, self._arrays, self.domains = context, contexts, arrays, domains
        return statements

    def _apart(self, block: Block, give: Give, done: Done | None) -> list[ast.stmt]:
        """The block as a function inside the function, where Python starts counting its nesting anew."""
        made_before = self._temporaries
        nesting, self._nesting = self._nesting, 0
        body = self._steps(block.steps, give, done, in_loop=False)
        self._nesting = nesting
        w, name = self.write, self.temporary()
        whole: list[ast.stmt] = [w.once([*body, w.leave()])]
        # Results outlive the function; what its own steps set (locals, later temporaries) does not.
        inner = [n for n in assigned(whole) if n[0] == "v" or (n[0] == "t" and int(n[1:]) > made_before)]
        if shared := sorted(assigned(whole).difference(inner)):
            whole.insert(0, w.outer(shared))
        return [w.function(name, [], whole), w.do(w.call(name))]

    def _steps(
        self, steps: Sequence[Step], give: Give, done: Done | None, *, in_loop: bool
    ) -> list[ast.stmt]:
        w = self.write
        out: list[ast.stmt] = []
        give_up = w.skip if in_loop else w.leave
        for at, step in enumerate(steps):
            w.line = step.span.line
            match step:
                case plan.Scan():
                    names, source, first = self._scan(step)
                    out += self._loop(names, source, first, steps[at + 1 :], give, done, step)
                    return out
                case plan.Walk(to, name, args):
                    outputs = self.temporary()
                    out += self._builtin(outputs, name, args, step)
                    out.append(w.when(self.is_undefined(outputs), [give_up()]))
                    source = w.call("h_outputs", w.load(self.context), w.load(outputs))
                    out += self._loop([f"v{to.id}"], source, [], steps[at + 1 :], give, done, step)
                    return out
                case plan.With():
                    out += self._with(step)
                case plan.EndWith():
                    self.context = self._contexts.pop()
                case _:
                    statements, test = self._step(step)
                    out += statements
                    if test is not None:
                        out.append(w.when(test, [give_up()]))
        out += give()
        if done is not None and in_loop:
            out.append(w.leave())
        return out

    def _loop(
        self,
        names: list[str],
        source: ast.expr,
        first: list[ast.stmt],
        rest: Sequence[Step],
        give: Give,
        done: Done | None,
        step: Step,
    ) -> list[ast.stmt]:
        w = self.write
        line = w.line
        self._nesting += 1
        if self._nesting > _DEEPEST_NESTING:
            inner = self._apart(Block(tuple(rest), (), False), give, done)
            if done is not None:
                inner.append(w.when(done(), [w.leave()]))
        else:
            inner = self._steps(rest, give, done, in_loop=True)
        self._nesting -= 1
        w.line = line
        out = [w.loop(names, source, [*first, *inner] or [w.skip()])]
        if done is not None:
            out.append(w.when(done(), [w.leave()]))
        return out

    def _scan(self, step: plan.Scan) -> tuple[list[str], ast.expr, list[ast.stmt]]:
        w = self.write
        context, source = w.load(self.context), self.operand(step.source)
        domain = self.domain(step.source)
        self.learn(step.value, members_of(domain))
        self.learn(step.key, keys_of(domain))
        value = f"v{step.value.id}" if step.value is not None else self.temporary()
        if step.branch:
            key = f"v{step.key.id}" if step.key is not None else self.temporary()
            return [key, value], w.call("h_branch_pairs", context, source, w.constant(step.ordered)), []
        if step.key is None:
            return [value], w.call("h_values_in_order" if step.ordered else "h_values", context, source), []
        return (
            [f"v{step.key.id}", value],
            w.call("h_pairs_in_order" if step.ordered else "h_pairs", context, source),
            [],
        )

    # --- steps ---

    def _step(self, step: Step) -> tuple[list[ast.stmt], ast.expr | None]:
        """The statements of a step, and the test under which the answer at hand is given up."""
        w = self.write
        match step:
            case plan.Input(to):
                name = f"v{to.id}"
                return [w.assign(name, w.attribute(w.load(self.context), "input"))], self.is_undefined(name)
            case plan.Defined(source):
                return [], self.is_undefined(f"v{source.id}")
            case plan.Base(to):
                return [w.assign(f"v{to.id}", w.attribute(w.load(self.context), "data"))], None
            case plan.Get(to):
                return self._get(f"v{to.id}", step)
            case plan.Branch(to, path):
                place = w.load(self.names.place(path))
                names = w.tuple_of([w.constant(name) for name in path])
                made = w.call("h_branch_at", w.load(self.context), place, names)
                return [w.assign(f"v{to.id}", made)], None
            case plan.Settle(to, source):
                name = f"v{to.id}"
                made = w.call("h_settle", w.load(self.context), self.operand(source))
                return [w.assign(name, made)], self.is_undefined(name)
            case plan.RuleCall(to, unit):
                return self._rule(f"v{to.id}", unit), self.is_undefined(f"v{to.id}")
            case plan.MakeArray(to, items):
                return [w.assign(f"v{to.id}", w.list_of([self.operand(item) for item in items]))], None
            case plan.MakeSet(to, items):
                return [w.assign(f"v{to.id}", w.set_of([self.key(item) for item in items]))], None
            case plan.MakeObject(to, pairs):
                made = w.dict_of([(self.key(k), self.operand(v)) for k, v in pairs])
                return [w.assign(f"v{to.id}", made)], None
            case plan.Collect():
                return self._collect(step), None
            case plan.FunctionCall() | plan.MockCall():
                return self._function(step), self.is_undefined(f"v{step.to.id}")
            case plan.BuiltinCall(to, name, args, mockable):
                return self._mockable(f"v{to.id}", name, args, mockable, step), self.is_undefined(f"v{to.id}")
            case plan.Compute(to, operator, left, right):
                return self._compute(f"v{to.id}", operator, left, right, step)
            case plan.Test(operator, left, right):
                return [], w.negate(self.comparison(operator, left, right))
            case plan.Truthy(Const(value)):
                return [], w.constant(True) if value is False else None
            case plan.Truthy(source):
                return [], w.same(self.operand(source), w.constant(False))
            case plan.Shape(kind, source, size):
                return self._shape(kind, source, size)
            case plan.Never():
                return [], w.constant(True)
            case plan.Absent(block):
                found = self.temporary()
                statements = [w.assign(found, w.constant(False))]
                statements += self.block(
                    block, lambda: [w.assign(found, w.constant(True))], lambda: w.load(found)
                )
                return statements, w.load(found)
            case plan.ForAll():
                return self._for_all(step)
        raise AssertionError(f"not a step: {step!r}")

    def _get(self, name: str, step: plan.Get) -> tuple[list[ast.stmt], ast.expr | None]:
        w, source = self.write, self.operand(step.source)
        if step.branch:
            made = w.call("h_branch_get", w.load(self.context), source, self.operand(step.key))
        elif isinstance(step.source, Local) and isinstance(step.key, Const) and type(step.key.value) is str:
            made = self.member(source, step.key.value, self.kind(step.source))
            self.learn(step.to, parts_of(self.domain(step.source), step.key.value))
        elif (
            isinstance(step.source, Local) and isinstance(step.key, Const) and step.source.id in self._arrays
        ):
            return [w.assign(name, w.item(source, self.operand(step.key)))], None
        elif isinstance(step.key, Local):
            made = self.member_at(step.source, step.key)
            self.learn(step.to, members_of(self.domain(step.source)))
        else:
            made = w.call("h_get", source, self.operand(step.key))
        return [w.assign(name, made)], self.is_undefined(name)

    def _rule(self, name: str, unit: int) -> list[ast.stmt]:
        w = self.write
        context = w.load(self.context)
        known = w.method(w.attribute(context, "memo"), "get", w.constant(unit), w.load("M"))
        made = w.assign(name, w.call(self.names.unit(unit), context))
        return [w.assign(name, known), w.when(w.same(w.load(name), w.load("M")), [made])]

    def _collect(self, step: plan.Collect) -> list[ast.stmt]:
        w, name = self.write, f"v{step.to.id}"
        result = step.block.result
        match step.kind:
            case "array":
                empty = w.list_of([])
                add = w.do(w.method(w.load(name), "append", self.operand(result[0])))
            case "set":
                empty = w.call("set")
                add = w.do(w.method(w.load(name), "add", self.key(result[0])))
            case "object":
                empty = w.dict_of([])
                add = self.put(name, result, step)
        return [w.assign(name, empty), *self.block(step.block, lambda: [add], None)]

    def put(self, name: str, result: Sequence[Operand], step: Step | plan.Unit) -> ast.stmt:
        """Set a key of the object in the making."""
        w = self.write
        parts = [self.operand(part) for part in result]
        return w.do(w.call("h_put", w.load(name), *parts, self.span(step)))

    def _function(self, step: plan.FunctionCall | plan.MockCall) -> list[ast.stmt]:
        w, name = self.write, f"v{step.to.id}"
        args = [w.load(self.context), *map(self.operand, step.args)]
        if isinstance(step, plan.FunctionCall) and not step.mockable:
            return [w.assign(name, w.call(self.names.unit(step.unit), *args))]
        plain = (
            w.load(self.names.unit(step.unit)) if isinstance(step, plan.FunctionCall) else w.load("h_nothing")
        )
        mock = w.call("h_mock_of", w.load(self.context), w.constant(step.name), plain)
        return [w.assign(name, w.call(mock, *args))]

    def _mockable(
        self, name: str, builtin: str, args: Sequence[Operand], mockable: bool, step: Step
    ) -> list[ast.stmt]:
        w = self.write
        plain = self._builtin(name, builtin, args, step)
        if not mockable:
            return plain
        mock = self.temporary()
        found = w.call("h_mock_of", w.load(self.context), w.constant(builtin), w.constant(None))
        mocked = w.call(mock, w.load(self.context), *map(self.operand, args))
        return [
            w.assign(mock, found),
            w.when(w.same(w.load(mock), w.constant(None)), plain, [w.assign(name, mocked)]),
        ]

    def _builtin(self, name: str, builtin: str, args: Sequence[Operand], step: Step) -> list[ast.stmt]:
        w = self.write
        function, needs_call = self.names.builtin(builtin)
        passed = [w.load(self.context)] if needs_call else []
        called = w.call(function, *passed, *map(self.operand, args))
        error = self.temporary()
        failed = w.call("h_builtin_failed", w.load(self.context), w.load(error), self.span(step))
        return [w.attempt([w.assign(name, called)], "BuiltinFailure", error, [w.assign(name, failed)])]

    def _compute(
        self, name: str, operator: plan.Operator, left: Operand, right: Operand, step: Step
    ) -> tuple[list[ast.stmt], ast.expr | None]:
        w = self.write
        if operator not in ("plus", "minus"):
            return [w.assign(name, self.comparison(operator, left, right))], None
        one, other = self.operand(left), self.operand(right)
        small = [w.has_type(part, "int") for part, o in ((one, left), (other, right)) if not _is_int(o)]
        python = w.binary(one, ast.Add() if operator == "plus" else ast.Sub(), other)
        slow = self._builtin(name, operator, (left, right), step)
        if not small:
            return [w.assign(name, python)], None
        test = w.both(*small) if len(small) > 1 else small[0]
        return [w.when(test, [w.assign(name, python)], slow)], self.is_undefined(name)

    def _shape(self, kind: str, source: Operand, size: int) -> tuple[list[ast.stmt], ast.expr | None]:
        w, value = self.write, self.operand(source)
        if kind == "object":
            fits = w.has_type(value, "dict")
        else:
            fits = w.either(w.has_type(value, "list"), w.has_type(value, "tuple"))
            if isinstance(source, Local):
                self._arrays.add(source.id)
        measured = w.compare(w.call("len", value), ast.Eq(), w.constant(size))
        return [], w.negate(w.both(fits, measured))

    def _for_all(self, step: plan.ForAll) -> tuple[list[ast.stmt], ast.expr | None]:
        w = self.write
        holds, found = self.temporary(), self.temporary()
        context, source = w.load(self.context), self.operand(step.source)
        if step.key is None:
            names, members = [f"v{step.value.id}"], w.call("h_values", context, source)
        else:
            names, members = [f"v{step.key.id}", f"v{step.value.id}"], w.call("h_pairs", context, source)
        line = w.line
        self._nesting += 1
        inner = self.block(step.block, lambda: [w.assign(found, w.constant(True))], lambda: w.load(found))
        self._nesting -= 1
        w.line = line
        body = [
            w.assign(found, w.constant(False)),
            *inner,
            w.when(w.negate(w.load(found)), [w.assign(holds, w.constant(False)), w.leave()]),
        ]
        return (
            [w.assign(holds, w.call("h_is_collection", source)), w.loop(names, members, body)],
            w.negate(w.load(holds)),
        )

    def _with(self, step: plan.With) -> list[ast.stmt]:
        w = self.write
        inner = self.temporary()
        out = [w.assign(inner, w.method(w.load(self.context), "nested"))]
        for change in step.changes:
            match change:
                case plan.ReplaceInput(path, value):
                    place = w.tuple_of([self.operand(part) for part in path])
                    present = w.attribute(w.load(inner), "input")
                    made = w.call("h_patch", present, place, self.operand(value))
                    out.append(w.assign_attribute(w.load(inner), "input", made))
                case plan.ReplaceData(overlay, value):
                    place = w.tuple_of([w.constant(name) for name in overlay.path])
                    units = w.load(self.names.constant(overlay.units))
                    out.append(
                        w.do(w.call("h_replace_data", w.load(inner), place, units, self.operand(value)))
                    )
                case plan.MockFunction(name, constant, unit, builtin):
                    if unit is not None:
                        mock = w.load(self.names.unit(unit))
                    elif builtin is not None:
                        function, needs_call = self.names.builtin(builtin)
                        mock = w.call(
                            "h_builtin_mock", w.load(function), w.constant(needs_call), self.span(step)
                        )
                    elif constant is not None:
                        mock = w.call("h_value_mock", self.operand(constant))
                    out.append(w.do(w.call("h_mock", w.load(inner), w.constant(name), mock)))
        self._contexts.append(self.context)
        self.context = inner
        return out


def _is_int(operand: Operand) -> bool:
    return isinstance(operand, Const) and type(operand.value) is int
