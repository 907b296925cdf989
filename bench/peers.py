"""Those whom Doorward is measured beside: each as its own documentation says it is fastest, or named as absent.

Everyone gives its answers before it is timed, and they have to be right.
"""

from __future__ import annotations

import importlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench.measure import Contestant, Settings, absent, per_call
from bench.programs import CEDAR, OPA, REGORUS, Program, Refused
from doorward import Engine

__all__ = [
    "PEERS",
    "Rules",
    "WrongAnswer",
    "by_hand",
    "casbin",
    "cedar",
    "check",
    "doorward",
    "rego_cpp",
    "rego_peers",
]

PEERS = ("by-hand", "opa", "regorus", "rego-cpp", "cedar", "casbin", "cerbos", "pgbouncer")
_UNKNOWN_TO_REGO_CPP = ("net.cidr_contains",)
_WITH_PIP = "`make bench` installs it, or: pip install 'doorward[bench]'"


class WrongAnswer(RuntimeError):
    """A contestant does not give the answer that all have to give: its time would mean nothing."""


@dataclass(frozen=True, slots=True)
class Rules:
    """A Rego query, the requests to ask it on, and the right answers."""

    modules: Mapping[str, str]
    query: str
    inputs: Sequence[Any]
    answers: Sequence[Any]
    data: Mapping[str, Any] = field(default_factory=dict)


def doorward(name: str, rules: Rules, settings: Settings, *, series: str = "", size: int = 0) -> Contestant:
    """`Engine.prepare(query).value` on parsed requests."""
    value = Engine.from_sources(rules.modules, rules.data).prepare(rules.query).value
    check(name, rules.answers, [value(given) for given in rules.inputs])
    return Contestant(
        name, per_call(value, rules.inputs, settings.slice_seconds), series=series or name, size=size
    )


def by_hand(function: Callable[[Any], Any], rules: Rules, settings: Settings) -> Contestant:
    """The same policy as a function of Python."""
    name = "Python by hand"
    check(name, rules.answers, [function(given) for given in rules.inputs])
    return Contestant(name, per_call(function, rules.inputs, settings.slice_seconds), peer="by-hand")


def rego_peers(rules: Rules, settings: Settings, *, size: int = 0) -> list[Contestant]:
    """OPA and regorus, each in a program of its own, timed there."""
    how_opa, how_regorus = ("Go", "go"), ("Rust", "cargo")
    asked = {
        "modules": rules.modules,
        "data": rules.data,
        "query": rules.query,
        "inputs": rules.inputs,
    }
    found = [_program("OPA, prepared query", "opa", OPA, how_opa, asked, rules.answers, settings, size=size)]
    for mode in ("machine", "compiled"):
        name = {"machine": "regorus, virtual machine", "compiled": "regorus, compiled policy"}[mode]
        inside = {**asked, "mode": mode}
        found.append(
            _program(name, "regorus", REGORUS, how_regorus, inside, rules.answers, settings, size=size)
        )
    return found


def _program(
    name: str,
    peer: str,
    path: Path,
    built_with: tuple[str, str],
    asked: Mapping[str, Any],
    answers: Sequence[Any],
    settings: Settings,
    *,
    size: int = 0,
) -> Contestant:
    shown = f"{name}, {size:,} rules" if size else name
    if not settings.wants(peer):
        return absent(shown, peer, "not asked for")
    if not path.exists():
        language, tool = built_with
        return absent(shown, peer, f"not built: install {language}, and `make bench` builds it with `{tool}`")
    program = Program(path)
    try:
        check(name, answers, program.prepare(asked))
    except Refused as error:
        program.close()
        return absent(shown, peer, f"it refuses the policy: {error}")
    except BaseException:
        program.close()
        raise
    work = partial(program.run, settings.slice_seconds)
    return Contestant(shown, work, peer=peer, series=name, size=size, close=program.close)


def rego_cpp(rules: Rules, settings: Settings) -> Contestant:
    """rego-cpp (C++) from Python, policies built into a bundle and inputs set beforehand."""
    name, regopy = "rego-cpp, bundle", _library("regopy")
    if regopy is None:
        return absent(name, "rego-cpp", _WITH_PIP)
    for builtin in _UNKNOWN_TO_REGO_CPP:
        if any(builtin in text for text in rules.modules.values()):
            return absent(name, "rego-cpp", f"it has no `{builtin}`")

    def asked_on(given: Any) -> Callable[[], Any]:
        interpreter = regopy.Interpreter()
        for path, text in rules.modules.items():
            interpreter.add_module(path, text)
        bundle = interpreter.build(f"answer = {rules.query}", [])
        interpreter.set_input(given)
        return lambda: interpreter.query_bundle(bundle)

    queries = [asked_on(given) for given in rules.inputs]
    found = [json.loads(str(query())).get("bindings", {}).get("answer") for query in queries]
    check(name, rules.answers, found)
    return Contestant(name, per_call(_call, queries, settings.slice_seconds), peer="rego-cpp")


def cedar(
    policies: str,
    entities: Sequence[Mapping[str, Any]],
    requests: Sequence[Mapping[str, Any]],
    answers: Sequence[bool],
    settings: Settings,
    *,
    size: int = 0,
) -> list[Contestant]:
    """Cedar in a program of its own, timed there, and from Python; policies and entities parsed beforehand.

    Beforehand, too, are the program's requests; the binding to Python takes each as a dict.
    """
    asked = {"policies": policies, "entities": entities, "requests": requests}
    return [
        _program("Cedar, in Rust", "cedar", CEDAR, ("Rust", "cargo"), asked, answers, settings, size=size),
        _cedar_from_python(policies, entities, requests, answers, settings, size=size),
    ]


def _cedar_from_python(
    policies: str,
    entities: Sequence[Mapping[str, Any]],
    requests: Sequence[Mapping[str, Any]],
    answers: Sequence[bool],
    settings: Settings,
    *,
    size: int,
) -> Contestant:
    series, library = "Cedar, from Python", _library("cedarpy")
    name = f"{series}, {size:,} rules" if size else series
    if library is None or not settings.wants("cedar"):
        return absent(name, "cedar", _WITH_PIP)
    parsed, known = library.PolicySet.from_str(policies), library.Entities.from_json_str(json.dumps(entities))

    def decide(request: Mapping[str, Any]) -> Any:
        return library.is_authorized(request, parsed, known)

    check(name, answers, [decide(request).allowed for request in requests])
    work = per_call(decide, requests, settings.slice_seconds)
    return Contestant(name, work, peer="cedar", series=series, size=size)


def casbin(
    rules: Sequence[str], requests: Sequence[Sequence[str]], answers: Sequence[bool], settings: Settings
) -> Contestant:
    """pycasbin with its model of roles."""
    name, library = "pycasbin", _library("casbin")
    if library is None:
        return absent(name, "casbin", _WITH_PIP)
    with tempfile.TemporaryDirectory(prefix="doorward-bench-") as directory:
        model, policy = Path(directory) / "model.conf", Path(directory) / "policy.csv"
        model.write_text(
            "[request_definition]\nr = sub, act\n[policy_definition]\np = sub, act\n[role_definition]\ng = _, _\n"
            "[policy_effect]\ne = some(where (p.eft == allow))\n[matchers]\nm = g(r.sub, p.sub) && r.act == p.act\n"
        )
        policy.write_text("\n".join(rules) + "\n")
        enforcer = library.Enforcer(str(model), str(policy))

    def enforce(request: Sequence[str]) -> Any:
        return enforcer.enforce(*request)

    check(name, answers, [enforce(request) for request in requests])
    return Contestant(name, per_call(enforce, requests, settings.slice_seconds), peer="casbin")


def check(who: str, right: Sequence[Any], given: Sequence[Any]) -> None:
    """Raises WrongAnswer at the first answer that is not the right one."""
    if len(right) != len(given):
        raise WrongAnswer(f"{who} gave {len(given)} answers to {len(right)} requests")
    for number, (expected, answer) in enumerate(zip(right, given, strict=True)):
        if type(expected) is not type(answer) or expected != answer:
            raise WrongAnswer(f"{who} answers request {number} with {answer!r}, where {expected!r} is right")


def _call(query: Callable[[], Any]) -> Any:
    return query()


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
