"""A second set of policies that is asked beside the one in force: what it finds, and what it cannot do."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from structlog.testing import capture_logs
from tests.support.served import PATIENCE, write_policies

from doorward.engine import Engine
from doorward.facts.postgres import Catalogue
from doorward.run.budget import Limits
from doorward.serve.point import Made, Question
from doorward.serve.policies.settings import ShadowSettings
from doorward.serve.policies.shadow.frames import shown
from doorward.serve.policies.shadow.observer import Shadow
from doorward.serve.policies.shadow.process import Comparison
from doorward_dsl.capabilities import capabilities_document, read_capabilities

OLD = """package acme

governs postgres

allow "everybody reads" if sql.read_only
mask customers.ssn with partial(4)
block "not mallory" if principal.id == "mallory"
"""
NEW = OLD.replace("partial(4)", "hash") + 'block "not eve" if principal.id == "eve"\n'
CATALOGUE = Catalogue.from_json(
    json.dumps(
        {
            "server_version": 180000,
            "database": "shop",
            "relations": [["public", "customers", 100, "r", [["id", 1, "text"], ["ssn", 2, "text"]]]],
            "functions": [],
        }
    ).encode()
)


def made(engine: Engine, who: str, statement: str = "select 1", catalogue: Catalogue | None = None) -> Made:
    document = {
        "principal": {"id": who},
        "action": {"name": "query"},
        "resource": {"kind": "postgres", "name": "shop"},
        "postgres": {"statement": statement},
    }
    question = Question(document, catalogue="" if catalogue is None else catalogue.hash, size=200)
    return Made(question, catalogue, engine.decide(document, catalogue=catalogue, now_ns=1), 1, 1000)


async def when(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - what another process does tells nobody here
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(policies: Path, **settings: Any) -> AsyncIterator[Shadow]:
    told = ShadowSettings.model_validate({"policies": str(policies), "per_second": 10_000, **settings})
    shadow = Shadow(told, strict=False, limits=Limits())
    stop = asyncio.Event()
    task = asyncio.create_task(shadow.run(stop))
    try:
        await when(lambda: bool(shadow.report.revision or shadow.report.rejected))
        yield shadow
    finally:
        stop.set()
        await task


async def test_what_differs_is_counted_and_logged_with_both_sides(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    engine = Engine.from_sources({"acme.ward": OLD})
    async with running(write_policies(tmp_path, {"acme.ward": NEW})) as shadow:
        await when(lambda: shadow._room > 3)
        reads = "select ssn from customers"
        batch = [
            made(engine, "ana"),
            made(engine, "eve"),
            made(engine, "ana", reads, CATALOGUE),
            made(engine, "mallory"),
        ]
        shadow.saw(batch)
        await when(lambda: shadow.report.alike + shadow.report.differing == 4)
        assert (shadow.report.alike, shadow.report.differing, shadow.report.failed) == (2, 2, 0)
        assert shadow.report.kinds == {"loses": 1, "masks": 1}
        assert (shadow.shown, shadow.passed_over) == (4, 0)
        revision = shadow.report.revision
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if "decides otherwise" in line]
    lost = next(line for line in lines if line["principal"] == "eve")
    assert (lost["id"], lost["revision"], lost["shadow"]) == (
        batch[1].decision.decision_id,
        engine.revision,
        revision,
    )
    assert lost["verdict"] == {"old": "allow", "new": "block"}
    assert lost["differences"] == [
        {"kind": "loses", "what": "allow → block", "because": ['+ block "not eve" (acme.ward)']}
    ]
    assert lost["determining"] == {"old": ["acme:5", "acme:6"], "new": ["acme:5", "acme:6", "acme:8"]}
    assert (lost["action"], lost["kind"], lost["resource"]) == ("query", "postgres", "shop")
    masked = next(line for line in lines if line["principal"] == "ana")
    assert masked["differences"][0]["what"] == "customers.ssn: partial(4) → hash"
    assert not any("select" in json.dumps(line) for line in lines)


def test_a_difference_is_logged_the_first_tenth_and_hundredth_time() -> None:
    old, new = Engine.from_sources({"acme.ward": OLD}), Engine.from_sources({"acme.ward": NEW})
    comparison = Comparison()
    with capture_logs() as lines:
        for _ in range(250):
            comparison.compare(new, shown(made(old, "eve")), None)
    assert comparison.report.differing == 250
    assert [line["times"] for line in lines] == [1, 10, 100]


async def test_a_shadow_without_policies_is_shown_nothing_until_it_has_some_and_then_follows_them(
    tmp_path: Path,
) -> None:
    async with running(tmp_path / "nowhere") as shadow:
        assert "no such file" in shadow.report.rejected
        shadow.saw([made(Engine.from_sources({"acme.ward": OLD}), "ana")])
        assert (shadow.shown, shadow.passed_over) == (0, 1)
        write_policies(tmp_path / "nowhere", {"acme.ward": NEW})
        await when(lambda: shadow._room > 0)
        first = shadow.report.revision
        write_policies(tmp_path / "nowhere", {"acme.ward": "package acme\n\nallow if\n"})
        await when(lambda: "acme.ward" in shadow.report.rejected)
        assert shadow.report.revision == first
        write_policies(tmp_path / "nowhere", {"acme.ward": OLD})
        await when(lambda: shadow.report.revision != first and not shadow.report.rejected)


async def test_what_it_is_shown_is_bounded(tmp_path: Path) -> None:
    engine = Engine.from_sources({"acme.ward": OLD})
    one = made(engine, "ana")
    async with running(write_policies(tmp_path, {"acme.ward": NEW}), per_second=100) as shadow:
        await when(lambda: shadow._room > 0)
        shadow.saw([one] * 1000)
        assert shadow.passed_over == 995
        await when(lambda: shadow.report.alike == 5)
        await when(lambda: shadow._room > 0)
        one.question.size = 1 << 20
        shadow.saw([one])
        assert shadow.passed_over == 996


async def test_a_sample_is_a_sample(tmp_path: Path) -> None:
    settings = ShadowSettings.model_validate({"policies": str(tmp_path), "sample": 0.25})
    shadow = Shadow(settings, strict=False, limits=Limits())
    shadow.saw([made(Engine.from_sources({"acme.ward": OLD}), "ana")] * 10_000)
    assert 2000 < shadow.passed_over < 3000  # all of it: there is no process that could be shown anything


async def test_a_process_that_is_killed_is_replaced_and_nothing_is_lost_of_the_counts(tmp_path: Path) -> None:
    one = made(Engine.from_sources({"acme.ward": OLD}), "ana", "select ssn from customers", CATALOGUE)
    before = set(psutil.Process().children())  # other tests of this process may have servers of theirs
    async with running(write_policies(tmp_path, {"acme.ward": NEW})) as shadow:
        await when(lambda: shadow._room > 0)
        shadow.saw([one])
        await when(lambda: shadow.report.differing == 1)
        (child,) = set(psutil.Process().children()) - before
        child.send_signal(signal.SIGTERM)  # is meant for the service
        os.kill(child.pid, signal.SIGKILL)
        await when(lambda: not shadow.report.revision)
        shadow.saw([one])
        await when(lambda: bool(shadow.report.revision) and shadow._room > 0)
        shadow.saw([one])
        await when(lambda: shadow.report.differing == 2)
        assert shadow.report.kinds == {"masks": 2}
    assert set(psutil.Process().children()) <= before


def test_what_the_world_answered_is_answered_again_and_nothing_is_asked_of_it() -> None:
    drawn = 'package acme\n\ngoverns postgres\n\nallow "lucky" if rand.intn("coin", 1000000000) % 2 == 0\n'
    granted = read_capabilities(json.dumps(capabilities_document()))
    old = Engine.from_sources({"acme.ward": drawn}, capabilities=granted)
    comparison = Comparison()
    for _ in range(50):
        comparison.compare(old, shown(made(old, "ana")), None)
    assert (comparison.report.alike, comparison.report.differing) == (50, 0)
    other = Engine.from_sources({"acme.ward": drawn.replace("coin", "die")}, capabilities=granted)
    with capture_logs() as lines:
        comparison.compare(other, shown(made(old, "ana")), None)
    assert "errors" in comparison.report.kinds
    assert lines[0]["event"] == "the shadow decides otherwise"


def test_a_request_that_it_cannot_take_is_counted() -> None:
    old = Engine.from_sources({"acme.ward": OLD})
    one = made(old, "ana")
    one.question.document = ["none"]
    comparison = Comparison()
    with capture_logs() as lines:
        comparison.compare(old, shown(one), None)
        comparison.compare(None, shown(one), None)
    assert comparison.report.failed == 2
    assert [line["event"] for line in lines] == ["the shadow cannot decide a request"]
