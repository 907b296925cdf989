"""What the steps of a plan take and give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from doorward.compile import plan
from doorward.compile.plan import Block, Local, Operand, Step

__all__ = [
    "calls_functions",
    "count_uses",
    "is_harmless",
    "leading_places",
    "loops_of",
    "made_by",
    "taken_by",
    "uses_of",
]


def taken_by(step: Step) -> Iterator[Operand]:
    """The operands that a step takes, without those of steps inside it."""
    match step:
        case plan.Get(_, source, key):
            yield source
            yield key
        case plan.Read(_, Local() as source):
            yield source
        case plan.Defined(source) | plan.Settle(_, source) | plan.Truthy(source) | plan.Shape(_, source):
            yield source
        case plan.Scan(_, _, source, join=join):
            yield source
            if join is not None:
                yield from join.wanted
        case plan.ForAll(_, _, source):
            yield source
        case plan.MakeArray(_, items) | plan.MakeSet(_, items):
            yield from items
        case plan.MakeObject(_, pairs):
            for pair in pairs:
                yield from pair
        case plan.Walk(_, _, args) | plan.FunctionCall(_, _, _, args) | plan.BuiltinCall(_, _, args):
            yield from args
        case plan.MockCall(_, _, args) | plan.Format(_, _, _, args):
            yield from args
        case plan.Compute(_, _, left, right) | plan.Test(_, left, right):
            yield left
            yield right
        case plan.With(changes):
            for change in changes:
                if isinstance(change, plan.ReplaceInput):
                    yield from change.path
                if change.value is not None:
                    yield change.value


def _inside(step: Step) -> tuple[tuple[Step, ...], tuple[Operand, ...]]:
    """The steps inside a step, and what they are for."""
    match step:
        case plan.Absent(block) | plan.ForAll(block=block) | plan.Collect(block=block):
            return block.steps, block.result
        case plan.Once(_, steps):
            return steps, ()
    return (), ()


def uses_of(step: Step) -> Iterator[Local]:
    """The locals that a step and all steps inside it take."""
    yield from (operand for operand in taken_by(step) if isinstance(operand, Local))
    steps, result = _inside(step)
    for inner in steps:
        yield from uses_of(inner)
    yield from (operand for operand in result if isinstance(operand, Local))


def count_uses(block: Block) -> Counter[int]:
    """How often each local is taken in a block, its result included."""
    found = Counter(local.id for step in block.steps for local in uses_of(step))
    found.update(operand.id for operand in block.result if isinstance(operand, Local))
    return found


def made_by(step: Step) -> Iterator[Local]:
    """The locals that a step sets for those after it."""
    match step:
        case plan.Scan(key, value):
            yield from (local for local in (key, value) if local is not None)
        case plan.Once(_, steps):
            for inner in steps:
                yield from made_by(inner)
        case (
            plan.Input(to)
            | plan.Base(to)
            | plan.Get(to)
            | plan.Read(to)
            | plan.Branch(to)
            | plan.Settle(to)
            | plan.RuleCall(to)
            | plan.Walk(to)
            | plan.MakeArray(to)
            | plan.MakeSet(to)
            | plan.MakeObject(to)
            | plan.Collect(to)
            | plan.FunctionCall(to)
            | plan.BuiltinCall(to)
            | plan.Format(to)
            | plan.MockCall(to)
            | plan.Compute(to)
        ):
            yield to


_HARMLESS = (
    plan.Input,
    plan.Base,
    plan.Defined,
    plan.Read,
    plan.MakeArray,
    plan.MakeSet,
    plan.MakeObject,
    plan.Test,
    plan.Truthy,
    plan.Shape,
    plan.Never,
    plan.OnceAgain,
)


def is_harmless(steps: Iterable[Step]) -> bool:
    """Whether none of the steps can end in an error of the policy's: then nobody sees in which order they ran."""
    return all(_is_harmless(step) for step in steps)


def _is_harmless(step: Step) -> bool:
    match step:
        case plan.Get() | plan.Scan():
            return not step.branch
        case plan.Compute():
            return step.operator not in ("plus", "minus")
        case plan.Absent(block) | plan.ForAll(block=block):
            return is_harmless(block.steps)
        case plan.Once(_, steps):
            return is_harmless(steps)
    return isinstance(step, _HARMLESS)


def loops_of(block: Block) -> int:
    """How deep the loops of a block stand inside one another."""
    return sum(isinstance(step, (plan.Scan, plan.Walk)) for step in block.steps)


def calls_functions(steps: Iterable[Step]) -> bool:
    """Whether any of the steps calls a function of the policies, or one that may stand in for a built-in."""
    for step in steps:
        if isinstance(step, (plan.FunctionCall, plan.MockCall)):
            return True
        if isinstance(step, plan.BuiltinCall) and step.mockable:
            return True
        if calls_functions(_inside(step)[0]):
            return True
    return False


def leading_places(block: Block) -> tuple[tuple[str, ...], ...]:
    """The places of the input that a block reads before anything else, whatever it finds there."""
    places: dict[int, tuple[str, ...]] = {}
    for step in block.steps:
        match step:
            case plan.Input(Local(to)):
                places[to] = ("input",)
            case plan.Get(Local(to), Local(source), plan.Const(str(name))) if source in places:
                places[to] = (*places[source], name)
            case _:
                break
    return tuple(places.values())
