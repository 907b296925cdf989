"""What a fault is: one of a kind, told from others by where it happened, and made as small as it gets."""

from __future__ import annotations

import re
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

__all__ = ["Fault", "Faults", "TookTooLong", "WrongAnswer", "run_limited"]

_OURS = ("doorward_dsl", "doorward", "doorward_proto", "doorward_gateway")
_WORDS = re.compile(rb"[A-Za-z_]\w*|\s+|.", re.DOTALL)


class WrongAnswer(AssertionError):
    """Something came out that must not. `kind` tells one such fault from another."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind


class TookTooLong(BaseException):
    """One input took more seconds than any may."""


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TookTooLong(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong: `key` is equal for what is likely the same mistake."""

    key: str
    error: str
    trace: str


def run_limited(run: Callable[[bytes], None], data: bytes, seconds: float) -> Fault | None:
    """Run one input; the fault, if it is one. In the main thread only, for its alarm."""
    try:
        with _alarm(seconds):
            run(data)
    except (Exception, TookTooLong) as error:
        return Fault(_key(error), f"{type(error).__name__}: {error}"[:500], _shortened(error))
    return None


def _key(error: BaseException) -> str:
    if isinstance(error, WrongAnswer):
        return f"WrongAnswer {error.kind}"
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if any(f"/{room}/" in frame.filename for room in _OURS)]
    if isinstance(error, RecursionError | TookTooLong):
        return f"{type(error).__name__} in {ours[0].name if ours else '?'}"  # the deepest frame is chance
    last = ours[-1] if ours else frames[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.name}:{last.lineno}"


def _shortened(error: BaseException) -> str:
    lines = "".join(traceback.format_exception(error)).splitlines()
    return "\n".join(lines if len(lines) <= 40 else [*lines[:15], "…", *lines[-25:]])


@dataclass
class Faults:
    """The distinct faults of one campaign, each with the smallest input that was found to show it."""

    run: Callable[[bytes], None]
    seconds: float
    found: dict[str, tuple[Fault, bytes]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def try_one(self, data: bytes) -> bool:
        """Run one input and keep what is wrong with it; whether all was well."""
        fault = run_limited(self.run, data, self.seconds)
        if fault is None:
            return True
        self.counts[fault.key] = self.counts.get(fault.key, 0) + 1
        if fault.key not in self.found:
            self.found[fault.key] = (fault, self._minimised(fault, data))
            print(self.report(fault.key), flush=True)
        return False

    def report(self, key: str) -> str:
        """One fault in words, with its input as a literal."""
        fault, data = self.found[key]
        return f"--- {key}\n{fault.error}\n{data!r}\n{fault.trace}"

    def _minimised(self, fault: Fault, data: bytes, *, most_seconds: float = 20.0) -> bytes:
        """Leave out lines, then words, then bytes, in ever smaller runs, as long as the fault stays the same."""
        until = time.monotonic() + most_seconds
        for split in (
            lambda text: text.splitlines(keepends=True),
            _WORDS.findall,
            lambda text: [bytes([b]) for b in text],
        ):
            pieces: list[bytes] = split(data)
            size = max(1, len(pieces) // 2)
            while size and pieces and time.monotonic() < until:
                at, shorter = 0, False
                while at < len(pieces) and time.monotonic() < until:
                    rest = pieces[:at] + pieces[at + size :]
                    again = run_limited(self.run, b"".join(rest), self.seconds)
                    if again is not None and again.key == fault.key:
                        pieces, shorter = rest, True
                    else:
                        at += size
                size = size if shorter and size == 1 else size // 2
            data = b"".join(pieces)
        return data
