"""The state of planning one function: its variables, its steps so far, and what it has read already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

from doorward.compile.plan import Block, Const, Local, Operand, Scan, Step, Walk

__all__ = ["Scope"]


class Scope:
    """One function in the making.

    `bind` and `local` name things, `add` appends a step, `nested` opens a block of its own. `depth_of` tells
    how many
    loops stand around the place where a local is made.
    """

    def __init__(self, uses: Counter[str], *, ordered: bool = False) -> None:
        self.uses = uses
        """How often each variable occurs in the whole rule: one that occurs once is not worth a local."""
        self.ordered = ordered
        """Whether the order of answers can be seen."""
        self.env: dict[str, Operand] = {}
        self.steps: list[Step] = []
        self.reads: dict[tuple[str, ...], Operand] = {}
        """Places of `input` and `data` that have been read on every way to here."""
        self.shared: dict[tuple[str, ...], Local] = {}
        """Places that several bodies of the function read; each has to see for itself that it is defined."""
        self.read_places: set[tuple[str, ...]] = set()
        """All places that are read anywhere, on the same input and data as the function."""
        self.visible: frozenset[str] = frozenset()
        self._loops = 0
        self._outer_loops = 0
        """Loops around this block."""
        self._before_loops: int | None = None
        """Where the steps stand that come before the first loop of the block; None while there is none."""
        self._with_at: int | None = None
        """Where the `with` stands whose steps are being added."""
        self._elsewhere = False
        self._depths: list[int] = []

    def share(
        self, places: Sequence[tuple[str, ...]], ready: Collection[tuple[str, ...]] | None = None
    ) -> None:
        """Take the first locals for places that are read before the function's own steps, defined or not.

        Of those, only what is `ready` is known here; the others are read after it.
        """
        locals_ = [(place, self.local()) for place in places]
        self.shared = {place: local for place, local in locals_ if ready is None or place in ready}

    def note_read(self, place: tuple[str, ...], read: Operand) -> None:
        """Remember where the value of a place is."""
        self.reads[place] = read
        if not self._elsewhere:
            self.read_places.add(place)

    @property
    def locals(self) -> int:
        """How many locals there are."""
        return len(self._depths)

    def local(self) -> Local:
        """A new local."""
        self._depths.append(self._loops)
        return Local(len(self._depths) - 1)

    def add(self, step: Step) -> None:
        """Append a step; a loop stands around all that follow."""
        if isinstance(step, (Scan, Walk)):
            self._loops += 1
            if self._before_loops is None:
                self._before_loops = len(self.steps) if self._with_at is None else self._with_at
        self.steps.append(step)

    def early(self) -> bool:
        """Whether a step may be put before the loops of this block: not among steps that run on other
        data."""
        return self._before_loops is not None and not self._elsewhere

    def add_early(self, make: Callable[[Local], Step], made: Local | None = None) -> Local:
        """Put a step before the first loop of the block; what every answer needs is then read once for
        all."""
        at = self._before_loops
        if at is None:
            raise AssertionError("no loop in this block")
        if made is None:
            self._depths.append(self._outer_loops)
            made = Local(len(self._depths) - 1)
        self.steps.insert(at, make(made))
        self._before_loops = at + 1
        return made

    def loop_local(self) -> Local:
        """A new local that the loop about to be added will set."""
        self._depths.append(self._loops + 1)
        return Local(len(self._depths) - 1)

    def bind(self, name: str, operand: Operand) -> None:
        """Give a variable its value."""
        self.env[name] = operand

    def wanted(self, name: str) -> bool:
        """Whether anything but this one occurrence needs the variable."""
        return self.uses[name] > 1 or name in self.visible

    def depth_of(self, operand: Operand) -> int:
        """The number of loops around the place where the operand is made."""
        return 0 if isinstance(operand, Const) else self._depths[operand.id]

    @contextmanager
    def nested(self, *, ordered: bool) -> Iterator[list[Step]]:
        """A block of its own: what it binds and reads is not known outside."""
        outside = (self.steps, self.env, self.reads, self.ordered, self._loops)
        loops = (self._outer_loops, self._before_loops, self._with_at, self._elsewhere)
        self.steps, self.env, self.reads = [], dict(self.env), dict(self.reads)
        self.ordered = ordered
        self._outer_loops, self._before_loops, self._with_at, self._elsewhere = self._loops, None, None, False
        try:
            yield self.steps
        finally:
            self.steps, self.env, self.reads, self.ordered, self._loops = outside
            self._outer_loops, self._before_loops, self._with_at, self._elsewhere = loops

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """Steps that run on another input or data, after the `with` just added: what was read does not hold
        there."""
        outside, self.reads = self.reads, {}
        shared, self.shared = self.shared, {}
        self._elsewhere, self._with_at = True, len(self.steps) - 1
        try:
            yield
        finally:
            self.reads, self.shared = outside, shared
            self._elsewhere, self._with_at = False, None

    def block(
        self, steps: list[Step], result: tuple[Operand, ...] = (), *, loops: int | None = None
    ) -> Block:
        """The finished block. Its answers are all alike when no result is made inside one of its loops."""
        floor = self._loops if loops is None else loops
        return Block(tuple(steps), result, all(self.depth_of(operand) <= floor for operand in result))

    @property
    def loops(self) -> int:
        """The number of loops around the next step."""
        return self._loops
