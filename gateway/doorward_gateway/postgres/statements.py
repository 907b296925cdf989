"""Prepared statements and portals of one session, with what was decided about them."""

from __future__ import annotations

from dataclasses import dataclass, field

from doorward_gateway.postgres.messages import Bind
from doorward_gateway.postgres.operation import Considered
from doorward_gateway.postgres.plan import NO_MASKS, MaskedResult, MaskPlan
from doorward_gateway.postgres.rows import Shape

__all__ = ["Portal", "Prepared"]


@dataclass(slots=True, eq=False)
class Prepared:
    """A prepared statement. `plan` holds the masks that were in force when it was parsed."""

    name: bytes
    text: str
    types: tuple[int, ...]
    plan: MaskPlan = NO_MASKS
    described: bool = False
    shape: Shape = ()
    """As the server describes it, once `described`; empty: no rows."""
    told: Shape | None = None
    """As the client has been told, if it has asked."""
    described_types: tuple[int, ...] = ()

    def parameter_type(self, index: int) -> int:
        """The type OID of a parameter; 0 if it is not known."""
        for types in (self.described_types, self.types):
            if index < len(types) and types[index]:
                return types[index]
        return 0


@dataclass(slots=True, eq=False)
class Portal:
    """A bound statement. `masked` is there if its rows are changed; `shape` is how the server sends them, if
    known.
    """

    name: bytes
    prepared: Prepared
    bind: Bind
    parameters: tuple[str | None, ...]
    considered: Considered
    segment: int
    used: bool = False
    shape: Shape | None = None
    masked: MaskedResult | None = None
    plan: MaskPlan = field(default=NO_MASKS)
