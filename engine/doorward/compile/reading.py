"""Reading members at constant keys as Python statements.

Where a policy reads, there nearly always is an object: its members are asked for at once, and what turns out to be no
object is gone through again in the general way.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from doorward.compile import plan
from doorward.compile.calls import CallWriter
from doorward.compile.kinds import parts_of
from doorward.compile.names import Names
from doorward.compile.outline import Place
from doorward.compile.plan import Local, Step
from doorward.run.access import get
from doorward.run.values import UNDEFINED

__all__ = ["ReadWriter"]


class ReadWriter(CallWriter):
    """Writes the reads of one Python function."""

    def __init__(self, names: Names) -> None:
        super().__init__(names)
        self.unproven: list[int] = []
        """Locals that may be undefined, and have to be looked at before they are used."""

    def read(self, name: str, place: Place) -> list[ast.stmt]:
        """Leaves what stands at a place in a variable, defined or not."""
        root, *path = place
        w = self.write
        source = w.attribute(w.load(self.context), "input") if root == "input" else w.load(f"v{root}")
        return self._guarded_reads([(name, source, tuple(map(str, path)), False)])

    def read_shared(
        self, local: Local, place: tuple[str, ...], known: Mapping[tuple[str, ...], Local]
    ) -> list[ast.stmt]:
        """Leaves what stands at a place of the input in a local, defined or not; `known` are places read before."""
        w, name = self.write, f"v{local.id}"
        nearest = next(
            (known[place[:at]] for at in range(len(place) - 1, 0, -1) if place[:at] in known), None
        )
        if nearest is None:
            return self.read(name, place)
        below = place[next(at for at in range(len(place) - 1, 0, -1) if known.get(place[:at]) == nearest) :]
        read = self._guarded_reads([(name, self.operand(nearest), below, False)])
        return [w.when(self.is_undefined(f"v{nearest.id}"), [w.assign(name, w.load("U"))], read)]

    def leading_reads(self, steps: Sequence[Step], at: int) -> list[plan.Read]:
        """The reads from here on, as far as none needs what another may have found undefined."""
        found: list[plan.Read] = []
        made: set[int] = set()
        for step in steps[at:]:
            if not isinstance(step, plan.Read) or (step.source is not None and step.source.id in made):
                break
            if step.source is not None and self.domain(step.source):
                break
            found.append(step)
            made |= set() if step.way else {step.to.id}
        return found

    def reads(self, reads: Sequence[plan.Read]) -> list[ast.stmt]:
        """Reads that stand one after the other."""
        w = self.write
        parts = []
        for read in reads:
            source = (
                w.attribute(w.load(self.context), "input")
                if read.source is None
                else self.operand(read.source)
            )
            parts.append((f"v{read.to.id}", source, read.path, read.way))
            if not read.way:
                self.unproven.append(read.to.id)
        return self._guarded_reads(parts)

    def _guarded_reads(self, reads: Sequence[tuple[str, ast.expr, tuple[str, ...], bool]]) -> list[ast.stmt]:
        """Variables, each with a value and the path below it that the variable is for.

        Where a value on a path is no object, the general way is gone again from the start.
        """
        w = self.write
        plain: list[ast.stmt] = []
        general: list[ast.stmt] = []
        for name, source, path, way in reads:
            found = source
            for at, step in enumerate(path, 1):
                missing = "E" if way or at < len(path) else "U"
                found = w.method(found, "get", w.constant(step), w.load(missing))
            plain.append(w.assign(name, found))
            if path:
                general.append(w.assign(name, w.call("h_at", source, *map(w.constant, path))))
        return [w.attempt(plain, "AttributeError", None, general)] if general else plain

    def known_read(self, step: plan.Read, source: Local) -> list[ast.stmt]:
        """A member of a value of which all is known that it can be."""
        w = self.write
        found, domain, certain = self.operand(source), self.domain(source), True
        for at, name in enumerate(step.path, 1):
            parts = [get(value, name) for value in domain]
            if not all(type(value) is dict for value in domain):
                self.unproven += [] if step.way else [step.to.id]
                return self._guarded_reads([(f"v{step.to.id}", self.operand(source), step.path, step.way)])
            certain = certain and not any(part is UNDEFINED for part in parts)
            missing = "E" if step.way or at < len(step.path) else "U"
            found = (
                w.item(found, w.constant(name))
                if certain
                else w.method(found, "get", w.constant(name), w.load(missing))
            )
            domain = parts_of(domain, name)
        self.learn(step.to, domain)
        if not certain and not step.way:
            self.unproven.append(step.to.id)
        return [w.assign(f"v{step.to.id}", found)]
