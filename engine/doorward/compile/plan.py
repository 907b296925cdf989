"""The plan: what will run, step by step, before it becomes Python.

    ProgramPlan
    ├── Unit           a document (complete, set, object) or a function: chains of bodies (see `outline`)
    │   └── Chain      one rule definition and its `else`s
    │       └── Body   steps, then what an answer gives
    └── KindPlan       the statements of a kind (see `decision`)

A body is a flat list of steps. Each step either goes on or gives up on the answer at hand; `Scan` opens a
loop around all
steps after it. What a step works out lands in a `Local`, numbered in its function. An answer that gives up
is undefined:
there are no exceptions in this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from doorward.run.values import Value
from doorward_dsl.source import Span

__all__ = [
    "Absent",
    "Base",
    "Block",
    "Branch",
    "BuiltinCall",
    "Collect",
    "Compute",
    "Const",
    "Defined",
    "EndWith",
    "ForAll",
    "Format",
    "FunctionCall",
    "Get",
    "Input",
    "Join",
    "Kept",
    "Local",
    "MakeArray",
    "MakeObject",
    "MakeSet",
    "MockCall",
    "Never",
    "Once",
    "OnceAgain",
    "Operand",
    "Operator",
    "Overlay",
    "Read",
    "ReplaceData",
    "ReplaceInput",
    "RuleCall",
    "Scan",
    "Settle",
    "Shape",
    "Step",
    "Test",
    "Truthy",
    "Walk",
    "With",
]


@dataclass(frozen=True, slots=True)
class Const:
    """A value known when compiling."""

    value: Value


@dataclass(frozen=True, slots=True)
class Local:
    """The variable `id` of its function."""

    id: int


Operand: TypeAlias = Const | Local
Operator = Literal["equal", "neq", "lt", "lte", "gt", "gte", "plus", "minus", "in"]

# --- reading ---


@dataclass(frozen=True, slots=True)
class Input:
    """The whole input."""

    to: Local
    span: Span


@dataclass(frozen=True, slots=True)
class Defined:
    """Gives up when what was read earlier, for several bodies, is undefined."""

    source: Local
    span: Span


@dataclass(frozen=True, slots=True)
class Base:
    """The base document `data` alone, without rules."""

    to: Local
    span: Span


@dataclass(frozen=True, slots=True)
class Get:
    """The member of a value at a key; of a set, the member itself."""

    to: Local
    source: Operand
    key: Operand
    span: Span
    branch: bool = False
    """The source may be a branch of the tree of documents."""


@dataclass(frozen=True, slots=True)
class Read:
    """The value at a constant path below a local, or below the input where `source` is None.

    `way`: only what stands below the value is ever asked for, right after this, so that an empty object does for a
    value that is undefined.
    """

    to: Local
    source: Local | None
    path: tuple[str, ...]
    way: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Branch:
    """A place in the tree of documents below which rules stand; its parts are worked out when they are asked
    for."""

    to: Local
    path: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Settle:
    """The whole value of what may be a branch."""

    to: Local
    source: Operand
    span: Span


@dataclass(frozen=True, slots=True)
class RuleCall:
    """The value of a document, worked out at most once per evaluation. `is_set` where it cannot be anything else."""

    to: Local
    unit: int
    is_set: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Kept:
    """What comes out of the block around a loop depends on what the loop's join wants, and on nothing else that changes
    from round to round of the loops around it, since the `OnceAgain` of this number: it is kept in `to`, by the wanted.
    """

    number: int
    to: Local
    by: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Join:
    """Only those members of a loop can lead to an answer that have at each path of `by` what is `wanted` there.

    `lasting`: the collection is part of the base document, or a constant. The tests stand in the loop all the same.
    """

    by: tuple[tuple[str | int, ...], ...]
    wanted: tuple[Operand, ...]
    lasting: bool
    kept: Kept | None = None


@dataclass(frozen=True, slots=True)
class Scan:
    """A loop over the members of a collection; over nothing when the value is none.

    `ordered` asks for Rego's total order, where the order can be seen in the result. `branch` says that the
    source may be
    a branch of the tree of documents.
    """

    key: Local | None
    value: Local | None
    source: Operand
    ordered: bool
    branch: bool
    span: Span
    join: Join | None = None


@dataclass(frozen=True, slots=True)
class Walk:
    """A loop over the outputs of a built-in that relates one input to many outputs."""

    to: Local
    name: str
    args: tuple[Operand, ...]
    span: Span


# --- making ---


@dataclass(frozen=True, slots=True)
class MakeArray:
    to: Local
    items: tuple[Operand, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class MakeSet:
    to: Local
    items: tuple[Operand, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class MakeObject:
    to: Local
    pairs: tuple[tuple[Operand, Operand], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Collect:
    """A comprehension: every answer of the block adds its result."""

    to: Local
    kind: Literal["array", "set", "object"]
    block: Block
    span: Span


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A call of a user function. `mockable` when some `with` of the program replaces it."""

    to: Local
    unit: int
    name: str
    args: tuple[Operand, ...]
    mockable: bool
    span: Span


@dataclass(frozen=True, slots=True)
class BuiltinCall:
    """A call of a built-in; its error is undefined unless the evaluation is strict."""

    to: Local
    name: str
    args: tuple[Operand, ...]
    mockable: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Format:
    """A call of `sprintf` whose template is known: texts, and verbs, each with its argument."""

    to: Local
    template: str
    pieces: tuple[str | tuple[str, Operand], ...]
    args: tuple[Operand, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class MockCall:
    """A call of a function that only a `with` can give a meaning here (its name is known, its body is
    not)."""

    to: Local
    name: str
    args: tuple[Operand, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Compute:
    """An operator that is worked out in place."""

    to: Local
    operator: Operator
    left: Operand
    right: Operand
    span: Span


# --- testing ---


@dataclass(frozen=True, slots=True)
class Test:
    """Gives up unless the comparison holds."""

    __test__ = False

    operator: Operator
    left: Operand
    right: Operand
    span: Span


@dataclass(frozen=True, slots=True)
class Truthy:
    """Gives up when the value is `false`."""

    source: Operand
    span: Span


@dataclass(frozen=True, slots=True)
class Shape:
    """Gives up unless the value is an array, or object, of exactly `size` members."""

    kind: Literal["array", "object"]
    source: Operand
    size: int
    span: Span


@dataclass(frozen=True, slots=True)
class Never:
    """Gives up."""

    span: Span


@dataclass(frozen=True, slots=True)
class Absent:
    """Gives up when the block has an answer."""

    block: Block
    span: Span


@dataclass(frozen=True, slots=True)
class ForAll:
    """Gives up unless the block has an answer for every member of the collection."""

    key: Local | None
    value: Local
    source: Operand
    block: Block
    span: Span


@dataclass(frozen=True, slots=True)
class Once:
    """Steps in a loop that come out the same in every round: worked out in the first round that gets to them, so
    that none fails that would not have been tried. Gives up when they did.
    """

    number: int
    steps: tuple[Step, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class OnceAgain:
    """The steps of these `Once`s have not been worked out: stands before the outermost loop that they do not depend
    on."""

    numbers: tuple[int, ...]
    span: Span


# --- with ---


@dataclass(frozen=True, slots=True)
class ReplaceInput:
    path: tuple[Operand, ...]
    value: Operand


@dataclass(frozen=True, slots=True)
class Overlay:
    """The documents that a replaced part of `data` covers: those at and below a path."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReplaceData:
    overlay: Overlay
    value: Operand


@dataclass(frozen=True, slots=True)
class MockFunction:
    """`name` gives `value`, or does what the function `unit` or the built-in `builtin` does."""

    name: str
    value: Operand | None
    unit: int | None
    builtin: str | None


@dataclass(frozen=True, slots=True)
class With:
    """The steps up to the matching `EndWith` run on other input, data or functions."""

    changes: tuple[ReplaceInput | ReplaceData | MockFunction, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class EndWith:
    span: Span


Step: TypeAlias = (
    Input
    | Defined
    | Base
    | Get
    | Read
    | Branch
    | Settle
    | RuleCall
    | Scan
    | Walk
    | MakeArray
    | MakeSet
    | MakeObject
    | Collect
    | FunctionCall
    | BuiltinCall
    | Format
    | MockCall
    | Compute
    | Test
    | Truthy
    | Shape
    | Never
    | Absent
    | ForAll
    | Once
    | OnceAgain
    | With
    | EndWith
)

# --- blocks ---


@dataclass(frozen=True, slots=True)
class Block:
    """Steps, and what each answer gives: nothing for a mere test, one operand, or a key and a value.

    `single`: all answers give the same, so that the first will do.
    """

    steps: tuple[Step, ...]
    result: tuple[Operand, ...]
    single: bool
