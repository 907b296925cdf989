"""Calls as Python statements: of rules, functions and built-ins, and of what a `with` puts in their place."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Final

from doorward.compile import plan
from doorward.compile.inlined import INLINED, RESULTS, SHORT, Inlined
from doorward.compile.kinds import Kind
from doorward.compile.operands import OperandWriter
from doorward.compile.plan import Const, Local, Operand, Step
from doorward.run.builtins import BUILTINS

__all__ = ["CallWriter"]

_SMALL: Final = 1 << 63
_SIZED: Final = ("list", "dict", "set", "frozenset", "str")


class CallWriter(OperandWriter):
    """Writes the calls of one Python function; each leaves its value, or what is undefined, in a variable."""

    def rule(self, name: str, unit: int) -> list[ast.stmt]:
        """The value of a document, remembered in the context."""
        w = self.write
        memo, number = w.attribute(w.load(self.context), "memo"), w.constant(unit)
        known = w.method(memo, "get", number, w.load("M"))
        made = w.assign(name, w.call(self.names.unit(unit), w.load(self.context)))
        remember = w.assign_item(memo, number, w.load(name))
        return [w.assign(name, known), w.when(w.same(w.load(name), w.load("M")), [made, remember])]

    def function(self, step: plan.FunctionCall | plan.MockCall) -> list[ast.stmt]:
        """A call of a user function, or of what stands in its place."""
        w, name = self.write, f"v{step.to.id}"
        args = [w.load(self.context), *map(self.operand, step.args)]
        if isinstance(step, plan.FunctionCall) and not step.mockable:
            return [w.assign(name, w.call(self.names.unit(step.unit), *args))]
        plain = (
            w.load(self.names.unit(step.unit)) if isinstance(step, plan.FunctionCall) else w.load("h_nothing")
        )
        mock = w.call("h_mock_of", w.load(self.context), w.constant(step.name), plain)
        return [w.assign(name, w.call(mock, *args))]

    def builtin_call(self, step: plan.BuiltinCall) -> list[ast.stmt]:
        """A call of a built-in, or of what stands in its place."""
        w, name = self.write, f"v{step.to.id}"
        if not step.mockable:
            made = self.builtin(name, step.name, step.args, step)
            self.learn_kind(step.to, *RESULTS.get(step.name, (None, None)))
            return made
        plain = self.builtin(name, step.name, step.args, step)
        mock = self.temporary()
        found = w.call("h_mock_of", w.load(self.context), w.constant(step.name), w.constant(None))
        mocked = w.call(mock, w.load(self.context), *map(self.operand, step.args))
        return [
            w.assign(mock, found),
            w.when(w.same(w.load(mock), w.constant(None)), plain, [w.assign(name, mocked)]),
        ]

    def builtin(self, name: str, builtin: str, args: Sequence[Operand], step: Step) -> list[ast.stmt]:
        """A call of the built-in itself; where it fails, what it gives is undefined or the failure goes on."""
        if builtin == "count" and self.kind(args[0]) in _SIZED:
            return [self.write.assign(name, self.write.call("len", self.operand(args[0])))]
        function, needs_call = self.names.builtin(builtin)
        passed = [self.write.load(self.context)] if needs_call else []
        called = self.write.call(function, *passed, *map(self.operand, args))
        bound = self._bound(builtin, args)
        if bound is not None:
            return self._written_out(name, bound, args[-1:], called, step)
        inlined = INLINED.get(builtin)
        if inlined is not None and inlined.fits(args):
            return self._written_out(name, inlined, args, called, step)
        return self._guarded(name, called, step)

    def _bound(self, builtin: str, args: Sequence[Operand]) -> Inlined | None:
        """How to write out a call of which only the last argument varies, as the pattern of a match is a constant."""
        known = BUILTINS.get(builtin)
        constants = [arg.value for arg in args[:-1] if isinstance(arg, Const)]
        if (
            known is None
            or known.bind is None
            or len(constants) < len(args) - 1
            or isinstance(args[-1], Const)
        ):
            return None
        made = known.bind(*constants)
        if made is None:
            return None
        name = self.names.constant(made)
        return Inlined(("str",), lambda w, rest: w.call(name, w.load(self.context), *rest), short=True)

    def _guarded(self, name: str, called: ast.expr, step: Step) -> list[ast.stmt]:
        w = self.write
        error = self.temporary()
        failed = w.call("h_builtin_failed", w.load(self.context), w.load(error), self.span(step))
        return [w.attempt([w.assign(name, called)], "BuiltinFailure", error, [w.assign(name, failed)])]

    def _written_out(
        self, name: str, inlined: Inlined, args: Sequence[Operand], called: ast.expr, step: Step
    ) -> list[ast.stmt]:
        w = self.write
        tests: list[ast.expr] = []
        for arg, kind in zip(args, inlined.kinds, strict=True):
            if kind is not None and isinstance(arg, Local):
                tests += self._is_of(arg, kind)
        if inlined.short:
            size = w.call("len", self.operand(args[0]))
            tests.append(w.compare(size, ast.LtE(), w.constant(SHORT)))
        plain = inlined.make(w, list(map(self.operand, args)))
        if not tests:
            return [w.assign(name, plain)]
        return self._guarded(name, w.choose(w.all_of(tests), plain, called), step)

    def _is_of(self, arg: Local, kind: Kind) -> list[ast.expr]:
        w, value = self.write, self.operand(arg)
        if kind == "ascii":
            return [*self._is_of(arg, "str"), w.method(value, "isascii")]
        return [] if self.kind(arg) == kind else [w.has_type(value, kind)]

    def format(self, step: plan.Format) -> list[ast.stmt]:
        """A text with values in it: short strings and small integers are put in in place."""
        w, name = self.write, f"v{step.to.id}"
        self.learn_kind(step.to, "str")
        tests: list[ast.expr] = []
        pieces: list[str | ast.expr] = []
        for piece in step.pieces:
            if isinstance(piece, str):
                pieces.append(piece)
                continue
            verb, operand = piece
            value = self.operand(operand)
            pieces.append(value)
            if verb == "d" or (verb == "v" and self.kind(operand) == "int"):
                tests += [] if self.kind(operand) == "int" else [w.has_type(value, "int")]
                tests.append(w.between(w.constant(-_SMALL), value, w.constant(_SMALL)))
            else:
                tests += [] if self.kind(operand) == "str" else [w.has_type(value, "str")]
                tests.append(w.compare(w.call("len", value), ast.LtE(), w.constant(SHORT)))
        function, _ = self.names.builtin("sprintf")
        values = w.list_of(list(map(self.operand, step.args)))
        called = w.call(function, w.load(self.context), w.constant(step.template), values)
        plain = w.text_of(pieces)
        return self._guarded(name, w.choose(w.all_of(tests), plain, called) if tests else plain, step)

    def replaced(self, inner: str, step: plan.With) -> list[ast.stmt]:
        """Makes `inner` the context in which the changes of a `with` hold."""
        w = self.write
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
                    units = w.load(self.names.overlay(overlay.path))
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
        return out
