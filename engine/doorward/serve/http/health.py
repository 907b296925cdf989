"""Whether the service is well, as OPA says it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from doorward.serve.http.problems import Problem, json_response
from doorward.serve.point import DecisionPoint

__all__ = ["health"]


def health(point: DecisionPoint, request: Request) -> Response:
    """`/health`: policies are loaded; with `bundles`, the newest of them are in force too. Raises Problem."""
    if point.revisions.in_force is None:
        raise Problem(500, "no_policy", "no policies have been loaded yet")
    asked = request.query_params.get("bundles")
    if asked not in (None, "false") and point.revisions.rejected:
        raise Problem(500, "invalid_operation", "the newest policies were refused; earlier ones are in force")
    return json_response(b"{}")
