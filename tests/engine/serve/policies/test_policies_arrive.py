"""The whole way: a service of its own, its policies on a web server or in a git repository, and what it tells of them."""

from __future__ import annotations

import asyncio
import json
import shutil
import urllib.request
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.support.git import Repository
from tests.support.served import PATIENCE, Served, served, write_policies
from tests.support.web import Asked, answer, web

from doorward.bundle import build_bundle, sign
from doorward_proto.v1 import decision_pb2 as pb

KEY = "a shared secret of some length...."
SERVING, NOT_SERVING = (health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING)


def bundle(number: int, key: str = KEY) -> bytes:
    files = {"a.ward": f'package a\n\ngoverns postgres\n\nallow "number {number}" if true\n'.encode()}
    return build_bundle(files, sign(files, key, algorithm="HS256"))


def health(service: Served, name: str) -> int:
    with grpc.insecure_channel(service.target) as channel:
        asked = health_pb2.HealthCheckRequest(service=name)
        return int(health_pb2_grpc.HealthStub(channel).Check(asked, timeout=PATIENCE).status)


def reason(service: Served) -> str:
    document = {
        "action": {"name": "query"},
        "resource": {"kind": "postgres"},
        "postgres": {"statement": "select 1"},
    }
    with service.stub() as stub:
        answer = stub.Decide(pb.DecideRequest(json=json.dumps(document).encode()), timeout=PATIENCE)
        return str(answer.decision.reasons[0].text)


def metrics(service: Served) -> str:
    url = f"http://{service.ready['metrics'][0]}/metrics"  # type: ignore[index]
    with urllib.request.urlopen(url, timeout=PATIENCE) as said:
        return str(said.read().decode())


async def test_signed_bundles_over_http_and_a_start_without_their_server(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    config = tmp_path / "doorward.yaml"
    told: dict[str, Any] = {
        "policies": {
            "source": "",
            "min_delay_seconds": 0.1,
            "max_delay_seconds": 0.2,
            "signatures": {"keys": [{"file": "key", "algorithm": "HS256"}]},
        },
        "state": "state",
        "listen": ["127.0.0.1:0"],
        "telemetry": {"metrics": ["127.0.0.1:0"]},
    }
    now = answer(bundle(1))

    async def handler(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(now)

    async with web(handler) as server:
        told["policies"]["source"] = f"{server.url}/bundle.tar.gz?token=secret"
        config.write_text(json.dumps(told))
        service = await asyncio.to_thread(Served, None, "--config", str(config), listen="127.0.0.1:0")
        try:
            assert await asyncio.to_thread(reason, service) == "number 1"
            assert await asyncio.to_thread(health, service, "policies") == SERVING

            now = answer(bundle(2, "another secret of some length....."))
            refused = await asyncio.to_thread(service.revision_when, lambda one: bool(one.rejected))
            assert "does not verify" in refused.rejected
            assert refused.revision == service.ready["revision"]
            assert await asyncio.to_thread(health, service, "policies") == NOT_SERVING
            assert await asyncio.to_thread(health, service, "") == SERVING
            assert await asyncio.to_thread(reason, service) == "number 1"
            counted = await asyncio.to_thread(metrics, service)
            assert 'doorward_policy_fetches_total{outcome="refused"}' in counted
            assert "doorward_policies_rejected 1.0" in counted

            now = answer(bundle(2))
            taken = await asyncio.to_thread(service.revision_when, lambda one: not one.rejected)
            assert taken.revision != refused.revision
            assert await asyncio.to_thread(reason, service) == "number 2"
        finally:
            assert await asyncio.to_thread(service.stop) == 0
        said = b"".join(service.stderr).decode()
        assert "policies rejected" in said
        assert "secret" not in said

    again = await asyncio.to_thread(Served, None, "--config", str(config), listen="127.0.0.1:0")
    try:
        assert again.ready["revision"] == taken.revision
        assert await asyncio.to_thread(reason, again) == "number 2"
        assert await asyncio.to_thread(health, again, "policies") == NOT_SERVING
        assert await asyncio.to_thread(health, again, "") == SERVING
    finally:
        assert await asyncio.to_thread(again.stop) == 0
    assert b"those that were kept" in b"".join(again.stderr)

    shutil.rmtree(tmp_path / "state")
    with pytest.raises(RuntimeError, match="cannot be fetched"):
        await asyncio.to_thread(Served, None, "--config", str(config), listen="127.0.0.1:0")


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_git_remote_and_a_shadow_beside_it(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "policies.git")
    allow = 'package a\n\ngoverns postgres\n\nallow "all" if true\n'
    first = repository.commit({"prod/a.ward": allow})
    shadow = write_policies(tmp_path / "next", {"a.ward": allow + 'block "no more" if sql.read_only\n'})
    flags = [
        *("--set", "policies.min_delay_seconds=0.1", "--set", "policies.max_delay_seconds=0.2"),
        *("--set", f"shadow.policies={shadow}", "--set", "telemetry.metrics=127.0.0.1:0"),
    ]
    with served(None, *flags, "--set", f"policies.source={repository.url}#main:prod") as service:
        known = service.revision_when(lambda one: True)
        assert (known.git_commit, known.modules) == (first, 1)
        second = repository.commit({"prod/b.ward": allow.replace("package a", "package b")})
        known = service.revision_when(lambda one: one.git_commit == second)
        assert known.modules == 2
        counted = ""
        while 'doorward_shadow_differences_total{in="loses"}' not in counted:
            assert reason(service) == "all"
            counted = metrics(service)
        assert service.stop() == 0
    assert any(b"the shadow decides otherwise" in line for line in service.stderr)
