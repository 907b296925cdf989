"""Mutating without guidance: seeds first, then changes to them, and to what was changed before."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from .faults import Faults
from .targets import Target

__all__ = ["Campaign", "fuzz"]

_KEPT: Final = 500


@dataclass(frozen=True, slots=True)
class Campaign:
    """What was done, and what was found."""

    executions: int
    seconds: float
    faults: Faults


def fuzz(
    target: Target,
    *,
    seed: int,
    limit_s: float,
    executions: int | None = None,
    on_input: Callable[[bytes], None] = lambda data: None,
) -> Campaign:
    """Run a target for so many executions or until the time is up, whichever comes first.

    With `executions` and a generous time the inputs depend on the seed alone. `on_input` sees each one before it runs.
    """
    random = Random(seed)
    faults = Faults(target.run, target.seconds)
    pool: list[bytes] = list(target.seeds)
    started = time.monotonic()
    done = 0
    while time.monotonic() - started < limit_s and (executions is None or done < executions):
        if executions is None and done < len(target.seeds):
            data = target.seeds[done]
        else:
            data = target.mutate(random.choice(target.seeds if random.random() < 0.5 else pool), random)
        on_input(data)
        sound = faults.try_one(data)
        done += 1
        if sound and random.random() < 0.2:  # changes upon changes lead further than one
            if len(pool) < len(target.seeds) + _KEPT:
                pool.append(data)
            else:
                pool[len(target.seeds) + random.randrange(_KEPT)] = data
    return Campaign(done, time.monotonic() - started, faults)
