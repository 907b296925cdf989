"""Kept decisions of a real engine: what it marks is given again, and what a change, a clock or a death takes back is not."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from tests.support.asking import until_true
from tests.support.postgres import free_port
from tests.support.served import PATIENCE, served, write_policies

from doorward_gateway.client import AsyncClient, EngineUnavailable

WARD = """package p

governs ssh

allow if "editor" in principal.groups
"""
QUESTION = json.dumps(
    {
        "principal": {"id": "ana", "groups": ["editor"]},
        "action": {"name": "exec"},
        "resource": {"kind": "ssh", "name": "host"},
        "ssh_request": {"request": "exec", "command": "uptime"},
    }
).encode()


async def ids(client: AsyncClient) -> set[str]:
    return {(await client.decide(QUESTION)).message.decision_id for _ in range(20)}


async def test_a_change_or_a_death_takes_back_what_was_kept(tmp_path: Path) -> None:
    policies = write_policies(tmp_path, {"p.ward": WARD})
    listen = f"127.0.0.1:{free_port()}"
    async with AsyncClient(listen, timeout=PATIENCE, cache=100) as client:

        async def kept() -> bool:
            try:
                return len(await ids(client)) == 1
            except EngineUnavailable:
                return False

        async def blocked() -> bool:
            return (await client.decide(QUESTION)).verdict == "block"

        async def refused() -> bool:
            try:
                await client.decide(QUESTION)
            except EngineUnavailable:
                return True
            return False

        with served(policies, listen=listen) as engine:
            await until_true(kept)
            assert (await client.decide(QUESTION)).allowed
            (policies / "p.ward").write_text(WARD + 'block "closed"\n')
            await until_true(blocked)
            assert [(await client.decide(QUESTION)).allowed for _ in range(20)] == [False] * 20
            await until_true(kept)
            engine.stop(signal.SIGKILL)
        await until_true(refused)
        assert await refused()
        with served(policies, listen=listen):
            await until_true(kept)


async def test_what_depends_on_the_time_is_asked_again(tmp_path: Path) -> None:
    clocked = WARD.replace("allow if", "allow if time.hour >= 0\nallow if")
    with served(write_policies(tmp_path, {"p.ward": clocked})) as engine:
        async with AsyncClient(engine.target, timeout=PATIENCE, cache=100) as client:
            async for _ in client.watch():  # by now the client's own watch has been told as well, or soon is
                break
            for _ in range(10):
                assert len(await ids(client)) == 20
