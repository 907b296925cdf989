"""What a loop runs over, as Python, and what it takes from the budget."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Final

from doorward.compile import plan
from doorward.compile.flow import is_harmless
from doorward.compile.kinds import keys_of, members_of
from doorward.compile.names import Names
from doorward.compile.plan import Join, Local, Operand, Step
from doorward.compile.reading import ReadWriter
from doorward.run.access import is_collection
from doorward.run.joins import FEW
from doorward.run.values import Value

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
        if step.join is not None and self.is_joined(step):
            return self._joined(step, step.join, value, rest)
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
        if kind == "set" and not self._is_seen(step, rest):
            return self._pay(source), [value], source, [self._unwrapped(value)]
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

    def is_joined(self, step: plan.Scan) -> bool:
        """Whether a loop looks for its members, where there may be more than a few."""
        domain = self.domain(step.source)
        return step.join is not None and not (domain and all(map(_has_few, domain)))

    def _joined(
        self, step: plan.Scan, join: Join, value: str, rest: Sequence[Step]
    ) -> tuple[list[ast.stmt], list[str], ast.expr, list[ast.stmt]]:
        """A loop over the members that can lead to an answer, or, where there are few in all, over all of them."""
        w = self.write
        members, source, kind = self.temporary(), self.operand(step.source), self.kind(step.source)
        few = w.compare(w.call("len", source), ast.LtE(), w.constant(FEW))
        first: list[ast.stmt] = []
        if kind == "set" and step.key is None and not self._is_seen(step, rest):
            first = [self._unwrapped(value)]
        elif kind != "list":
            few = w.both(w.has_type(source, "list"), few)
        found = w.call(
            "h_joined" if step.key is None else "h_joined_pairs",
            w.load(self.context),
            source,
            self.wanted(join.wanted),
            w.tuple_of([w.tuple_of(list(map(w.constant, path))) for path in join.by]),
            w.constant(join.lasting),
            w.constant(step.ordered),
        )
        if step.key is not None:
            pairs = w.call("h_pairs", w.load(self.context), source)
            chosen = w.assign(members, w.choose(few, pairs, found))
            return [chosen], [f"v{step.key.id}", value], w.load(members), []
        all_ = [w.assign(members, source), *self._pay(source)]
        return [w.when(few, all_, [w.assign(members, found)])], [value], w.load(members), first

    def _is_seen(self, step: plan.Scan, rest: Sequence[Step]) -> bool:
        """Whether anything tells in which order the members were met."""
        return self.in_order or step.ordered or not is_harmless(rest)

    def _unwrapped(self, form: str) -> ast.stmt:
        """Makes a key form the value it stands for."""
        w = self.write
        plain = w.assign(form, w.attribute(w.load(form), "value"))
        return w.when(w.has_type(w.load(form), "h_Key"), [plain])

    def wanted(self, wanted: Sequence[Operand]) -> ast.expr:
        """What members are looked up by."""
        return self.write.tuple_of(list(map(self.operand, wanted)))

    def _pay(self, source: ast.expr) -> list[ast.stmt]:
        """Take a step from the budget for each member."""
        w, context = self.write, self.write.load(self.context)
        short = w.compare(w.attribute(context, "left"), ast.Lt(), w.constant(0))
        return [
            w.lower(context, "left", w.call("len", source)),
            w.when(short, [w.do(w.method(context, "more"))]),
        ]


def _has_few(collection: Value) -> bool:
    return not is_collection(collection) or len(collection) <= FEW
