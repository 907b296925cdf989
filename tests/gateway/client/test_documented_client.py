"""The example of the client in docs/service.md does what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.support.postgres import free_port
from tests.support.served import PATIENCE, served, write_policies

PAGE = Path(__file__).parents[3] / "docs/service.md"
POLICY = """package acme

governs postgres

allow if { "analysts" in principal.groups; sql.read_only }
"""


def run(target: str) -> list[str]:
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert '"127.0.0.1:8181", timeout=0.5' in example
    program = example.replace('"127.0.0.1:8181", timeout=0.5', f'"{target}", timeout={PATIENCE}')
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE * 3, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout.splitlines()


def test_the_example_runs(tmp_path: Path) -> None:
    with served(write_policies(tmp_path, {"acme.ward": POLICY})) as engine:
        said = run(engine.target)
    assert said == ["go ahead", "it would have taken: sql.read_only is true", "[{'x': 2}]"]


def test_the_example_without_an_engine_refuses(tmp_path: Path) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    assert run(nobody) == [f"refused: the engine at {nobody} cannot be reached"]
