"""What every request goes through before and after it is answered."""

from __future__ import annotations

from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from doorward.serve.http.problems import Problem, problem_response

__all__ = ["Edge"]

_log: Final = structlog.get_logger("doorward.serve")

_REQUEST_ID: Final = "x-request-id"
_PART: Final = 64 << 10
"""Bytes of an answer that are sent at once."""


class Edge:
    """Gives callers back the id of their request, and turns whatever goes wrong into an error that says so."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise AssertionError("nothing but HTTP is served here")
        request_id = Headers(scope=scope).get(_REQUEST_ID)
        begun = False

        async def with_id(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                if request_id is not None:
                    MutableHeaders(scope=message)[_REQUEST_ID] = request_id
            body = message.get("body", b"")
            if len(body) > _PART:  # so that who does not take one part is not sent the next
                for at in range(0, len(body) - _PART, _PART):
                    await send({**message, "body": body[at : at + _PART], "more_body": True})
                message["body"] = body[-(len(body) % _PART or _PART) :]
            await send(message)

        try:
            await self._application(scope, receive, with_id)
        except Problem as problem:
            await problem_response(problem)(scope, receive, with_id)
        except Exception as error:
            _log.exception("a request could not be answered", path=scope["path"])
            if begun:  # nothing can be said any more but that this was not all
                raise
            wrong = Problem(500, "internal_error", f"internal error: {type(error).__name__}")
            await problem_response(wrong)(scope, receive, with_id)
