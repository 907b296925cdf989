"""A decision log of real decisions, in this process."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from doorward import Engine
from doorward.facts.postgres import Catalogue
from doorward.serve.decision_log.log import DecisionLog
from doorward.serve.decision_log.settings import DecisionLogSettings
from doorward.serve.point import Made, Question

__all__ = [
    "CATALOGUE",
    "PATIENCE",
    "POLICIES",
    "QUOTING",
    "SOURCES",
    "entries",
    "fill",
    "http_request",
    "log_of",
    "made",
    "opened",
    "postgres_request",
    "small_disk",
    "until",
]

PATIENCE = 30.0

POLICIES = """package shop

governs postgres, http

allow "analysts read" if { "analysts" in principal.groups; resource.kind == "postgres" }
allow "everybody calls" if resource.kind == "http"
mask customers.ssn with partial(4)
"""

QUOTING = """# METADATA
# scope: package
# custom:
#   governs: [http, postgres]
package quoting

deny contains sprintf("%s is not welcome", [header]) if {
	some header in input.http.headers
	contains(header, "quoted")
}

deny contains sprintf("%s is wrong", [input.principal.claims.quoted])
"""
"""Rules whose reasons quote what was asked."""

CATALOGUE = Catalogue.from_json(
    json.dumps(
        {
            "server_version": 180000,
            "database": "shop",
            "relations": [["public", "customers", 100, "r", [["id", 1, "text"], ["ssn", 2, "text"]]]],
            "functions": [],
        }
    ).encode()
)

SOURCES = {"shop.ward": POLICIES, "quoting.rego": QUOTING}
_ENGINE = Engine.from_sources(SOURCES)


def postgres_request(statement: str = "select id, ssn from customers", **principal: Any) -> dict[str, Any]:
    """An analyst's statement."""
    return {
        "principal": {"id": "ana", "kind": "human", "groups": ["analysts"], **principal},
        "action": {"name": "query"},
        "resource": {"kind": "postgres", "name": "shop"},
        "postgres": {"statement": statement},
    }


def http_request(**parts: Any) -> dict[str, Any]:
    """A request of HTTP."""
    return {
        "principal": {"id": "ana"},
        "action": {"name": "call"},
        "resource": {"kind": "http", "name": "api"},
        "http_request": {"method": "GET", "target": "/", **parts},
    }


def made(
    request: Any = None, *, engine: Engine = _ENGINE, now_ns: int | None = None, **question: Any
) -> Made:
    """A decision that was really made."""
    request = postgres_request() if request is None else request
    now = time.time_ns() if now_ns is None else now_ns
    decision = engine.decide(request, catalogue=CATALOGUE, now_ns=now)
    return Made(Question(request, CATALOGUE.hash, **question), CATALOGUE, decision, now, 12_345)


@asynccontextmanager
async def opened(
    file: Path, engine: Engine = _ENGINE, *, workers: int = 1, **settings: Any
) -> AsyncIterator[DecisionLog]:
    """A log, closed in the end."""
    log = log_of(file, engine, workers=workers, **settings)
    try:
        yield log
    finally:
        await log.close()


def log_of(file: Path, engine: Engine = _ENGINE, *, workers: int = 1, **settings: Any) -> DecisionLog:
    """A log, for whoever closes it."""
    told = DecisionLogSettings.model_validate({"file": file, **settings})
    return DecisionLog(told, lambda: engine, workers=workers)


def entries(*files: Path, kind: str = "decision") -> list[dict[str, Any]]:
    """The lines of one kind; every line must be whole."""
    found = []
    for file in files:
        text = file.read_bytes()
        assert text == b"" or text.endswith(b"\n")
        found += [json.loads(line) for line in text.splitlines()]
    return [entry for entry in found if entry.get("kind", "decision") == kind]


async def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition, within patience."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it never came"
        await asyncio.sleep(0.01)


@contextmanager
def small_disk(folder: Path, size: str = "256k") -> Iterator[Path]:
    """A file system of its own that is soon full; skips the test where nobody may mount one."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Use up what space there is; removing the file that is returned gives it back."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (4096, 256, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return ballast
