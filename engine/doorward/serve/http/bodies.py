"""Bodies of requests: read within bounds, understood or refused."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

import orjson
from starlette.requests import ClientDisconnect, Request

from doorward.decide.document import check_depth
from doorward.run.exact import loads_exactly
from doorward.serve.http.problems import Problem
from doorward.serve.rpc.wire import json_bytes

__all__ = ["json_of", "json_text_of", "read_body"]

_FEW: Final = 64
"""Brackets that cannot nest deeper than requests may be."""


async def read_body(request: Request, most: int, seconds: float) -> bytes:
    """The whole body. Raises Problem where it is larger, takes longer, or ends in the middle."""
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > most:
        raise _too_large(most)
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Problem(415, "invalid_parameter", "the body is compressed, which is not taken here")
    content = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                content += part
                if len(content) > most:
                    raise _too_large(most)
    except TimeoutError:
        raise Problem(
            408,
            "timeout",
            f"the body took longer than {seconds:g} s to arrive",
            headers={"connection": "close"},
        ) from None
    except ClientDisconnect:
        raise Problem(400, "invalid_parameter", "the body ended in the middle") from None
    return bytes(content)


def _too_large(most: int) -> Problem:
    return Problem(413, "too_large", f"the body is larger than {most} bytes")


def json_of(content: bytes, what: str) -> Any:
    """The document of a JSON text, its numbers exact. Raises Problem."""
    try:
        document = loads_exactly(content)
        if content.count(b"[") + content.count(b"{") > _FEW:
            check_depth(document)
    except (ValueError, ArithmeticError, RecursionError) as error:
        said = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Problem(400, "invalid_parameter", f"{what} is not JSON: {said}") from None
    return document


def json_text_of(document: Any, *, pretty: bool) -> bytes:
    """JSON text; for people, unless a number in it is longer than 64 bits hold."""
    if pretty:
        with suppress(orjson.JSONEncodeError):
            return orjson.dumps(document, option=orjson.OPT_INDENT_2)
    return json_bytes(document)
