"""Bodies: what a JSON document or a form says, where no two parsers may disagree."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, Final

from doorward.facts.http.target import read_target
from doorward.facts.reading import Opaque
from doorward.run.exact import exact_number

__all__ = ["body_bytes", "read_body", "unambiguous_json"]

_MAX_DEPTH: Final = 128


def body_bytes(body: str, body_base64: str) -> bytes:
    """The body as bytes. Raises Opaque."""
    if not body_base64:
        return body.encode("utf-8", "surrogatepass")
    if body:
        raise Opaque("the body is given twice, as text and in base64")
    try:
        return base64.b64decode(body_base64, validate=True)
    except (binascii.Error, ValueError):
        raise Opaque("the body is not base64") from None


def read_body(content: bytes, content_type: str, charset: str) -> Any:
    """What the body says; None where it is no document, or there is none. Raises Opaque.

    `charset` is empty where the request names none.
    """
    if not content:
        return None
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise Opaque(f"the body is in `{charset[:100]}`, not in UTF-8")
    if content_type == "application/json" or content_type.endswith("+json"):
        return unambiguous_json(content)
    if content_type == "application/x-www-form-urlencoded":
        try:
            text = content.decode("ascii")
        except UnicodeDecodeError:
            raise Opaque("the form is not ASCII") from None
        return read_target("/?" + text).query
    return None


def unambiguous_json(content: bytes) -> Any:
    """A JSON document in UTF-8 in which no name stands twice: parsers differ about which one counts. Raises Opaque."""
    try:
        document = json.loads(
            content.decode(), object_pairs_hook=_object, parse_float=exact_number, parse_constant=_constant
        )
    except (ValueError, ArithmeticError, RecursionError) as error:
        said = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Opaque(f"the body is not JSON: {said}") from None
    _bound_depth(document)
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for at, name in enumerate(names) if name in names[:at])
        raise Opaque(f"the body names `{twice[:100]}` twice in one object")
    return found


def _constant(name: str) -> Any:
    raise Opaque(f"the body is not JSON: `{name}`")


def _bound_depth(document: Any) -> None:
    level = [document]
    for _ in range(_MAX_DEPTH):
        level = [
            inner
            for value in level
            if isinstance(value, dict | list)
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return
    raise Opaque(f"the body is nested deeper than {_MAX_DEPTH} levels")
