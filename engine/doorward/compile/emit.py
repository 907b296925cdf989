"""From plan to Python, without any cleverness: one method a step.

An answer that gives up leaves its block (`break`) or goes on with the next member of its loop (`continue`).
`c` is the context of the call, `v…` are the locals of the plan, `t…` what the emitter needs itself, `k…` constants,
`data_…` rules, `f_…` built-ins, `h_…` the functions of `doorward.run`; `U` is undefined, `E` an empty object.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from doorward.compile import plan
from doorward.compile.kinds import members_of
from doorward.compile.loops import LoopWriter
from doorward.compile.names import Names
from doorward.compile.outline import Table
from doorward.compile.plan import Block, Const, Local, Operand, Step
from doorward.compile.python import assigned
from doorward.run.joins import FEW

__all__ = ["Emitter"]

_DEEPEST_NESTING: Final = 12
"""Python refuses more than twenty blocks inside one another; deeper loops go on in a function of their
own."""

_DEEPEST_CONDITION: Final = 8
"""So many conditions stand inside one another."""

_LOOK_UPS: Final = {"equal": "h_by_value", "has": "h_by_member", "prefix": "h_by_prefix"}

Give = Callable[[], list[ast.stmt]]
"""Makes the statements for one answer."""
Done = Callable[[], ast.expr]
"""Makes the test for having had an answer, where the first one is enough."""
Leave = Callable[[], ast.stmt]
"""Makes the statement that gives up on the answer at hand."""


class Emitter(LoopWriter):
    """Writes the statements of one Python function."""

    def __init__(self, names: Names) -> None:
        super().__init__(names)
        self._contexts: list[str] = []
        self._nesting = 0
        self._arrays: set[int] = set()
        self._once: dict[int, str] = {}

    def chosen(
        self,
        table: Table,
        functions: Mapping[int, str],
        args: list[ast.expr],
        use: Callable[[ast.expr], list[ast.stmt]],
    ) -> list[ast.stmt]:
        """Calls those functions of a table that the request can concern, and uses what each gives."""
        w = self.write
        place, one = self.temporary(), self.temporary()
        known = w.load(self.names.table(table, functions))
        source = w.call(_LOOK_UPS[table.how], w.load(self.context), known, w.load(place))
        return [*self.read(place, table.place), w.loop([one], source, use(w.call(one, *args)))]

    # --- blocks ---

    def block(self, block: Block, give: Give, done: Done | None) -> list[ast.stmt]:
        """All steps of a block; `give` for each answer, or for the first one only where `done` says how to
        see it."""
        if not block.steps:
            return give()
        known = self._known()
        # Answers that are all the same constant come in any order.
        self.in_order = any(isinstance(operand, Local) for operand in block.result)
        self._nesting += 1
        if self._nesting > _DEEPEST_NESTING:
            statements = self._apart(block, give, done)
        else:
            body = self._steps(block.steps, give, done, in_loop=False)
            left = [] if isinstance(body[-1], (ast.Return, ast.Break)) else [self.write.leave()]
            statements = [self.write.once([*body, *left])]
        self._nesting -= 1
        self._forget(known)
        return statements

    def _known(self) -> tuple[Any, ...]:
        facts = set(self._arrays), dict(self.domains), dict(self.kinds), dict(self.members)
        return self.context, list(self._contexts), *facts, self.in_order, self.unpaid, list(self.unproven)

    def _forget(self, known: tuple[Any, ...]) -> None:
        self.context, self._contexts, *facts, self.in_order, self.unpaid, self.unproven = known
        self._arrays, self.domains, self.kinds, self.members = facts

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
        self.unproven = []
        loop = next((at for at, s in enumerate(steps) if isinstance(s, (plan.Scan, plan.Walk))), len(steps))
        for statements, test in self._straight(steps[:loop], give_up):
            out += statements
            if test is not None:
                out.append(w.when(test, [give_up()]))
        if loop < len(steps):
            return [*out, *self._looping(steps[loop], steps[loop + 1 :], give, done, give_up)]
        out += give()
        if done is not None and in_loop:
            out.append(w.leave())
        return out

    def _straight(
        self, steps: Sequence[Step], give_up: Leave | None
    ) -> Iterator[tuple[list[ast.stmt], ast.expr | None]]:
        """Steps without loops among them: the statements of each, and the test under which the answer is given up.

        With `give_up` the statements themselves may give up too.
        """
        w = self.write
        at = 0
        while at < len(steps):
            step = steps[at]
            w.line = step.span.line
            reads = self.leading_reads(steps, at)
            if reads:
                at += len(reads)
                used = {read.source.id for read in reads if read.source is not None}
                if not used.isdisjoint(self.unproven):
                    yield [], self._prove()
                yield self.reads(reads), None
                continue
            at += 1
            if isinstance(step, plan.Defined):
                self.unproven.append(step.source.id)
                continue
            spared = next((side.id for side in self.rejecting(step) if side.id in self.unproven), None)
            undefined = self._undefined(spared)
            statements, test = self._step(step, give_up)
            if not statements and test is not None and undefined:
                yield [], w.any_of([*undefined, *self._parts(test)])
                continue
            if undefined:
                yield [], w.any_of(undefined)
            yield statements, test
        if self.unproven:
            yield [], self._prove()

    @staticmethod
    def _parts(test: ast.expr) -> list[ast.expr]:
        return test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or) else [test]

    def _undefined(self, spared: int | None = None) -> list[ast.expr]:
        """The tests of what may be undefined, which then has been looked at."""
        found = [self.is_undefined(f"v{at}") for at in dict.fromkeys(self.unproven) if at != spared]
        self.unproven = []
        return found

    def _prove(self) -> ast.expr | None:
        undefined = self._undefined()
        return self.write.any_of(undefined) if undefined else None

    def _conditions(self, steps: Sequence[Step], inner: list[ast.stmt]) -> list[ast.stmt]:
        """`inner` where all of the steps hold, as conditions inside one another."""
        w = self.write
        whole: list[ast.stmt] = []
        here = whole
        for statements, test in self._straight(steps, None):
            here += statements
            if test is not None:
                deeper: list[ast.stmt] = []
                here.append(w.when(w.opposite(test), deeper))
                here = deeper
        here += inner
        return whole

    # --- loops ---

    def _looping(
        self, step: Step, rest: Sequence[Step], give: Give, done: Done | None, give_up: Leave
    ) -> list[ast.stmt]:
        w = self.write
        w.line = step.span.line
        unpaid = self.unpaid
        out: list[ast.stmt] = []
        first: list[ast.stmt] = []
        kept: plan.Kept | None = None
        match step:
            case plan.Walk(to, name, args):
                outputs = self.temporary()
                out += self.builtin(outputs, name, args, step)
                out.append(w.when(self.is_undefined(outputs), [give_up()]))
                source = w.call("h_outputs", w.load(self.context), w.load(outputs))
                names = [f"v{to.id}"]
            case plan.Scan():
                before, names, source, first = self.scan(step, rest)
                kept = step.join.kept if step.join is not None and self.is_joined(step) else None
                if kept is not None:
                    out += self._recalled(kept, give_up)
                out += before
            case _:
                raise AssertionError(f"not a loop: {step!r}")
        line = w.line
        self._nesting += 1
        if self._nesting > _DEEPEST_NESTING:
            inner = self._apart(Block(tuple(rest), (), False), give, done)
            if done is not None:
                inner.append(w.when(done(), [w.leave()]))
        else:
            inner = self._steps(rest, give, done, in_loop=True)
        self._nesting -= 1
        self.unpaid = unpaid
        w.line = line
        out.append(w.loop(names, source, [*first, *inner] or [w.skip()]))
        if kept is not None:
            out.append(self._remembered(kept, source))
        if done is not None:
            out.append(w.when(done(), [w.leave()]))
        return out

    def _recalled(self, kept: plan.Kept, give_up: Leave) -> list[ast.stmt]:
        """Takes the result of an earlier round, if there is one."""
        w = self.write
        results, found = w.load(self._once[kept.number]), self.temporary()
        recall = w.assign(found, w.call("h_recall", results, self.wanted(kept.by)))
        take = w.when(
            w.other(w.load(found), w.load("U")), [w.assign(f"v{kept.to.id}", w.load(found)), give_up()]
        )
        return [w.when(w.other(results, w.constant(None)), [recall, take])]

    def _remembered(self, kept: plan.Kept, members: ast.expr) -> ast.stmt:
        """Keeps the result of this round, where it was worth more than finding it again."""
        w = self.write
        name = self._once[kept.number]
        many = w.compare(w.call("len", members), ast.Gt(), w.constant(FEW))
        result = w.call("h_remember", w.load(name), self.wanted(kept.by), w.load(f"v{kept.to.id}"))
        return w.when(w.both(w.has_type(members, "tuple"), many), [w.assign(name, result)])

    # --- steps ---

    def _step(self, step: Step, give_up: Leave | None) -> tuple[list[ast.stmt], ast.expr | None]:
        """The statements of a step, and the test under which the answer at hand is given up."""
        w = self.write
        match step:
            case plan.Read(_, Local() as source):
                return self.known_read(step, source), None
            case plan.Input(to):
                return self._found(to, [w.assign(f"v{to.id}", w.attribute(w.load(self.context), "input"))])
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
                made = w.call("h_settle", w.load(self.context), self.operand(source))
                return self._found(to, [w.assign(f"v{to.id}", made)])
            case plan.RuleCall(to, unit, is_set):
                self.learn_kind(to, "set" if is_set else None)
                return self._found(to, self.rule(f"v{to.id}", unit), defined=is_set)
            case plan.MakeArray(to, items):
                self.learn_kind(to, "list")
                return [w.assign(f"v{to.id}", w.list_of([self.operand(item) for item in items]))], None
            case plan.MakeSet(to, items):
                return [w.assign(f"v{to.id}", w.set_of([self.key(item) for item in items]))], None
            case plan.MakeObject(to, pairs):
                made = w.dict_of([(self.key(k), self.operand(v)) for k, v in pairs])
                return [w.assign(f"v{to.id}", made)], None
            case plan.Collect():
                return self._collect(step), None
            case plan.FunctionCall() | plan.MockCall():
                return self._found(step.to, self.function(step))
            case plan.BuiltinCall(to):
                return self._found(to, self.builtin_call(step))
            case plan.Format(to):
                return self._found(to, self.format(step))
            case plan.Compute(to, operator, left, right):
                return self._compute(to, operator, left, right, step)
            case plan.Test(operator, left, right):
                return [], w.opposite(self.comparison(operator, left, right))
            case plan.Truthy(Const(value)):
                return [], w.constant(True) if value is False else None
            case plan.Truthy(source):
                return [], w.same(self.operand(source), w.constant(False))
            case plan.Shape(kind, source, size):
                return self._shape(kind, source, size)
            case plan.Never():
                return [], w.constant(True)
            case plan.Absent(block):
                return self._absent(block, give_up)
            case plan.ForAll():
                return self._for_all(step)
            case plan.OnceAgain(numbers):
                self._once.update((number, self.temporary()) for number in numbers)
                return [w.assign(self._once[number], w.constant(None)) for number in numbers], None
            case plan.Once(number, steps):
                return self._in_first_round(self._once[number], steps)
            case plan.With():
                inner = self.temporary()
                statements = self.replaced(inner, step)
                self._contexts.append(self.context)
                self.context = inner
                return statements, None
            case plan.EndWith():
                self.context = self._contexts.pop()
                return [], None
        raise AssertionError(f"not a step: {step!r}")

    def _found(
        self, to: Local, statements: list[ast.stmt], *, defined: bool = False
    ) -> tuple[list[ast.stmt], None]:
        """What may be undefined is looked at before it is used."""
        if not defined:
            self.unproven.append(to.id)
        return statements, None

    def _absent(self, block: Block, give_up: Leave | None) -> tuple[list[ast.stmt], ast.expr | None]:
        w = self.write
        if any(isinstance(step, (plan.Scan, plan.Walk)) for step in block.steps):
            found = self.temporary()
            answer = self.block(block, lambda: [w.assign(found, w.constant(True))], lambda: w.load(found))
            return [w.assign(found, w.constant(False)), *answer], w.load(found)
        if give_up is not None and len(block.steps) <= _DEEPEST_CONDITION:
            return self._conditions(block.steps, [give_up()]), None
        found = self.temporary()
        return [
            w.assign(found, w.constant(False)),
            *self._where(block.steps, [w.assign(found, w.constant(True))]),
        ], w.load(found)

    def _in_first_round(self, name: str, steps: Sequence[Step]) -> tuple[list[ast.stmt], ast.expr]:
        w = self.write
        answer = self._where(steps, [w.assign(name, w.constant(True))])
        first = w.when(w.same(w.load(name), w.constant(None)), [w.assign(name, w.constant(False)), *answer])
        return [first], w.negate(w.load(name))

    def _where(self, steps: Sequence[Step], inner: list[ast.stmt]) -> list[ast.stmt]:
        """`inner` where all of the steps hold, which may be many."""
        if len(steps) <= _DEEPEST_CONDITION:
            return self._conditions(steps, inner)
        w = self.write
        out: list[ast.stmt] = []
        for statements, test in self._straight(steps, w.leave):
            out += statements
            if test is not None:
                out.append(w.when(test, [w.leave()]))
        return [w.once([*out, *inner, w.leave()])]

    def _get(self, name: str, step: plan.Get) -> tuple[list[ast.stmt], ast.expr | None]:
        w, source = self.write, self.operand(step.source)
        if step.branch:
            made = w.call("h_branch_get", w.load(self.context), source, self.operand(step.key))
        elif (
            isinstance(step.source, Local) and isinstance(step.key, Const) and step.source.id in self._arrays
        ):
            self.learn_kind(step.to, self.members.get(step.source.id))
            return [w.assign(name, w.item(source, self.operand(step.key)))], None
        elif isinstance(step.key, Local):
            made = self.member_at(step.source, step.key)
            self.learn(step.to, members_of(self.domain(step.source)))
        elif (
            self.kind(step.source) == "list"
            and type(step.key.value) is int
            and step.key.value >= 0
            and isinstance(step.source, Local)
        ):
            self.learn_kind(step.to, self.members.get(step.source.id))
            within = w.compare(w.call("len", source), ast.Gt(), self.operand(step.key))
            made = w.choose(within, w.item(source, self.operand(step.key)), w.load("U"))
        else:
            made = w.call("h_get", source, self.operand(step.key))
        return self._found(step.to, [w.assign(name, made)])

    def _collect(self, step: plan.Collect) -> list[ast.stmt]:
        w, name = self.write, f"v{step.to.id}"
        result = step.block.result
        match step.kind:
            case "array":
                empty = w.list_of([])

                def add() -> ast.stmt:
                    return w.do(w.method(w.load(name), "append", self.operand(result[0])))
            case "set":
                empty = w.call("set")

                def add() -> ast.stmt:
                    return w.do(w.method(w.load(name), "add", self.key(result[0])))
            case "object":
                empty = w.dict_of([])

                def add() -> ast.stmt:
                    parts = map(self.operand, result)
                    return w.do(w.call("h_put", w.load(name), *parts, self.span(step)))

        out = [w.assign(name, empty), *self.block(step.block, lambda: [add()], None)]
        self.learn_kind(step.to, {"array": "list", "set": "set", "object": "dict"}[step.kind])
        return out

    def _compute(
        self, to: Local, operator: plan.Operator, left: Operand, right: Operand, step: Step
    ) -> tuple[list[ast.stmt], ast.expr | None]:
        w, name = self.write, f"v{to.id}"
        if operator not in ("plus", "minus"):
            return [w.assign(name, self.comparison(operator, left, right))], None
        python = w.binary(
            self.operand(left), ast.Add() if operator == "plus" else ast.Sub(), self.operand(right)
        )
        small = self.all_known((left, "int"), (right, "int"))
        if small is None:
            self.learn_kind(to, "int")
            return [w.assign(name, python)], None
        slow = self.builtin(name, operator, (left, right), step)
        return self._found(to, [w.when(small, [w.assign(name, python)], slow)])

    def _shape(self, kind: str, source: Operand, size: int) -> tuple[list[ast.stmt], ast.expr | None]:
        w, value = self.write, self.operand(source)
        measured = w.compare(w.call("len", value), ast.NotEq(), w.constant(size))
        if kind == "array" and isinstance(source, Local):
            self._arrays.add(source.id)
        if self.kind(source) == ("list" if kind == "array" else "dict"):
            return [], measured
        other = [
            w.other(w.call("type", value), w.load(n))
            for n in (("list", "tuple") if kind == "array" else ("dict",))
        ]
        return [], w.either(w.all_of(other), measured)

    def _for_all(self, step: plan.ForAll) -> tuple[list[ast.stmt], ast.expr | None]:
        w = self.write
        holds = self.temporary()
        known = self._known()
        scan = plan.Scan(step.key, step.value, step.source, False, False, step.span)
        before, names, source, first = self.scan(scan, step.block.steps)
        line = w.line
        self._nesting += 1
        fails: list[ast.stmt] = [w.assign(holds, w.constant(False)), w.leave()]
        body: list[ast.stmt] = list(first)
        if any(isinstance(inner, (plan.Scan, plan.Walk)) for inner in step.block.steps):
            found = self.temporary()
            body.append(w.assign(found, w.constant(False)))
            body += self.block(step.block, lambda: [w.assign(found, w.constant(True))], lambda: w.load(found))
            body.append(w.when(w.negate(w.load(found)), fails))
        else:
            for statements, test in self._straight(step.block.steps, None):
                body += statements
                if test is not None:
                    body.append(w.when(test, fails))
        self._nesting -= 1
        self._forget(known)
        w.line = line
        collection = w.call("h_is_collection", self.operand(step.source))
        return (
            [w.assign(holds, collection), *before, w.loop(names, source, body or [w.skip()])],
            w.negate(w.load(holds)),
        )
