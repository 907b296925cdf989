"""Mutating under the guidance of coverage, by atheris (libFuzzer): what reaches new code is changed further.

atheris is not among the project's requirements: install it beside them (`pip install atheris`) to use this.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from random import Random

import atheris

from .faults import Faults

__all__ = ["fuzz_guided"]

_ROOMS = ["doorward_dsl", "doorward", "doorward_proto", "doorward_gateway"]


def fuzz_guided(name: str, seconds: int, seed: int) -> None:
    """Fuzz the target of that name; ends the process. Faults are printed as they are found, coverage by libFuzzer."""
    with atheris.instrument_imports(include=_ROOMS):
        from .targets import make_target

        target = make_target(name)
    faults = Faults(target.run, target.seconds)
    until = time.monotonic() + seconds

    def run(data: bytes) -> None:
        faults.try_one(data)

    def mutate(data: bytes, most: int, number: int) -> bytes:
        return target.mutate(bytes(data), Random(number))[:most]

    with tempfile.TemporaryDirectory() as folder:
        for at, data in enumerate(target.seeds):
            Path(folder, f"{at:05d}").write_bytes(data)
        left = max(1, round(until - time.monotonic()))
        options = [
            f"-max_total_time={left}",
            f"-seed={seed}",
            "-max_len=20000",
            "-timeout=120",
            "-rss_limit_mb=6000",
        ]
        atheris.Setup([sys.argv[0], *options, "-print_final_stats=1", folder], run, custom_mutator=mutate)
        atheris.Fuzz()
