"""What docs/service.md says about Envoy can be used as it stands there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import yaml
from tests.support.envoy import program
from tests.support.served import PATIENCE

from doorward.serve.envoy.settings import EnvoySettings

PAGE = (Path(__file__).resolve().parents[4] / "docs/service.md").read_text()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def block(beginning: str) -> str:
    """The one block of YAML that begins so."""
    (found,) = (each for each in BLOCKS if each.startswith(beginning))
    return str(found)


def test_the_settings_are_settings() -> None:
    text = block("envoy:\n")
    lines = text.splitlines()
    for line in lines:
        if "identity: {" in line:
            said = yaml.safe_load(line.replace("# ", "", 1) if line.strip().startswith("#") else line)
            EnvoySettings.model_validate(said)
    EnvoySettings.model_validate(yaml.safe_load(text)["envoy"])


def test_envoy_takes_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "envoy.yaml"
    path.write_text(block("# envoy.yaml\n"))
    command = [program(), "--mode", "validate", "--config-path", str(path), "--use-dynamic-base-id"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ran.returncode == 0, ran.stderr
