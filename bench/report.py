"""The table and the JSON document of one run."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import shutil
import subprocess
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.measure import Figure, Question

__all__ = ["Result", "document", "markdown", "write"]

_REGORUS = Path(__file__).parent / "regorus" / "Cargo.toml"

Result = tuple[Question, list[Figure]]

_LIBRARIES = ("doorward", "grpcio", "orjson", "sqlglot", "pglast", "uvloop", "cedarpy", "regopy", "pycasbin")


def document(results: Sequence[Result]) -> dict[str, Any]:
    """Everything measured, with the machine and the versions."""
    return {
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": {
            "cpus": os.cpu_count(),
            "cpu": _cpu(),
            "system": platform.platform(),
            "python": platform.python_version(),
            "load_average": os.getloadavg(),
        },
        "versions": _versions(),
        "questions": [
            {
                "name": question.name,
                "unit": question.unit,
                "note": question.note,
                "figures": [
                    {"contestant": f.contestant, "absent": f.absent}
                    if f.absent is not None
                    else {
                        "contestant": f.contestant,
                        "median": f.median,
                        "spread": f.spread,
                        "rounds": f.rounds,
                    }
                    for f in figures
                ],
            }
            for question, figures in results
        ],
    }


def markdown(results: Sequence[Result]) -> str:
    """One table: a line for each contestant of each question, the ratio to the question's first contestant last."""
    machine = f"{os.cpu_count()} × {_cpu()}, load average {os.getloadavg()[1]:.1f}"
    versions = ", ".join(f"{name} {number}" for name, number in _versions().items())
    lines = [
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d}; {machine}; Python {platform.python_version()}; {versions}.",
        "",
        "| work | who | median | spread | ratio |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for question, figures in results:
        base = next((f.median for f in figures if f.absent is None), None)
        for position, figure in enumerate(figures):
            name = question.name if position == 0 else ""
            if figure.absent is not None:
                lines.append(f"| {name} | {figure.contestant} | absent: {figure.absent} | | |")
                continue
            ratio = f"{figure.median / base:.2f}" if base else ""
            lines.append(
                f"| {name} | {figure.contestant} | {_number(figure.median)} {question.unit} | {figure.spread:.0%} | {ratio} |"
            )
    notes = [f"- {question.name}: {question.note}" for question, _ in results if question.note]
    return "\n".join([*lines, *(["", *notes] if notes else []), ""])


def write(results: Sequence[Result], directory: Path) -> None:
    """Writes `results.json` and `results.md` into `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "results.json").write_text(json.dumps(document(results), indent=2) + "\n")
    (directory / "results.md").write_text(markdown(results))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    opa = shutil.which("opa")
    if opa is not None:
        said = subprocess.run([opa, "version"], capture_output=True, text=True, check=True, timeout=10).stdout
        found["opa"] = said.partition("Version: ")[2].partition("\n")[0]
    return found | {"regorus": tomllib.loads(_REGORUS.read_text())["dependencies"]["regorus"].lstrip("=")}


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
