"""Several worker processes on one port, as those see them who call, who run them, and who kill them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import grpc
import psutil
import pytest
from tests.support.served import PATIENCE, Served, served, write_policies

from doorward.serve.operations.board import Board, State
from doorward_proto.v1 import decision_pb2 as pb
from doorward_proto.v1.decision_pb2_grpc import DecisionServiceStub

from .asking import Questions, configured, metrics, request, wait_until

SETTINGS = {"workers": 2, "telemetry": {"metrics": "127.0.0.1:0"}}


def workers(engine: Served) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(engine.process.pid).children():
        with suppress(psutil.NoSuchProcess):  # also what has ended and was not yet waited for
            if "serve-worker" in child.cmdline():
                found.append(child)
    return found


def state(engine: Served) -> pb.GetRevisionResponse:
    """What one of the workers says, on a connection of its own."""
    with grpc.insecure_channel(engine.target, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        stub = DecisionServiceStub(channel)  # type: ignore[no-untyped-call]
        answer: pb.GetRevisionResponse = stub.GetRevision(
            pb.GetRevisionRequest(), timeout=PATIENCE, wait_for_ready=True
        )
        return answer


def decided(counted: dict[str, float]) -> float:
    return sum(value for name, value in counted.items() if name.startswith("doorward_decisions_total"))


def spread(engine: Served, stack: ExitStack) -> list[DecisionServiceStub]:
    """Stubs on connections of their own, of which some come to each worker."""
    stubs = []
    for _ in range(24):
        channel = stack.enter_context(
            grpc.insecure_channel(engine.target, [("grpc.use_local_subchannel_pool", 1)])
        )
        stubs.append(DecisionServiceStub(channel))  # type: ignore[no-untyped-call]
    return stubs


def test_a_worker_that_is_killed_is_started_again_and_nothing_is_uncounted(tmp_path: Path) -> None:
    flags = configured(tmp_path, SETTINGS)
    with served(tmp_path / "policies", *flags) as engine, ExitStack() as stack:
        address = engine.ready["metrics"][0]  # type: ignore[index]
        for stub in spread(engine, stack):
            stub.DecideBatch(pb.DecideBatchRequest(requests=[request()] * 10), timeout=PATIENCE)
        wait_until(lambda: decided(metrics(address)) == 240, "the sum over both workers")
        first, second = workers(engine)
        # both have answered: connections are spread over them
        assert len({answer.loaded_at for answer in (state(engine) for _ in range(24))}) == 2

        first.kill()
        wait_until(lambda: len(workers(engine)) == 2 and first not in workers(engine), "another worker")
        wait_until(lambda: len(state(engine).workers) == 2)
        assert second in workers(engine)
        assert decided(metrics(address)) == 240
        for stub in spread(engine, stack):
            stub.Decide(request(), timeout=PATIENCE, wait_for_ready=True)
        wait_until(lambda: decided(metrics(address)) == 264, "the sum over all three")
        left = workers(engine)
        assert engine.stop() == 0
        assert not any(worker.is_running() for worker in left)


def test_workers_tell_whether_they_agree(tmp_path: Path) -> None:
    flags = configured(tmp_path, SETTINGS)
    with served(tmp_path / "policies", *flags) as engine:
        before = state(engine)
        assert [worker.number for worker in before.workers] == [0, 1]
        assert {worker.revision for worker in before.workers} == {before.revision}
        write_policies(tmp_path / "policies", {"p.ward": "package p\ngoverns postgres\nallow\n"})
        engine.process.send_signal(signal.SIGHUP)

        def agreed() -> bool:
            now = state(engine)
            return {worker.revision for worker in now.workers} == {now.revision} != {before.revision}

        wait_until(agreed, "one new revision of all")
        counted = metrics(engine.ready["metrics"][0])  # type: ignore[index]
        assert counted[f'doorward_revision{{revision="{state(engine).revision}"}}'] == 2
        write_policies(tmp_path / "policies", {"p.ward": "package p\ngoverns postgres\nallow if {\n"})
        wait_until(lambda: all(worker.rejected for worker in state(engine).workers))
        assert state(engine).revision != before.revision


def test_who_looks_after_them_is_gone_and_so_are_they(tmp_path: Path) -> None:
    flags = configured(tmp_path, SETTINGS)
    with served(tmp_path / "policies", *flags) as engine:
        left = workers(engine)
        assert len(left) == 2
        engine.process.kill()
        _, alive = psutil.wait_procs(left, timeout=PATIENCE)
        assert alive == []
        assert engine.stop() == -signal.SIGKILL


def test_what_keeps_ending_is_given_up(tmp_path: Path) -> None:
    flags = configured(tmp_path, SETTINGS)
    with served(tmp_path / "policies", *flags) as engine:
        killed: set[int] = set()

        def killed_again() -> bool:
            for worker in workers(engine) if engine.process.poll() is None else ():
                if worker.pid not in killed:
                    killed.add(worker.pid)
                    worker.kill()
            return engine.process.poll() is not None

        wait_until(killed_again, "the end of it all")
        status = engine.stop()
        assert status == 3, b"".join(engine.stderr).decode()
        assert "worker processes keep ending" in b"".join(engine.stderr).decode()


def test_calls_under_way_end_before_the_workers_do(tmp_path: Path) -> None:
    flags = configured(tmp_path, {**SETTINGS, "grace_seconds": 20})
    with served(tmp_path / "policies", *flags) as engine, ExitStack() as stack:
        streams = []
        for stub in spread(engine, stack)[:6]:
            questions = Questions()
            stream = stub.DecideStream(iter(questions), timeout=PATIENCE)
            questions.ask()
            assert next(stream).responses
            streams.append((questions, stream))
        assert engine.stop() == 0  # within its patience: streams that wait for nothing are let go
        for questions, stream in streams:
            assert list(stream) == []
            questions.end()


@pytest.mark.parametrize("taken_with", [0, socket.SO_REUSEPORT])
def test_an_address_that_is_taken_is_not_shared_with_strangers(tmp_path: Path, taken_with: int) -> None:
    write_policies(tmp_path, {"p.ward": "package p\ngoverns postgres\nallow\n"})
    with socket.socket() as taken:
        if taken_with:
            taken.setsockopt(socket.SOL_SOCKET, taken_with, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [
            sys.executable,
            "-m",
            "doorward",
            "serve",
            str(tmp_path),
            "--listen",
            address,
            "--workers",
            "2",
        ]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE * 2, check=False)
    assert ran.returncode == 3
    assert f"cannot listen on `{address}`" in ran.stderr


def test_policies_that_cannot_be_taken_are_told_once(tmp_path: Path) -> None:
    write_policies(tmp_path, {"p.ward": "package p\ngoverns postgres\nallow if {\n"})
    command = [
        sys.executable,
        "-m",
        "doorward",
        "serve",
        str(tmp_path),
        "--listen",
        "127.0.0.1:0",
        "--workers",
        "3",
    ]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE * 2, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.count("error[rego_parse_error]") == 2  # in the log, and for whoever called the command
    assert "Traceback" not in ran.stderr


def test_readiness_is_told_to_systemd(tmp_path: Path) -> None:
    write_policies(tmp_path / "policies", {"p.ward": "package p\ngoverns postgres\nallow\n"})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(tmp_path / "notify"))
        told.settimeout(PATIENCE)
        command = [
            sys.executable,
            "-m",
            "doorward",
            "serve",
            str(tmp_path / "policies"),
            "--listen",
            "127.0.0.1:0",
        ]
        process = subprocess.Popen(
            [*command, "--workers", "2"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")},
        )
        try:
            assert told.recv(100) == b"READY=1"
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["revision"]
            process.terminate()
            assert told.recv(100) == b"STOPPING=1"
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            process.communicate()


def test_what_was_counted_is_kept_when_a_worker_has_ended(tmp_path: Path) -> None:
    def told(number: int, count: float, gauge: float) -> State:
        samples = [
            ("c", "", "counter", [("c_total", {"a": "x"}, count)]),
            ("g", "", "gauge", [("g", {}, gauge)]),
            ("at_timestamp_seconds", "", "gauge", [("at_timestamp_seconds", {}, gauge)]),
            ("process_start_time_seconds", "", "gauge", [("process_start_time_seconds", {}, gauge)]),
        ]
        return State(number, f"r{number}", metrics=samples)

    def sums() -> dict[str, float]:
        return {sample.name: sample.value for family in board.metrics() for sample in family.samples}

    board = Board(tmp_path)
    board.put(told(0, 10, 3))
    board.put(told(1, 5, 4))
    assert sums() == {"c_total": 15, "g": 7, "at_timestamp_seconds": 4, "process_start_time_seconds": 3}
    for _ in range(3):
        board.bury(0)
        assert sums() == {"c_total": 15, "g": 4, "at_timestamp_seconds": 4, "process_start_time_seconds": 4}
        assert [state.number for state in board.states()] == [1]
    board.put(told(0, 2, 1))
    assert sums()["c_total"] == 17
    board.bury(0)
    board.bury(1)
    assert sums() == {"c_total": 17}
    (tmp_path / "0.json").write_text("half a sta")
    assert sums() == {"c_total": 17}
