"""The reference evaluator: a program's meaning, written to be read and believed rather than to be fast.

It walks the syntax tree of a checked program with environments (variable → value) and generators of them, and
shares nothing with the compiled evaluator but what a value, an error, a budget and a built-in function are. Where
the two differ, one of them is wrong.
"""

from __future__ import annotations

from doorward.run.reference.deciding import Outcome
from doorward.run.reference.program import ReferenceProgram

__all__ = ["Outcome", "ReferenceProgram"]
