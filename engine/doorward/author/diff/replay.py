"""Decides logged requests again, under two sets of policies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import orjson

from doorward.author.diff.clock import reads_clock
from doorward.author.diff.log import Logged
from doorward.author.diff.report import Change, Report
from doorward.decide.decision import Decision
from doorward.decide.differences import differences
from doorward.decide.document import InvalidRequest
from doorward.engine import Engine

__all__ = ["replay"]

_REMEMBERED: Final = 200_000
"""Pairs of decisions that are kept: logs repeat themselves."""


def replay(
    old: Engine,
    new: Engine,
    logged: Iterable[Logged],
    *,
    now_ns: int | None = None,
    progress: Callable[[], None] = lambda: None,
) -> Report:
    """Decide every request under both, at the instant at which it was decided, and say what differs.

    `now_ns` is the instant of requests that name none; without it the present one, the same for all.

    What the world answered then (`effects`) is answered again; nothing is asked of it now. `progress` is called for each
    request. Requests that are none are counted, and named by the first of them. Of one that was masked when it was logged,
    what is left is decided, if the old policies decide that as the whole was decided; otherwise it is only counted.
    """
    report = Report()
    timeless = not (reads_clock(old.program) or reads_clock(new.program))
    now = time.time_ns() if now_ns is None else now_ns
    known: dict[Any, tuple[Decision, Decision]] = {}
    for one in logged:
        progress()
        instant = now if one.now_ns is None else one.now_ns
        effects = one.effects
        key = (
            orjson.dumps(one.request, default=str, option=orjson.OPT_SORT_KEYS),
            None if one.catalogue is None else one.catalogue.hash,
            0 if timeless else instant,
            effects,
        )
        pair = known.get(key)
        if pair is None:
            try:
                pair = (
                    old.decide(one.request, catalogue=one.catalogue, now_ns=instant, replaying=effects),
                    new.decide(one.request, catalogue=one.catalogue, now_ns=instant, replaying=effects),
                )
            except InvalidRequest as error:
                if one.withheld:
                    report.withhold()
                else:
                    report.refuse(one, str(error))
                continue
            if len(known) >= _REMEMBERED:
                known.clear()
            known[key] = pair
        before, after = pair
        if one.withheld:
            if one.verdict != before.verdict:  # it took what is not there to decide as then
                report.withhold()
                continue
            report.masked += 1
        if one.verdict and one.verdict != before.verdict:
            report.unlike += 1
        report.add(Change(one, before, after, differences(before, after)))
    return report
