"""One decision in process: what a policy costs beside the same policy written by hand, and how the cost grows with its size."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.measure import Contestant, Question, per_call
from doorward import Engine

__all__ = ["questions"]

_RBAC = """
package bench.rbac

grants := {
	"reader": {"get", "list"},
	"editor": {"get", "list", "put"},
	"owner": {"get", "list", "put", "delete"},
}

default allow := false

allow if {
	some role in input.principal.groups
	input.action.name in grants[role]
}
"""

_REQUEST: dict[str, Any] = {
    "principal": {"id": "ana", "kind": "human", "groups": ["guests", "editor"]},
    "action": {"name": "put"},
    "resource": {"kind": "ssh", "name": "host-7", "environment": "production"},
    "ssh": {"command": "uptime"},
}


@contextmanager
def questions() -> Iterator[Sequence[Question]]:
    """Role-based access as a query; then whole decisions under ten and ten thousand statements."""
    with tempfile.TemporaryDirectory(prefix="doorward-bench-") as directory:
        yield [_rbac(Path(directory)), _growth()]


def _rbac(directory: Path) -> Question:
    engine = Engine.from_sources({"rbac.rego": _RBAC})
    allowed = engine.prepare("data.bench.rbac.allow")
    grants = {
        "reader": {"get", "list"},
        "editor": {"get", "list", "put"},
        "owner": {"get", "list", "put", "delete"},
    }

    def by_hand() -> bool:
        document = _REQUEST
        return any(
            document["action"]["name"] in grants.get(role, ()) for role in document["principal"]["groups"]
        )

    return Question(
        "RBAC, three roles, parsed request",
        "µs",
        [
            Contestant("Python by hand", per_call(by_hand)),
            Contestant("doorward", per_call(lambda: allowed.value(_REQUEST))),
            _opa(directory),
        ],
    )


def _growth() -> Question:
    def policy(statements: int) -> Engine:
        lines = ["package bench.many", "governs ssh", 'allow "editors" if "editor" in principal.groups']
        lines += [f'block "host {n}" if resource.name == "host-closed-{n}"' for n in range(statements - 1)]
        return Engine.from_sources({"many.ward": "\n".join(lines) + "\n"})

    def contestant(statements: int) -> Contestant:
        engine = policy(statements)
        return Contestant(f"doorward, {statements:,} statements", per_call(lambda: engine.decide(_REQUEST)))

    return Question(
        "a whole decision as the rules grow",
        "µs",
        [contestant(10), contestant(1_000), contestant(10_000)],
        "completing the request, evaluating, combining; one statement of all can hold",
    )


def _opa(directory: Path) -> Contestant:
    """OPA's own benchmark of its prepared query, on the same policy and request."""
    opa = shutil.which("opa")
    if opa is None:
        return Contestant("OPA, prepared query", lambda: 0.0, absent="no `opa` on the PATH")
    policy, request = directory / "rbac.rego", directory / "request.json"
    policy.write_text(_RBAC)
    request.write_text(json.dumps(_REQUEST))
    command = [
        opa,
        "bench",
        "--format",
        "json",
        "--data",
        str(policy),
        "--input",
        str(request),
        "data.bench.rbac.allow",
    ]
    return Contestant("OPA, prepared query", _opa_round(command))


def _opa_round(command: list[str]) -> Callable[[], float]:
    def one_round() -> float:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        result = json.loads(done.stdout)
        return float(result["T"]) / float(result["N"]) / 1000

    return one_round
