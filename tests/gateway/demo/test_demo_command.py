"""The demo takes down what it has started, also when it is told to stop in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_nothing_is_left_of_a_demo_that_is_stopped(by: signal.Signals) -> None:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o711)  # the server's own account has to come through
        demo = subprocess.Popen(
            [sys.executable, "-m", "doorward", "demo"],
            env={**os.environ, "TMPDIR": directory},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert demo.stdout is not None
        for line in demo.stdout:
            if "opens a session" in line:
                break
        started = psutil.Process(demo.pid).children(recursive=True)
        assert started
        demo.send_signal(by)
        demo.communicate(timeout=60)
        _, alive = psutil.wait_procs(started, timeout=10)
        assert (demo.returncode, alive, list(Path(directory).iterdir())) == (130, [], [])
