"""Tests in several processes."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Final

from doorward.author.coverage.collect import Collector, Counts
from doorward.author.testing.files import ReadFile
from doorward.author.testing.results import TestResult
from doorward.author.testing.suite import Suite
from doorward.bundle import PolicySet
from doorward_dsl.capabilities import Capabilities

__all__ = ["Options", "in_processes"]

_BATCHES_A_JOB: Final = 4


@dataclass(frozen=True, slots=True)
class Options:
    """What a process needs to make the suite again."""

    policies: PolicySet
    read: ReadFile | None
    timeout_s: float
    capabilities: Capabilities | None
    coverage: bool


def in_processes(
    options: Options, ids: list[str], jobs: int, collector: Collector | None
) -> Generator[list[TestResult], None, None]:
    """The results of the tests, in the order of `ids`, a batch at a time; `collector` takes what each process reached."""
    size = max(1, len(ids) // (jobs * _BATCHES_A_JOB))
    batches = [ids[at : at + size] for at in range(0, len(ids), size)]
    context = get_context("spawn")  # a fork would copy whatever threads and locks the caller has
    with ProcessPoolExecutor(jobs, context, initializer=_begin, initargs=(options,)) as pool:
        futures = [pool.submit(_run_batch, batch) for batch in batches]
        try:
            for future in futures:
                results, counts = future.result()
                if collector is not None and counts is not None:
                    collector.add(*counts)
                yield results
        finally:
            pool.shutdown(cancel_futures=True)


_here: Suite | None = None
"""The suite of a worker process, made once when it starts."""


def _begin(options: Options) -> None:
    global _here
    _here = Suite(
        options.policies,
        read=options.read,
        timeout_s=options.timeout_s,
        capabilities=options.capabilities,
        coverage=options.coverage,
    )


def _run_batch(ids: list[str]) -> tuple[list[TestResult], Counts | None]:
    if _here is None:
        raise AssertionError("the process has not begun")
    results = [result for id_ in ids for result in _here.run(id_)]
    return results, None if _here.collector is None else _here.collector.take()
