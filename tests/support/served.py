"""A real engine as a process of its own, on a free port of 127.0.0.1."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import grpc

from doorward_proto.v1 import decision_pb2 as pb
from doorward_proto.v1.decision_pb2_grpc import DecisionServiceStub

__all__ = ["Served", "served", "write_policies"]

PATIENCE = 30.0
"""Seconds after which something that should happen counts as not happening; a busy machine must not fail a test."""


class Served:
    """`doorward serve` on a directory, or what the flags say, with what it said and ways to ask it."""

    def __init__(self, policies: Path | None, *flags: str, listen: str = "127.0.0.1:0") -> None:
        path = [] if policies is None else [str(policies)]
        command = [sys.executable, "-m", "doorward", "serve", *path, "--listen", listen, *flags]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if not name.startswith("DOORWARD_")},
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.stderr: list[bytes] = []
        self._reader = threading.Thread(target=self.stderr.extend, args=(self.process.stderr,), daemon=True)
        self._reader.start()
        first = self.process.stdout.readline()
        if not first:
            self.stop()
            raise RuntimeError(b"".join(self.stderr).decode())
        self.ready: dict[str, object] = json.loads(first)
        self.target: str = json.loads(first)["listen"][0]

    @contextmanager
    def channel(self) -> Iterator[grpc.Channel]:
        """A plain synchronous channel."""
        with grpc.insecure_channel(self.target, options=[("grpc.max_receive_message_length", -1)]) as channel:
            yield channel

    @contextmanager
    def stub(self) -> Iterator[DecisionServiceStub]:
        """The service's methods on a channel of their own."""
        with self.channel() as channel:
            yield DecisionServiceStub(channel)  # type: ignore[no-untyped-call]

    def revision_when(self, holds: Callable[[pb.GetRevisionResponse], bool]) -> pb.GetRevisionResponse:
        """The first answer of GetRevision for which something holds."""
        until = time.monotonic() + PATIENCE
        with self.stub() as stub:
            while True:
                answer: pb.GetRevisionResponse = stub.GetRevision(
                    pb.GetRevisionRequest(), timeout=PATIENCE, wait_for_ready=True
                )
                if holds(answer):
                    return answer
                if time.monotonic() > until:
                    raise AssertionError(f"it never came: {answer}")
                time.sleep(0.02)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the process; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return status


@contextmanager
def served(policies: Path | None, *flags: str, listen: str = "127.0.0.1:0") -> Iterator[Served]:
    """A served directory, ended by force if need be."""
    engine = Served(policies, *flags, listen=listen)
    try:
        yield engine
    finally:
        if engine.process.poll() is None:
            engine.stop(signal.SIGKILL)


def write_policies(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files below a folder; returns the folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
