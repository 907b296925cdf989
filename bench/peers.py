"""Those whom Doorward is measured beside: each as its own documentation says it is fastest, or named as absent."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.measure import Contestant, per_call

__all__ = ["casbin", "cedar", "opa", "rego_cpp", "regorus"]

_REGORUS = Path(__file__).parent / "regorus" / "target" / "release" / "bench-regorus"


def opa(policy: Path, request: Path, rule: str) -> Contestant:
    """OPA's own benchmark of its prepared query (Go)."""
    name, program = "OPA, prepared query", shutil.which("opa")
    if program is None:
        return _absent(name, "no `opa` on the PATH")
    command = [program, "bench", "--format", "json", "--benchmem=false"]
    command += ["--data", str(policy), "--input", str(request), rule]

    def one_round() -> float:
        result = json.loads(_output(command))
        return float(result["T"]) / float(result["N"]) / 1000

    return Contestant(name, one_round)


def regorus(policy: Path, request: Path, rule: str) -> list[Contestant]:
    """regorus (Rust), its compiled policy and its virtual machine, timed in a program of its own."""
    modes = {"compiled": "regorus, compiled policy", "vm": "regorus, virtual machine"}
    if not _REGORUS.exists():
        return [_absent(name, "`bench/regorus` is not built") for name in modes.values()]

    def contestant(mode: str) -> Contestant:
        command = [str(_REGORUS), mode, str(policy), str(request), rule]
        return Contestant(modes[mode], lambda: float(_output(command)))

    return [contestant(mode) for mode in modes]


def rego_cpp(policy: Path, request: Path, rule: str) -> Contestant:
    """rego-cpp (C++) from Python, the policy built into a bundle and the input set beforehand."""
    name, regopy = "rego-cpp, bundle", _library("regopy")
    if regopy is None:
        return _absent(name, "no `regopy`")
    interpreter = regopy.Interpreter()
    interpreter.add_module(policy.name, policy.read_text())
    bundle = interpreter.build(f"allowed = {rule}", [])
    interpreter.set_input(json.loads(request.read_text()))
    if json.loads(str(interpreter.query_bundle(bundle))).get("bindings") != {"allowed": True}:
        return _absent(name, "it gives another answer")
    return Contestant(name, per_call(lambda: interpreter.query_bundle(bundle)))


def cedar(
    name: str, policies: str, entities: Sequence[dict[str, Any]], request: dict[str, Any]
) -> Contestant:
    """Cedar (Rust) from Python, policies and entities parsed beforehand."""
    library = _library("cedarpy")
    if library is None:
        return _absent(name, "no `cedarpy`")
    parsed, known = library.PolicySet.from_str(policies), library.Entities.from_json_str(json.dumps(entities))

    def decide() -> Any:
        return library.is_authorized(request, parsed, known)

    if not decide().allowed:
        return _absent(name, "it gives another answer")
    return Contestant(name, per_call(decide))


def casbin(directory: Path, rules: Sequence[str], request: Sequence[str]) -> Contestant:
    """pycasbin with its model of roles."""
    name, library = "pycasbin", _library("casbin")
    if library is None:
        return _absent(name, "no `pycasbin`")
    model, policy = directory / "casbin.conf", directory / "casbin.csv"
    model.write_text(
        "[request_definition]\nr = sub, act\n[policy_definition]\np = sub, act\n[role_definition]\ng = _, _\n"
        "[policy_effect]\ne = some(where (p.eft == allow))\n[matchers]\nm = g(r.sub, p.sub) && r.act == p.act\n"
    )
    policy.write_text("\n".join(rules) + "\n")
    enforcer = library.Enforcer(str(model), str(policy))
    if not enforcer.enforce(*request):
        return _absent(name, "it gives another answer")
    return Contestant(name, per_call(lambda: enforcer.enforce(*request)))


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _absent(name: str, why: str) -> Contestant:
    return Contestant(name, _never, absent=why)


def _never() -> float:
    raise AssertionError("an absent contestant was asked")


def _output(command: Sequence[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
