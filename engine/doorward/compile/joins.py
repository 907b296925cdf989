"""Which loops need not go through all members: those that a later test wants to equal something known before the loop.

    some user in input.users
    some grant in data.grants        # only those whose `user` is `user.id`
    grant.user == user.id

A `Scan` gets a `Join` where nothing between it and the test can fail, so that nobody sees which members were left out,
and where its collection is gone through more than once: in another loop, in a function, or, if it belongs to the base
documents, in every evaluation. What the test wants is read before the loop then. The tests stay: whether an index pays
is found out while it runs (see `doorward.run.joins`).

A comprehension around such a loop comes to the same for the same wanted values, if it depends on nothing else of the
loops around it: its results are `Kept` by them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from doorward.compile import plan
from doorward.compile.flow import is_harmless, made_by, uses_of
from doorward.compile.plan import Block, Const, Join, Kept, Local, Operand, Step
from doorward.run.joins import FEW, Path

__all__ = ["join_loops"]

_DEEPEST = 6
"""Blocks and loops deeper inside one another become functions of their own, from which results are not kept."""


def join_loops(block: Block, numbers: Iterator[int], *, repeated: bool) -> Block:
    """The block with its loops joined, and those of the blocks in it. `repeated`: it runs more than once in an evaluation.

    `numbers` are those that nothing has been given yet.
    """
    return _Joiner(numbers, repeated=repeated).block(block, elsewhere=False)


class _Joiner:
    """What is known of the locals of one function, step by step.

    The depth of a local is the number of loops around it that it depends on.
    """

    def __init__(self, numbers: Iterator[int], *, repeated: bool) -> None:
        self._numbers = numbers
        self._repeated = repeated
        self._depths: dict[int, int] = {}
        self._lasting: set[int] = set()
        """What is part of the base documents."""
        self._standing: set[int] = set()
        """What is the same as long as the evaluation goes on: the input and the values of rules, and their parts."""
        self._loops: list[tuple[dict[int, list[int]], int]] = []
        """Of each loop around, what is to be inserted into its block, and the loop's position there."""
        self._nesting = 0

    def block(self, block: Block, *, elsewhere: bool) -> Block:
        """The block with its loops joined; `elsewhere`: it runs on other input or data than the function."""
        out: list[Step] = []
        before: dict[int, list[int]] = {}
        around = len(self._loops)
        worlds = int(elsewhere)
        left = list(block.steps)
        self._nesting += 1
        while left:
            step = left.pop(0)
            worlds += isinstance(step, plan.With) - isinstance(step, plan.EndWith)
            if isinstance(step, plan.Scan):
                early, step, left = self._joined(step, left)
                for read in early:
                    self._note(read, elsewhere=worlds > 0)
                out += early
            elif isinstance(step, plan.Absent):
                step = replace(step, block=self.block(step.block, elsewhere=worlds > 0))
            elif isinstance(step, plan.Collect):
                step = replace(step, block=self.block(step.block, elsewhere=worlds > 0))
                step = step if worlds else self._kept(step)
            elif isinstance(step, plan.ForAll):
                self._loops.append((before, len(out)))
                self._note_loop(step.key, step.value, step.source)
                step = replace(step, block=self.block(step.block, elsewhere=worlds > 0))
                self._loops.pop()
            if isinstance(step, (plan.Scan, plan.Walk)):
                self._loops.append((before, len(out)))
            self._note(step, elsewhere=worlds > 0)
            out.append(step)
        for at in sorted(before, reverse=True):
            out.insert(at, plan.OnceAgain(tuple(before[at]), out[at].span))
        del self._loops[around:]
        self._nesting -= 1
        return replace(block, steps=tuple(out))

    # --- what is known of locals ---

    def _note(self, step: Step, *, elsewhere: bool) -> None:
        here = len(self._loops)
        match step:
            case plan.Scan():
                self._note_loop(step.key, step.value, step.source if not step.branch else None)
                return
            case plan.Defined(source):
                self._standing.add(source.id)
            case plan.Input(to) | plan.RuleCall(to) if not elsewhere:
                here = 0
                self._standing.add(to.id)
            case plan.Base(to) if not elsewhere:
                here = 0
                self._lasting.add(to.id)
            case plan.Get(to, source, _, _, False):
                here = max((self._depths.get(local.id, 0) for local in uses_of(step)), default=0)
                self._note_part(to, source)
        self._depths.update((local.id, here) for local in made_by(step))

    def _note_loop(self, key: Local | None, value: Local | None, source: Operand | None) -> None:
        for local in (key, value):
            if local is not None:
                self._depths[local.id] = len(self._loops)
        if value is not None and source is not None:
            self._note_part(value, source)

    def _note_part(self, part: Local, source: Operand) -> None:
        if isinstance(source, Const) or source.id in self._lasting:
            self._lasting.add(part.id)
        elif source.id in self._standing:
            self._standing.add(part.id)

    # --- joining ---

    def _joined(self, scan: plan.Scan, rest: Sequence[Step]) -> tuple[list[Step], plan.Scan, list[Step]]:
        """What is read before the loop, the loop, and what is left of the steps in it."""
        if scan.value is None or scan.branch or not self._is_repeated(scan.source):
            return [], scan, list(rest)
        paths: dict[int, Path] = {scan.value.id: ()}
        inside = {local.id for local in made_by(scan)}
        reads: dict[int, Step] = {}
        by: list[Path] = []
        wanted: list[Operand] = []
        for step in rest:
            if not is_harmless((step,)):
                break
            if isinstance(step, (plan.Input, plan.Base, plan.Get)) and inside.isdisjoint(
                local.id for local in uses_of(step)
            ):
                reads[step.to.id] = step
                continue
            inside.update(local.id for local in made_by(step))
            match step:
                case plan.Get(Local(to), Local(source), Const(name)) if source in paths and _is_plain(name):
                    paths[to] = (*paths[source], name)
                case plan.Test("equal", left, right):
                    for one, other in ((left, right), (right, left)):
                        if isinstance(one, Local) and one.id in paths and _is_outside(other, inside):
                            by.append(paths[one.id])
                            wanted.append(other)
                            break
        if not by:
            return [], scan, list(rest)
        needed = _needed(wanted, reads)
        early = [step for at, step in reads.items() if at in needed]
        lasting = isinstance(scan.source, Const) or scan.source.id in self._lasting
        made = replace(scan, join=Join(tuple(by), tuple(wanted), lasting))
        return early, made, [step for step in rest if not needed & {local.id for local in made_by(step)}]

    def _is_repeated(self, source: Operand) -> bool:
        """Whether one and the same collection may be gone through again."""
        if isinstance(source, Const):
            return isinstance(source.value, (list, dict, frozenset)) and len(source.value) > FEW
        if source.id in self._lasting or (self._repeated and source.id in self._standing):
            return True
        return self._depths.get(source.id, 0) < len(self._loops)

    # --- keeping ---

    def _kept(self, step: plan.Collect) -> plan.Collect:
        """The comprehension, with its results kept where it may come to the same again."""
        steps = step.block.steps
        at = next((at for at, one in enumerate(steps) if isinstance(one, (plan.Scan, plan.Walk))), len(steps))
        loop = steps[at] if at < len(steps) else None
        if (
            not isinstance(loop, plan.Scan)
            or loop.join is None
            or self._nesting + len(self._loops) > _DEEPEST
        ):
            return step
        wanted = {operand.id for operand in loop.join.wanted if isinstance(operand, Local)}
        inside = {local.id for one in steps[at:] for local in _made_within(one)}
        used = {local.id for one in steps[at:] for local in uses_of(one)}
        used |= {operand.id for operand in step.block.result if isinstance(operand, Local)}
        free = used - inside - wanted
        depth = max((self._depths.get(local, 0) for local in free), default=0)
        locals_ = dict.fromkeys(operand for operand in loop.join.wanted if isinstance(operand, Local))
        by = tuple(local for local in locals_ if self._depths.get(local.id, 0) > depth)
        if depth >= len(self._loops) or not by:
            return step
        number = next(self._numbers)
        before, position = self._loops[depth]
        before.setdefault(position, []).append(number)
        joined = replace(loop, join=replace(loop.join, kept=Kept(number, step.to, by)))
        return replace(step, block=replace(step.block, steps=(*steps[:at], joined, *steps[at + 1 :])))


def _is_plain(name: object) -> bool:
    return type(name) is str or (type(name) is int and name >= 0)


def _is_outside(operand: Operand, inside: set[int]) -> bool:
    return isinstance(operand, Const) or operand.id not in inside


def _needed(wanted: Sequence[Operand], reads: dict[int, Step]) -> set[int]:
    """The reads that lead to what is wanted."""
    waiting = [operand.id for operand in wanted if isinstance(operand, Local)]
    needed: set[int] = set()
    while waiting:
        at = waiting.pop()
        if at in reads and at not in needed:
            needed.add(at)
            waiting += [local.id for local in uses_of(reads[at])]
    return needed


def _made_within(step: Step) -> Iterator[Local]:
    """The locals that a step sets, and those of the blocks in it."""
    yield from made_by(step)
    match step:
        case plan.ForAll(key, value):
            yield from (local for local in (key, value) if local is not None)
    match step:
        case plan.Absent(block) | plan.ForAll(block=block) | plan.Collect(block=block):
            for inner in block.steps:
                yield from _made_within(inner)
