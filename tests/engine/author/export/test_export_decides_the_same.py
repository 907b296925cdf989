"""OPA, run on an export, comes to the decisions that Doorward makes: on generated policies and requests, and on our own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doorward.author.export import export_rego, whole_document
from doorward.decide.decision import Decision
from doorward.engine import Engine

from .policies import governed, requests

_OPA = shutil.which("opa")
_IN_CI = 15
_EXAMPLES = int(os.environ.get("DOORWARD_EXAMPLES", _IN_CI))
_POLICIES = Path(__file__).parents[4] / "policies"
_DATA = {"suspended": {"eve": True}, "trusted": ["staff", "dba"]}
_SUNDAY, _MONDAY = 1_763_856_000_000_000_000, 1_763_967_600_000_000_000

pytestmark = pytest.mark.skipif(_OPA is None, reason="no `opa` on the PATH")


def _decided_by_opa(engine: Engine, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in export_rego(engine.policies).items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        query = "[decision | some one in input; decision := data.doorward.decision with input as one]"
        command = [str(_OPA), "eval", "-d", folder, "--strict-builtin-errors", "-I", "-f", "raw", query]
        ran = subprocess.run(command, input=json.dumps(documents).encode(), capture_output=True, check=False)
    assert ran.returncode == 0, (ran.stdout + ran.stderr).decode()
    return json.loads(ran.stdout)  # type: ignore[no-any-return]


def _said(decision: Decision) -> dict[str, Any]:
    """A decision as an export gives it: its masks are not resolved to columns."""
    plain = decision.to_dict()
    kept = {name: plain[name] for name in ("verdict", "reasons", "determining", "approvals", "credential")}
    names = ("target", "method", "keep_last", "replacement", "reason")
    return kept | {"masks": [{name: mask[name] for name in names} for mask in plain["masks"]]}


def _check(engine: Engine, wanted: list[Any], *, now_ns: int) -> None:
    decisions = [engine.decide(request, now_ns=now_ns) for request in wanted]
    documents = [
        whole_document(engine, request, decision, now_ns)
        for request, decision in zip(wanted, decisions, strict=True)
    ]
    for request, decision, theirs in zip(wanted, decisions, _decided_by_opa(engine, documents), strict=True):
        ours = _said(decision)
        if (
            request["resource"]["kind"] == "postgres"
        ):  # which columns of an answer a mask means is not said in Rego
            theirs["masks"] = [mask for mask in theirs["masks"] if mask in ours["masks"]]
        assert theirs == ours


@settings(
    max_examples=_EXAMPLES,
    derandomize=_EXAMPLES <= _IN_CI,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(governed(), st.data(), st.sampled_from([_SUNDAY, _MONDAY]))
def test_generated_policies(made: tuple[str, dict[str, str]], data: st.DataObject, now_ns: int) -> None:
    kind, sources = made
    engine = Engine.from_sources(sources, _DATA)
    _check(engine, [data.draw(requests(kind)) for _ in range(8)], now_ns=now_ns)


@pytest.mark.parametrize("group", ["analysts", "dba", "importers"])
def test_the_policies_of_this_repository(group: str) -> None:
    engine = Engine.from_path(_POLICIES)
    wanted = [
        {
            "principal": {"id": "ada", "kind": kind, "groups": [group]},
            "action": {"name": action},
            "resource": {"kind": "postgres", "name": "warehouse", "environment": "production"},
            "postgres": {"statement": statement},
        }
        for kind in ("human", "agent", "ci")
        for action, statement in [
            ("connect", ""),
            ("issue_credential", ""),
            ("query", "select 1"),
            ("query", "begin"),
            ("query", "drop table customers"),
            ("query", "select * from pg_catalog.pg_class"),
            ("query", "select from where"),
        ]
    ]
    _check(engine, wanted, now_ns=_MONDAY)
