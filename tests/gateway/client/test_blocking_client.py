"""The client for threads, and what both clients ask beside decisions, against a real engine."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.support.postgres import free_port
from tests.support.served import PATIENCE, Served, served, write_policies

from doorward_gateway.client import AsyncClient, Client, EngineUnavailable, QueryRefused
from doorward_proto.v1 import decision_pb2 as pb

WARD = """package p

governs postgres

allow if { "readers" in principal.groups; sql.read_only }
mask customers.ssn with redact
"""
REGO = "package lib\nimport rego.v1\ngroups contains name if some name in input.groups\n"
CATALOGUE = json.dumps(
    {
        "server_version": 180000,
        "database": "shop",
        "relations": [["public", "customers", 100, "r", [["id", 1, "text"], ["ssn", 2, "text"]]]],
        "functions": [],
    }
).encode()


def document(statement: str = "select 1", groups: tuple[str, ...] = ("readers",)) -> dict[str, Any]:
    return {
        "principal": {"id": "ana", "groups": list(groups)},
        "action": {"name": "query"},
        "resource": {"kind": "postgres"},
        "postgres": {"statement": statement},
    }


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    files = {"p.ward": WARD, "lib.rego": REGO}
    with served(write_policies(tmp_path_factory.mktemp("policies"), files)) as engine:
        yield engine


@pytest.fixture
def client(engine: Served) -> Iterator[Client]:
    with Client(engine.target, timeout=PATIENCE) as client:
        yield client


def test_it_decides(client: Client) -> None:
    assert client.decide(document())
    blocked = client.decide(json.dumps(document("drop table customers")).encode())
    assert not blocked
    assert (blocked.verdict, blocked.reason) == ("block", "no statement allows this")
    assert client.connected


def test_masks_are_for_those_who_can_mask(client: Client) -> None:
    catalogue = client.describe("postgres", CATALOGUE)
    decision = client.decide(document("select ssn from customers"), catalogue)
    assert decision.verdict == "allow"
    assert not decision
    assert decision.allows(masks=True)
    assert [mask.target for mask in decision.message.masks] == ["customers.ssn"]


def test_threads_get_their_own_answers(client: Client) -> None:
    statements = ["select 1" if number % 3 else "drop table x" for number in range(300)]
    with ThreadPoolExecutor(16) as threads:
        decisions = list(threads.map(lambda one: client.decide(document(one)).allowed, statements))
    assert decisions == [bool(number % 3) for number in range(300)]


def test_it_explains(client: Client) -> None:
    told = client.explain(document(groups=()))
    assert told.decision.verdict == pb.VERDICT_BLOCK
    assert [change.text for change in told.nearest.changes] == ['"readers" in principal.groups']
    (statement,) = [one for one in told.statements if one.verb == "allow"]
    assert statement.outcome == pb.OUTCOME_NOT_HELD
    assert json.loads(statement.conditions)[0]["seen"]
    assert not client.explain(document(groups=()), nearest=False, instant=1).HasField("nearest")
    replayed = client.explain(document(), instant=1_700_000_000_000_000_000, replaying=pb.Effects())
    assert replayed.decision.verdict == pb.VERDICT_ALLOW
    with pytest.raises(EngineUnavailable, match="could not explain: "):
        client.explain({"princpal": {}})


def test_it_explains_against_a_catalogue_that_the_engine_has_forgotten(engine: Served) -> None:
    with Client(engine.target, timeout=PATIENCE) as client:
        with pytest.raises(EngineUnavailable, match="not known"):
            client.explain(document("select ssn from customers"), "0" * 64)
        digest = client.describe("postgres", CATALOGUE)
        assert client.explain(document("select ssn from customers"), digest).decision.masks


def test_it_queries(client: Client) -> None:
    assert client.query("data.lib.groups = x", {"groups": ["b", "a"]}) == [{"x": ["a", "b"]}]
    assert client.query("groups = x", {"groups": []}, within="package lib") == [{"x": []}]
    assert client.query("input = x") == []
    assert client.query("input = x", None) == [{"x": None}]
    assert client.query("input = x", 1 << 80) == [{"x": 1 << 80}]
    assert client.query("time.now_ns() = x", instant=17) == [{"x": 17}]


def test_what_is_wrong_with_a_query_comes_with_its_code(client: Client) -> None:
    with pytest.raises(QueryRefused) as refused:
        client.query("x = ")
    assert refused.value.code == "rego_parse_error"
    assert refused.value.problems[0].place == "<query>:1:4"
    with pytest.raises(QueryRefused) as refused:
        client.query("1 / 0 = x", strict_builtin_errors=True)
    assert refused.value.code == "eval_builtin_error"
    for bad in (float("nan"), object()):
        with pytest.raises(EngineUnavailable, match="cannot be written as JSON"):
            client.query("input = x", bad)
    with pytest.raises(EngineUnavailable, match="instant"):
        client.query("1 = x", instant=1 << 90)


def test_it_watches(tmp_path: Path) -> None:
    policies = write_policies(tmp_path, {"p.ward": WARD})
    listen = f"127.0.0.1:{free_port()}"
    with Client(listen, timeout=PATIENCE) as client:
        states = client.watch()
        with served(policies, listen=listen) as engine:
            first = next(states)
            assert first.revision == client.revision().revision == engine.ready["revision"]
            (policies / "p.ward").write_text(WARD + "nonsense")
            assert next(states).rejected
            engine.stop(signal.SIGKILL)
        # what is the case when the engine is back, though nobody said that it had gone
        (policies / "p.ward").write_text(WARD + 'block "closed"\n')
        with served(policies, listen=listen) as engine:
            assert next(states).revision == engine.ready["revision"] != first.revision
        threading.Timer(0.05, client.close).start()
        assert list(states) == []


def test_a_deadline_is_kept(tmp_path: Path) -> None:
    with served(write_policies(tmp_path, {"p.ward": WARD})) as engine, Client(engine.target) as client:
        assert client.decide(document(), timeout=PATIENCE)
        engine.process.send_signal(signal.SIGSTOP)
        try:
            begin = time.monotonic()
            with pytest.raises(EngineUnavailable, match=r"did not answer within 0\.2 s"):
                client.decide(document(), timeout=0.2)
            assert time.monotonic() - begin < PATIENCE / 2
        finally:
            engine.process.send_signal(signal.SIGCONT)


def test_it_is_over_when_it_is_closed(engine: Served) -> None:
    client = Client(engine.target, timeout=PATIENCE)
    assert client.decide(document())
    client.close()
    client.close()
    assert not client.connected
    for call in (lambda: client.decide(document()), client.revision, lambda: next(client.watch())):
        with pytest.raises(EngineUnavailable, match="closed"):
            call()


def test_closing_ends_what_other_threads_wait_for(tmp_path: Path) -> None:
    with served(write_policies(tmp_path, {"p.ward": WARD})) as engine:
        client = Client(engine.target, timeout=PATIENCE)
        assert client.decide(document())
        engine.process.send_signal(signal.SIGSTOP)
        try:
            with ThreadPoolExecutor(4) as threads:
                waiting = [
                    threads.submit(client.decide, document()),
                    threads.submit(client.revision),
                    threads.submit(client.query, "1 = x"),
                ]
                until = time.monotonic() + PATIENCE
                while not all(one.running() for one in waiting):
                    assert time.monotonic() < until
                    time.sleep(0)
                client.close()
                for one in waiting:
                    with pytest.raises(EngineUnavailable):
                        one.result(PATIENCE)
        finally:
            engine.process.send_signal(signal.SIGCONT)


def test_a_forgotten_client_ends_by_itself(engine: Served) -> None:
    before = set(threading.enumerate())
    client = Client(engine.target, timeout=PATIENCE)
    assert client.decide(document())
    (thread,) = [one for one in threading.enumerate() if one.name == "engine-client" and one not in before]
    del client
    gc.collect()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_program_that_forgets_it_ends(engine: Served) -> None:
    program = (
        "import sys\n"
        "from doorward_gateway.client import Client\n"
        "client = Client(sys.argv[1], timeout=30)\n"
        "print(client.decide(sys.argv[2].encode()).allowed)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, engine.target, json.dumps(document())],
        capture_output=True,
        text=True,
        timeout=PATIENCE * 2,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "True\n", "")


def test_a_process_that_was_forked_is_refused_and_not_hung(engine: Served) -> None:
    program = (
        "import os, sys\n"
        "from doorward_gateway.client import Client, EngineUnavailable\n"
        "client = Client(sys.argv[1], timeout=30)\n"
        "assert client.decide(sys.argv[2].encode())\n"
        "if os.fork() == 0:\n"
        "    try:\n"
        "        client.decide(sys.argv[2].encode())\n"
        "    except EngineUnavailable as error:\n"
        "        os.write(1, str(error).encode())\n"
        "    os._exit(0)\n"
        "os.wait()\n"
        "assert client.decide(sys.argv[2].encode())\n"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, engine.target, json.dumps(document())],
        capture_output=True,
        text=True,
        timeout=PATIENCE * 2,
        check=False,
        env={**os.environ, "GRPC_VERBOSITY": "NONE"},
    )
    assert (ran.returncode, ran.stdout) == (
        0,
        "this engine client was made in another process: each needs its own",
    ), ran.stderr


# --- who calls ---


def test_a_token_does_not_cross_the_network_in_the_clear() -> None:
    with pytest.raises(ValueError, match="in the clear"):
        Client("engine.example:8181", token="s3cret")
    with pytest.raises(ValueError, match="in the clear"):
        Client("127.0.0.1.example:8181", token="s3cret")


async def test_a_token_is_asked_for_anew(engine: Served) -> None:
    asked = []

    def token() -> str:
        asked.append(1)
        return f"token-{len(asked)}"

    async with AsyncClient(engine.target, timeout=PATIENCE, token=token) as client:
        assert await client.decide(document())
        await client.revision()
        await client.revision()
    assert len(asked) == 3


def test_an_engine_that_wants_to_know_its_callers(tmp_path: Path) -> None:
    policies = write_policies(tmp_path / "policies", {"p.ward": WARD})
    (tmp_path / "gateway.token").write_text("right-token-of-the-gateway\n")
    settings = {"callers": {"gateway": {"token_file": "gateway.token", "may": ["decide", "query"]}}}
    (tmp_path / "doorward.json").write_text(json.dumps(settings))
    with served(policies, "--config", str(tmp_path / "doorward.json")) as engine:
        with Client(engine.target, timeout=PATIENCE, token="right-token-of-the-gateway") as client:
            assert client.decide(document())
            assert client.query("1 = x") == [{"x": 1}]
            with pytest.raises(EngineUnavailable, match="refused"):
                client.revision()
        tokens = ["wrong-token-of-the-gateway", "with\nan end of line", "", None]
        for token in tokens:
            with Client(engine.target, timeout=PATIENCE, token=token) as client:
                for call in (lambda: client.decide(document()), lambda: client.query("1 = x")):
                    with pytest.raises(EngineUnavailable):
                        call()


def test_a_token_that_nobody_gives(engine: Served) -> None:
    def token() -> str:
        raise OSError("no such file")

    with Client(engine.target, timeout=PATIENCE, token=token) as client:
        for call in (lambda: client.decide(document()), client.revision):
            with pytest.raises(EngineUnavailable, match="no such file"):
                call()
