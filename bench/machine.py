"""What the figures were made on: the machine, and the versions of everything that took part."""

from __future__ import annotations

import os
import platform
import subprocess
import tomllib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.programs import CEDAR, OPA, REGORUS, cerbos, version_of

__all__ = ["machine", "versions"]

_LIBRARIES = ("doorward", "cedarpy", "regopy", "pycasbin", "orjson", "pglast", "sqlglot", "grpcio", "uvloop")
_RUST = {"regorus": ("regorus", REGORUS), "cedar-policy": ("cedar", CEDAR)}
"""Crates by the folder of the program that holds them, and the program."""


def machine() -> dict[str, Any]:
    """Processor, system, Python, and how busy the machine is now, with what is not ours."""
    return {
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "cpu": _cpu(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load_before": os.getloadavg()[0],
    }


def versions() -> dict[str, str]:
    """Of Doorward, the peers that are here, and the libraries that decide what it costs."""
    found = {}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    if said := version_of(OPA):
        found["opa"] = said
    if program := cerbos():
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
        found["cerbos"] = said.partition("\n")[0].strip()
    for crate, (folder, built) in _RUST.items():
        if built.exists():
            manifest = tomllib.loads((Path(__file__).parent / folder / "Cargo.toml").read_text())
            stated = manifest["dependencies"][crate]
            found[crate] = (stated if isinstance(stated, str) else stated["version"]).lstrip("=")
    return found


def _cpu() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
