"""Policy as code for the data path: one decision for every request.

    from doorward import Engine

    engine = Engine.from_path("policies/")
    engine.decide({"resource": {"kind": "postgres"}, "postgres": {"statement": "select 1"}}).verdict
    engine.query("data.acme.customers.analyst = x", input={})

Errors, all of them DoorwardError:

    DoorwardError
    ├── PolicyError            policies were refused; holds every diagnostic
    │   ├── ParseError
    │   └── CompileError
    ├── InvalidRequest         the document is not an access request
    └── EvaluationError        a query could not be evaluated
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from doorward.decide.decision import Decision
    from doorward.decide.document import InvalidRequest
    from doorward.decide.explain import Explanation
    from doorward.decide.request import AccessRequest, PostgresRequest
    from doorward.engine import Engine
    from doorward.run.errors import EvaluationError
    from doorward_dsl.diagnostics import CompileError, DoorwardError, ParseError, PolicyError

__all__ = [
    "AccessRequest",
    "CompileError",
    "Decision",
    "DoorwardError",
    "Engine",
    "EvaluationError",
    "Explanation",
    "InvalidRequest",
    "ParseError",
    "PolicyError",
    "PostgresRequest",
]

_HOME = {
    "AccessRequest": "doorward.decide.request",
    "CompileError": "doorward_dsl.diagnostics",
    "Decision": "doorward.decide.decision",
    "DoorwardError": "doorward_dsl.diagnostics",
    "Engine": "doorward.engine",
    "EvaluationError": "doorward.run.errors",
    "Explanation": "doorward.decide.explain",
    "InvalidRequest": "doorward.decide.document",
    "ParseError": "doorward_dsl.diagnostics",
    "PolicyError": "doorward_dsl.diagnostics",
    "PostgresRequest": "doorward.decide.request",
}


def __getattr__(name: str) -> Any:
    # Imported when first asked for: the command says `--help` without loading a grammar or a parser of SQL.
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module `doorward` has no attribute `{name}`")
    value = globals()[name] = getattr(importlib.import_module(home), name)
    return value
