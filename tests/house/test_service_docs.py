"""The settings that `docs/service.md` shows are settings, and the metrics that it names are there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.exposition import generate_latest
from tests.house.test_docs import ROOT, blocks

from doorward.serve.configuration.load import load
from doorward.serve.operations.metrics import Metrics
from doorward.serve.settings import ServeSettings

PAGE = ROOT / "docs/service.md"

SHOWN = [text for text in blocks(PAGE, "yaml") if "static_resources" not in text]


def files_in(told: Any) -> list[str]:
    """What is named as a file that has to be there."""
    if isinstance(told, list):
        return [name for one in told for name in files_in(one)]
    if not isinstance(told, dict):
        return []
    named = ("_file", "_cert", "_key", "_ca", "signers")
    own = [v for k, v in told.items() if isinstance(v, str) and (k in ("file", "ca") or k.endswith(named))]
    return own + [name for value in told.values() for name in files_in(value)]


@pytest.mark.parametrize(
    "text", SHOWN, ids=[text.partition(":")[0] + str(at) for at, text in enumerate(SHOWN)]
)
def test_the_settings_shown_are_settings(tmp_path: Path, text: str) -> None:
    text = text.replace("/etc/doorward", str(tmp_path)).replace("/var/log/doorward", str(tmp_path))
    for name in files_in(yaml.safe_load(text)):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("content")
    (tmp_path / "doorward.yaml").write_text(text)
    flags = {} if "policies:" in re.split(r"^ ", text, flags=re.MULTILINE)[0] else {"policies": "policies"}
    assert load(ServeSettings, file=tmp_path / "doorward.yaml", environment={}, flags=flags).policies.source


class _Nothing:
    in_force = None
    rejected = ""
    answered_at = 0.0
    outcomes: dict[str, int] = {}  # noqa: RUF012


def test_the_metrics_named_are_there() -> None:
    told = generate_latest(Metrics(_Nothing()).registry).decode()  # type: ignore[arg-type]
    there = set(re.findall(r"^# TYPE (doorward_\w+)", told, re.MULTILINE))
    section = PAGE.read_text().partition("\n## Metrics, traces, logs\n")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(doorward_\w+)`", section))
    assert named <= there | {name.removesuffix("_total") for name in there}
    assert {name for name in there if not name.startswith("doorward_shadow")} <= named
