"""How long each phase took, under the names that `opa eval --metrics` gives them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter_ns
from typing import Literal, TypeAlias

__all__ = ["Metrics", "Phase"]

Phase: TypeAlias = Literal[
    "load_files", "module_parse", "module_compile", "query_parse", "query_compile", "query_eval"
]


class Metrics:
    """Timers in nanoseconds."""

    def __init__(self) -> None:
        self._spent: dict[Phase, int] = {}

    @contextmanager
    def timed(self, phase: Phase) -> Iterator[None]:
        """Adds the time of what stands inside to a phase."""
        before = perf_counter_ns()
        try:
            yield
        finally:
            self._spent[phase] = self._spent.get(phase, 0) + perf_counter_ns() - before

    def to_dict(self) -> dict[str, int]:
        """By name, sorted: `timer_rego_query_eval_ns` and so on."""
        return {f"timer_rego_{phase}_ns": spent for phase, spent in sorted(self._spent.items())}
