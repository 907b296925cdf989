"""The command: see the package."""

from __future__ import annotations

import argparse
import faulthandler
import resource
import sys
import tempfile
from pathlib import Path

from .names import TARGETS

_MEMORY = 8 << 30


def main() -> int:
    """Fuzz one target for a while; 1 where a fault was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.adversity.fuzz")
    parser.add_argument("--target", choices=TARGETS, required=True)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--guided", action="store_true", help="by coverage; needs atheris")
    chosen = parser.parse_args()
    faulthandler.enable()
    if chosen.guided:
        from .guided import fuzz_guided

        fuzz_guided(chosen.target, chosen.seconds, chosen.seed)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    from .plain import fuzz
    from .targets import make_target

    with tempfile.NamedTemporaryFile(prefix="doorward-fuzz-", buffering=0, delete=False) as file:
        print(f"the input at hand is in {file.name}, should the process die of it", flush=True)

        def keep(data: bytes) -> None:
            file.seek(0)
            file.truncate()
            file.write(data)

        campaign = fuzz(make_target(chosen.target), seed=chosen.seed, limit_s=chosen.seconds, on_input=keep)
    Path(file.name).unlink()
    found = campaign.faults
    print(
        f"{chosen.target}: {campaign.executions} executions in {campaign.seconds:.0f} s, {len(found.found)} faults"
    )
    for key in found.found:
        print(f"{found.counts[key]:6} times\n{found.report(key)}")
    return int(bool(found.found))


if __name__ == "__main__":
    sys.exit(main())
