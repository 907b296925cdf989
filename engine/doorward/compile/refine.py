"""What a finished plan can be spared: steps on the way to others, work that a loop would do over again.

The steps of a block come out as others that give the same answers and fail where those would have failed:

- members read one after the other become one `Read` along a path;
- a `sprintf` whose template is known becomes a `Format`;
- what comes out the same in every round of a loop is worked out `Once`;
- loops that look for equal members are joined (see `joins`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Final, NamedTuple

from doorward.compile import plan
from doorward.compile.flow import count_uses, made_by, uses_of
from doorward.compile.joins import join_loops
from doorward.compile.plan import Block, Const, Local, Operand, Read, Step

__all__ = ["refine"]

_MOST_LOOPS: Final = 6
"""Loops deeper than so many go on in a function of their own, which what is worked out once would have to cross."""

_VERB: Final = re.compile(r"%(.)", re.DOTALL)
_PLAIN_VERBS: Final = frozenset("sdv")


def refine(block: Block, *, repeated: bool = False) -> Block:
    """The block with what it can be spared left out. Blocks that run in one function are refined as one.

    `repeated`: it may run more than once in an evaluation, as that of a function does.
    """
    numbers = count()
    block = join_loops(block, numbers, repeated=repeated)
    uses = _Uses(count_uses(block), Counter(_sources(block.steps)))
    return _block(block, uses, numbers)


class _Uses(NamedTuple):
    """How often each local is taken, and how often only to read a member of it."""

    all: Counter[int]
    read: Counter[int]


def _sources(steps: Iterable[Step]) -> Iterator[int]:
    for step in steps:
        match step:
            case plan.Absent(block) | plan.ForAll(block=block) | plan.Collect(block=block):
                yield from _sources(block.steps)
            case _ if (read := _as_read(step)) is not None and read.source is not None:
                yield read.source.id


def _block(block: Block, uses: _Uses, numbers: Iterator[int]) -> Block:
    steps = [_nested(step, uses, numbers) for step in block.steps]
    steps = _formats(_reads(steps, uses), uses)
    if sum(isinstance(step, (plan.Scan, plan.Walk)) for step in steps) <= _MOST_LOOPS:
        steps = _once(steps, numbers)
    return replace(block, steps=tuple(steps))


def _nested(step: Step, uses: _Uses, numbers: Iterator[int]) -> Step:
    match step:
        case plan.Absent(block) | plan.ForAll(block=block) | plan.Collect(block=block):
            return replace(step, block=_block(block, uses, numbers))
    return step


# --- reading along paths ---


def _reads(steps: Sequence[Step], uses: _Uses) -> list[Step]:
    """The steps with members at constant keys read along paths."""
    out: list[Step] = []
    at = 0
    while at < len(steps):
        run = list(_leading_reads(steps, at))
        out += _read_along(run, uses) if run else [steps[at]]
        at += len(run) or 1
    return out


def _leading_reads(steps: Sequence[Step], at: int) -> Iterator[Step]:
    while (
        at < len(steps) and isinstance(steps[at], (plan.Input, plan.Get)) and _as_read(steps[at]) is not None
    ):
        yield steps[at]
        at += 1


def _as_read(step: Step) -> Read | None:
    match step:
        case plan.Input(to, span):
            return Read(to, None, (), False, span)
        case plan.Get(to, Local() as source, Const(str(name)), span, False):
            return Read(to, source, (name,), False, span)
    return None


def _read_along(run: Iterable[Step], uses: _Uses) -> list[Step]:
    """The reads of one run. What only leads to others is joined to the one it leads to, or is a way."""
    reads = [read for step in run if (read := _as_read(step)) is not None]
    below = Counter(read.source.id for read in reads if read.source is not None)
    joined: dict[int, Read] = {}
    out: list[Step] = []
    for read in reads:
        before = joined.pop(read.source.id, None) if read.source is not None else None
        if before is not None:
            read = replace(before, to=read.to, path=(*before.path, *read.path), span=read.span)
        if below[read.to.id] and uses.read[read.to.id] == uses.all[read.to.id]:
            if uses.all[read.to.id] == 1:
                joined[read.to.id] = read
                continue
            read = replace(read, way=True)
        out.append(read)
    return out


# --- texts with values in them ---


def _formats(steps: Sequence[Step], uses: _Uses) -> list[Step]:
    out: list[Step] = []
    for step in steps:
        match step, out[-1] if out else None:
            case (
                plan.BuiltinCall(to, "sprintf", (Const(str(template)), Local(array)), False, span),
                plan.MakeArray(Local(made), items),
            ) if array == made and uses.all[array] == 1:
                pieces = _pieces(template, items)
                if pieces is not None:
                    out[-1] = plan.Format(to, template, pieces, items, span)
                    continue
        out.append(step)
    return out


def _pieces(template: str, items: Sequence[Operand]) -> tuple[str | tuple[str, Operand], ...] | None:
    """The texts of a template, and its verbs, each with its operand; None for one that is not plain."""
    parts = _VERB.split(template)
    if "%" in "".join(parts[::2]):
        return None
    pieces: list[str | tuple[str, Operand]] = []
    rest = list(items)
    for text, verb in zip(parts[::2], [*parts[1::2], ""], strict=True):
        pieces.append(text)
        if verb == "%":
            pieces.append("%")
        elif verb:
            if verb not in _PLAIN_VERBS or not rest:
                return None
            pieces.append((verb, rest.pop(0)))
    return None if rest else tuple(piece for piece in pieces if piece)


# --- what a loop would do over again ---

_WORK: Final = (
    plan.BuiltinCall,
    plan.Collect,
    plan.ForAll,
    plan.Format,
    plan.FunctionCall,
    plan.MockCall,
    plan.RuleCall,
    plan.Settle,
)


def _once(steps: Sequence[Step], numbers: Iterator[int]) -> list[Step]:
    """The steps with runs of them that do not depend on the innermost loop put together, where they are work."""
    out: list[Step] = []
    loops: list[int] = []  # where in `out` each loop stands
    before: dict[int, list[int]] = {}  # the numbers to begin with, by the loop they begin before
    depth_of: dict[int, int] = {}
    run: list[Step] = []
    elsewhere = 0

    def close() -> None:
        if any(isinstance(step, _WORK) for step in run):
            number = next(numbers)
            depth = max((depth_of.get(local.id, 0) for step in run for local in uses_of(step)), default=0)
            before.setdefault(loops[depth], []).append(number)
            out.append(plan.Once(number, tuple(run), run[0].span))
        else:
            out.extend(run)
        run.clear()

    for step in steps:
        looping = isinstance(step, (plan.Scan, plan.Walk))
        depth = max((depth_of.get(local.id, 0) for local in uses_of(step)), default=0)
        apart = looping or isinstance(step, (plan.With, plan.EndWith, plan.OnceAgain))
        if apart or elsewhere or depth == len(loops):
            close()
            if looping:
                loops.append(len(out))
            elsewhere += isinstance(step, plan.With) - isinstance(step, plan.EndWith)
            depth = len(loops)
            out.append(step)
        else:
            run.append(step)
        depth_of.update((local.id, depth) for local in made_by(step))
    close()
    for at in sorted(before, reverse=True):
        out.insert(at, plan.OnceAgain(tuple(before[at]), out[at].span))
    return out
