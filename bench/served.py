"""Decisions over the wire: Doorward's stream and its single calls beside Cerbos and OPA, all asked the same question.

One server works at a time; all stay up. Server and load share the machine's processors, none of them pinned.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from bench.measure import Contestant, Question, Settings, absent
from bench.programs import LOADGEN
from bench.served_load import PERCENTILES, Answered, Client, Generated, Load
from bench.served_question import write_rules
from bench.served_servers import Absent, Server, Speech, cerbos, doorward, opa, opa_envoy

__all__ = ["questions"]

_CALLERS: Final = (1, 8, 64, 256)
_MEASURED: Final = 64
"""The callers under whom the processor time is taken."""


@dataclass(slots=True)
class _Way:
    """One way of asking one server, and what is known of it by now."""

    name: str
    server: Server
    load: Load
    peer: str = ""
    rates: dict[int, list[float]] = field(default_factory=dict)
    """Answers a second, by callers."""
    costs: list[float] = field(default_factory=list)
    """Microseconds of the server's processor time for an answer."""
    delays: list[Answered] = field(default_factory=list)
    """Under open load."""

    def closed(self, callers: int, seconds: float) -> float:
        """Answers a second."""
        used = self.server.processor_seconds()
        done = self.load.closed(callers, seconds)
        if callers == _MEASURED:
            self.costs.append((self.server.processor_seconds() - used) / done.calls * 1e6)
        self.rates.setdefault(callers, []).append(done.calls / done.seconds)
        return self.rates[callers][-1]

    def open(self, seconds: float) -> float:
        """The median time under half of the best rate that it has been seen to bear."""
        best = max(sorted(rates)[len(rates) // 2] for rates in self.rates.values())
        self.delays.append(self.load.open(best / 2, seconds))
        return self.delays[-1].took[0]


@contextmanager
def questions(settings: Settings) -> Iterator[Sequence[Question]]:
    """Rates by the number of callers, then processor time, then times at half of one's own best rate."""
    callers = (1, _MEASURED) if settings.quick else _CALLERS
    seconds, long = (0.2, 0.4) if settings.quick else (0.5, 1.5)
    with ExitStack() as running, tempfile.TemporaryDirectory(prefix="doorward-bench-") as directory:
        ways, missing = _ways(Path(directory), settings, running)

        def all_of(round_of: Callable[[_Way], Callable[[], float]], size: int = 0) -> list[Contestant]:
            return [
                Contestant(way.name, round_of(way), peer=way.peer, series=way.name, size=size) for way in ways
            ] + missing

        def rate(count: int) -> Question:
            return Question(
                f"decisions served, {count} caller{'s' * (count > 1)}",
                "/s",
                all_of(lambda way: lambda: way.closed(count, seconds), count),
                "closed loop: each caller asks again when it is answered; server and callers share the processors",
                seconds=math.inf,  # other questions count on every round
            )

        def kept(name: str, note: str, values: Callable[[_Way], Sequence[float]]) -> Question:
            """What was found while another question was asked, in the order of its rounds; the first was the warm-up."""
            return Question(
                name, "µs", lambda: all_of(lambda way: iter(values(way)[1:]).__next__), note, warm_up=False
            )

        half = "open loop at half of one's own best rate, counted from when a request was due"
        opened = Question(
            f"time served, {PERCENTILES[0]}",
            "µs",
            all_of(lambda way: lambda: way.open(long)),
            half,
            seconds=math.inf,  # as above
        )
        yield [
            *map(rate, callers),
            kept(
                f"processor time served, {_MEASURED} callers",
                "of the server alone, for one decision",
                lambda way: way.costs,
            ),
            opened,
            *(
                kept(
                    f"time served, {percentile}",
                    half,
                    partial(_took, at),
                )
                for at, percentile in enumerate(PERCENTILES)
                if at
            ),
        ]


def _took(at: int, way: _Way) -> list[float]:
    return [each.took[at] for each in way.delays]


def _ways(root: Path, settings: Settings, running: ExitStack) -> tuple[list[_Way], list[Contestant]]:
    """Who takes part, all started, and who is missing."""
    write_rules(root)
    ours = running.enter_context(doorward(root / "doorward"))
    ways = [_Way("doorward, stream, its client", ours, Client("doorward", ours))]
    missing: list[Contestant] = []

    def here(speech: Speech) -> Callable[[], tuple[Server, Speech]]:
        return lambda: (ours, speech)

    def start(server: AbstractContextManager[Server]) -> Callable[[], tuple[Server, Speech]]:
        return lambda: _started(server, running)

    others: list[tuple[str, str, Callable[[], tuple[Server, Speech]]]] = [
        ("doorward, stream, client in Go", "", here(ours.streamed)),
        ("doorward, unary", "", here(ours.speech)),
        ("doorward, Envoy's Check", "", here(ours.checked)),
        ("Cerbos, gRPC", "cerbos", start(cerbos(root / "cerbos"))),
        ("OPA, HTTP", "opa", start(opa(root / "opa"))),
        ("OPA, Envoy's Check", "opa", start(opa_envoy(root / "opa-envoy"))),
    ]
    for name, peer, ready in others:
        if not settings.wants(peer):
            continue
        try:
            if not LOADGEN.exists():
                raise Absent("bench/loadgen is not built: install Go, and `make bench` builds it with `go`")
            server, speech = ready()
            load = Generated(name, server, speech)
        except Absent as why:
            missing.append(absent(name, peer, str(why)))
            continue
        running.callback(load.close)
        ways.append(_Way(name, server, load, peer))
    return ways, missing


def _started(server: AbstractContextManager[Server], running: ExitStack) -> tuple[Server, Speech]:
    """A server that runs as long as the others, and how it is asked."""
    started = running.enter_context(server)
    return started, started.speech
