"""What a loop runs over, as Python, and what it takes from the budget."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Final

from doorward.compile import plan
from doorward.compile.flow import is_harmless
from doorward.compile.kinds import keys_of, members_of
from doorward.compile.names import Names
from doorward.compile.plan import Local, Step
from doorward.compile.reading import ReadWriter

__all__ = ["LoopWriter"]

_UNPAID: Final = 64
"""So many rounds of loops over constants, one inside the other, cost nothing by themselves: what is around them pays."""


class LoopWriter(ReadWriter):
    """Writes the loops of one Python function."""

    def __init__(self, names: Names) -> None:
        super().__init__(names)
        self.in_order = True
        """Whether the order of answers can be seen."""
        self.unpaid = _UNPAID
        """How many rounds of loops over constants may still go unpaid."""

    def scan(
        self, step: plan.Scan, rest: Sequence[Step]
    ) -> tuple[list[ast.stmt], list[str], ast.expr, list[ast.stmt]]:
        """What stands before a loop, its variables, what it runs over, and what each round starts with."""
        w = self.write
        context, source = w.load(self.context), self.operand(step.source)
        domain = self.domain(step.source)
        self.learn(step.value, members_of(domain))
        self.learn(step.key, keys_of(domain))
        if isinstance(step.source, Local):
            self.learn_kind(step.value, self.members.get(step.source.id))
        value = f"v{step.value.id}" if step.value is not None else self.temporary()
        if step.branch:
            key = f"v{step.key.id}" if step.key is not None else self.temporary()
            return [], [key, value], w.call("h_branch_pairs", context, source, w.constant(step.ordered)), []
        if step.key is not None:
            pairs = w.call("h_pairs_in_order" if step.ordered else "h_pairs", context, source)
            return [], [f"v{step.key.id}", value], pairs, []
        kind = self.kind(step.source)
        if kind == "list":
            size = max(map(len, domain), default=_UNPAID + 1)
            if size <= self.unpaid:
                self.unpaid //= max(size, 1)
                return [], [value], source, []
            return self._pay(source), [value], source, []
        if kind == "set" and not self.in_order and not step.ordered and is_harmless(rest):
            # Nothing tells in which order the members were met.
            plain = w.assign(value, w.attribute(w.load(value), "value"))
            return self._pay(source), [value], source, [w.when(w.has_type(w.load(value), "h_Key"), [plain])]
        general = w.call("h_values_in_order" if step.ordered else "h_values", context, source)
        if kind is not None:
            return [], [value], general, []
        members = self.temporary()
        before = [
            w.assign(members, source),
            w.when(
                w.has_type(w.load(members), "list"), self._pay(w.load(members)), [w.assign(members, general)]
            ),
        ]
        return before, [value], w.load(members), []

    def _pay(self, source: ast.expr) -> list[ast.stmt]:
        """Take a step from the budget for each member."""
        w, context = self.write, self.write.load(self.context)
        short = w.compare(w.attribute(context, "left"), ast.Lt(), w.constant(0))
        return [
            w.lower(context, "left", w.call("len", source)),
            w.when(short, [w.do(w.method(context, "more"))]),
        ]
