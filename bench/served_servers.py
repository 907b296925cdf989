"""The servers that are measured, each a process of its own, ready to answer and asked once before it is timed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import grpc
import orjson

from bench import programs
from bench.served_question import (
    CHECK,
    DOCUMENTS,
    DOORWARD_CONFIG,
    OPA_ENVOY_PATH,
    OPA_PATH,
    Cerbos,
    by_check,
    by_doorward,
    by_opa,
    check_requests,
)
from doorward_gateway.demo.embedded_postgres import free_port
from doorward_proto.v1 import decision_pb2 as pb
from doorward_proto.v1.decision_pb2_grpc import DecisionServiceStub

__all__ = ["Absent", "Server", "Speech", "cerbos", "doorward", "opa", "opa_envoy"]

_HERE = Path(__file__).parent
_OPA_ENVOY = _HERE / "opa-envoy" / "target" / "opa-envoy-plugin"
_PATIENCE = 30.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Absent(Exception):
    """A server that cannot take part. The message says why, and how to get it."""


@dataclass(frozen=True, slots=True)
class Speech:
    """How a server is asked: `protocol` as bench/loadgen has it, the requests in bytes, and how to read an answer."""

    protocol: str
    method: str
    requests: Sequence[bytes]
    read: Callable[[bytes], bool]


@dataclass(frozen=True)
class Server:
    """One that answers at `target`."""

    target: str
    pid: int
    speech: Speech

    @property
    def streamed(self) -> Speech:
        """How Doorward is asked on one stream, by whom writes its own messages."""
        return replace(self.speech, protocol="stream", method="/doorward.v1.DecisionService/DecideStream")

    @property
    def checked(self) -> Speech:
        """How Doorward is asked by Envoy."""
        return _CHECKS

    def processor_seconds(self) -> float:
        """What it has used until now, with all the processes that it started."""
        return sum(self._used(pid) for pid in [self.pid, *self._children])

    @cached_property
    def _children(self) -> list[int]:
        found: list[int] = []
        for pid in (known := [self.pid]):
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                found += (started := list(map(int, children.read_text().split())))
                known += started
        return found

    @staticmethod
    def _used(pid: int) -> float:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / _TICKS


_CHECKS: Final = Speech("grpc", CHECK, check_requests(), by_check)


@contextmanager
def doorward(policies: Path) -> Iterator[Server]:
    """`doorward serve` on a free port, asked by `Decide`."""
    target = f"127.0.0.1:{free_port()}"
    config = policies.parent / "doorward-config.json"  # which is YAML too
    config.write_bytes(orjson.dumps(DOORWARD_CONFIG))
    command = [
        sys.executable,
        "-m",
        "doorward",
        "serve",
        str(policies),
        "--listen",
        target,
        "--config",
        str(config),
    ]
    requests = [pb.DecideRequest(json=orjson.dumps(document)).SerializeToString() for document in DOCUMENTS]
    speech = Speech("grpc", "/doorward.v1.DecisionService/Decide", requests, by_doorward)
    with _running(command) as process:
        with grpc.insecure_channel(target) as channel:
            DecisionServiceStub(channel).GetRevision(  # type: ignore[no-untyped-call]
                pb.GetRevisionRequest(), timeout=_PATIENCE, wait_for_ready=True
            )
        yield Server(target, process.pid, speech)


@contextmanager
def opa(policies: Path) -> Iterator[Server]:
    """`opa run --server`, asked by its data API over HTTP/1.1. Raises Absent."""
    program = programs.opa_program()
    if program is None:
        raise Absent("not built: install Go, and `make bench` builds it with `go`")
    target = f"127.0.0.1:{free_port()}"
    command = [
        program,
        "run",
        "--server",
        "--addr",
        target,
        "--log-level",
        "error",
        "--disable-telemetry",
        str(policies),
    ]
    requests = [orjson.dumps({"input": document}) for document in DOCUMENTS]
    with _running(command) as process:
        _wait_for(target, process)
        yield Server(target, process.pid, Speech("http", OPA_PATH, requests, by_opa))


@contextmanager
def opa_envoy(policies: Path) -> Iterator[Server]:
    """OPA with its plugin for Envoy, asked by `Check` over gRPC. Raises Absent."""
    if not _OPA_ENVOY.exists():
        raise Absent("not built: `make bench` builds it where there is `go` and its module can be had")
    target = f"127.0.0.1:{free_port()}"
    plugin = "plugins.envoy_ext_authz_grpc"
    command = [
        str(_OPA_ENVOY),
        "run",
        "--server",
        "--addr",
        f"127.0.0.1:{free_port()}",
        "--log-level",
        "error",
    ]
    command += ["--set", f"{plugin}.addr={target}", "--set", f"{plugin}.path={OPA_ENVOY_PATH}", str(policies)]
    with _running(command) as process:
        _wait_for(target, process)
        yield Server(target, process.pid, _CHECKS)


@contextmanager
def cerbos(policies: Path) -> Iterator[Server]:
    """Cerbos, asked by `CheckResources` over gRPC. Raises Absent."""
    program = programs.cerbos()
    if program is None:
        raise Absent("not installed: `make bench` installs it where there is `npm`")
    target = f"127.0.0.1:{free_port()}"
    config = policies.parent / "cerbos-config.json"
    stated = {
        "server": {"grpcListenAddr": target, "httpListenAddr": f"127.0.0.1:{free_port()}"},
        "storage": {"driver": "disk", "disk": {"directory": str(policies)}},
        "telemetry": {"disabled": True},
    }
    config.write_bytes(orjson.dumps(stated))
    with _running([str(program), "server", f"--config={config}", "--log-level=error"]) as process:
        _wait_for(target, process)
        words = Cerbos(target)
        yield Server(target, process.pid, Speech("grpc", Cerbos.METHOD, words.requests, words.read))


@contextmanager
def _running(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    # in a session of its own, so that an interrupt from the keyboard ends the measuring, not what is measured under it
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(target: str, process: subprocess.Popen[bytes]) -> None:
    """Until somebody listens. Raises Absent."""
    host, _, port = target.rpartition(":")
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise Absent("it did not start")
