"""Stands before everything that is asked over HTTP: who asks, and may they."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request

from doorward.serve.http.admission import Asked
from doorward.serve.http.problems import Code, Problem
from doorward.serve.operations.asking import ASKING
from doorward.serve.operations.callers import Callers, Refusal, Refused

__all__ = ["HttpAdmission"]

_PROBLEMS: Final[dict[Refusal, tuple[int, Code, dict[str, str]]]] = {
    "unauthenticated": (401, "unauthorized", {"www-authenticate": "Bearer"}),
    "forbidden": (403, "forbidden", {}),
    "overloaded": (429, "overloaded", {"retry-after": "1"}),
}


class HttpAdmission:
    """Lets requests in, with who asks in `ASKING`."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    def __call__(self, request: Request, asked: Asked) -> str:
        """The name of the caller. Raises Problem."""
        transport = request.scope.get("state", {}).get("transport")
        certificate = None if transport is None else transport.get_extra_info("peercert")
        authorization = request.headers.get("authorization", "")
        try:
            asking = self._callers.call(asked, authorization, _names(certificate or {}))
        except Refused as error:
            status, code, headers = _PROBLEMS[error.why]
            raise Problem(status, code, str(error), headers=headers) from None
        asking.trace = request.headers.get("traceparent", "")
        ASKING.set(asking)
        return asking.caller.name


def _names(certificate: Mapping[str, Any]) -> list[str]:
    """The names in a certificate as `ssl` gives it: the alternative ones, or the common one where there are none."""
    alternative = [value for _, value in certificate.get("subjectAltName", ())]
    if alternative:
        return alternative
    subject = [pair for part in certificate.get("subject", ()) for pair in part]
    return [value for name, value in subject if name == "commonName"]
