"""From the bytes a caller sent to the total document a policy sees.

This runs for every decision, so a well-formed section costs a dictionary merge and one comparison of
types; only what is not well-formed meets pydantic, which then says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, Protocol, get_args, get_origin

import orjson
from pydantic import BaseModel, ValidationError

from doorward.decide.request import (
    DOCUMENTS,
    OPERATIONS,
    REQUESTS,
    AccessRequest,
    Instant,
    document_schemas,
)
from doorward.facts import READERS, Reader
from doorward.run.exact import exactly, may_be_inexact
from doorward_dsl.diagnostics import DoorwardError

__all__ = [
    "KINDS",
    "SHARED",
    "Clock",
    "InvalidRequest",
    "Kind",
    "SectionReader",
    "Shape",
    "check_depth",
    "complete",
    "parse_document",
    "schemas_of",
]

_MAX_DEPTH: Final = 64


class InvalidRequest(DoorwardError):
    """The document is not an access request. The message names the field by its path, and what is wrong."""


def parse_document(text: bytes) -> Any:
    """The JSON document of a request. Raises InvalidRequest."""
    try:
        document = orjson.loads(text)  # strict about what is JSON, also about its encoding
        if text.count(b"[") + text.count(b"{") > _MAX_DEPTH:
            check_depth(document)
        if may_be_inexact(text) and _may_hold_numbers(document):
            document = exactly(text, document)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise InvalidRequest(f"the request is not valid JSON: {_lower(str(error))}") from None
    return document


def _may_hold_numbers(document: Any) -> bool:
    """Whether there is anything in a request that could hold a number: of the kinds known here, all but claims is text."""
    if type(document) is not dict:
        return False
    principal, resource = document.get("principal"), document.get("resource")
    return (type(principal) is dict and bool(principal.get("claims"))) or (
        type(resource) is dict and type(resource.get("kind")) is str and resource["kind"] not in KINDS
    )


def check_depth(document: Any) -> None:
    """Raises ValueError where a document of JSON is nested deeper than any request may be."""
    level = [document]
    for _ in range(_MAX_DEPTH):
        deeper: list[Any] = []
        for value in level:
            if type(value) is dict:
                deeper.extend(value.values())
            elif type(value) is list:
                deeper.extend(value)
        if not deeper:
            return
        level = deeper
    raise ValueError(f"nested deeper than {_MAX_DEPTH} levels")


class Clock:
    """Makes the `time` section; remembers the minute, so that the calendar is worked out but rarely, and the latest
    instant, which all requests of one message share.

    Safe to share between threads: each thing that it remembers is one object, replaced as a whole.
    """

    __slots__ = ("_instant", "_latest")

    def __init__(self) -> None:
        self._latest: tuple[int, str, dict[str, Any]] = (-1, "", {})
        self._instant: dict[str, Any] = {"ns": None}

    def instant(self, now_ns: int) -> dict[str, Any]:
        """The `time` section for an instant in nanoseconds since 1970. Raises InvalidRequest."""
        instant = self._instant
        if instant["ns"] == now_ns:
            return instant
        minute, rest = divmod(now_ns, 60_000_000_000)
        latest = self._latest
        if latest[0] != minute:
            self._latest = latest = self._minute(minute)
        seconds, fraction = divmod(rest, 1_000_000_000)
        instant = {**latest[2], "ns": now_ns, "rfc3339": f"{latest[1]}{seconds:02d}.{fraction:09d}Z"}
        self._instant = instant
        return instant

    @staticmethod
    def _minute(minute: int) -> tuple[int, str, dict[str, Any]]:
        try:
            moment = datetime.fromtimestamp(minute * 60, UTC)
        except (ValueError, OverflowError, OSError):
            raise InvalidRequest(
                "the instant of the decision is outside the years that can be written"
            ) from None
        calendar = {
            "ns": 0,
            "rfc3339": "",
            "date": f"{moment:%Y-%m-%d}",
            "weekday": _WEEKDAYS[moment.weekday()],
            "hour": moment.hour,
            "minute": moment.minute,
        }
        return minute, f"{moment:%Y-%m-%dT%H:%M:}", calendar


_WEEKDAYS: Final = get_args(Instant.model_fields["weekday"].annotation)


class Shape:
    """What a section looks like, worked out of its model once."""

    __slots__ = ("_defaults", "_fields", "_model", "_texts")

    def __init__(self, model: type[BaseModel]) -> None:
        self._defaults: dict[str, Any] = model().model_dump()
        self._model = model
        self._fields = {
            name: (type(default), _check_of(model.model_fields[name].annotation))
            for name, default in self._defaults.items()
        }
        self._texts = frozenset(name for name, field in self._fields.items() if field == (str, None))
        """What may be any text: most of what there is."""

    def complete(self, given: Any, where: str) -> dict[str, Any]:
        """The section, total."""
        if type(given) is not dict:
            return self._explain(given, where)
        fields, texts = self._fields, self._texts
        for name, value in given.items():
            if name in texts and type(value) is str:
                continue
            kind, is_valid = fields.get(name, _UNKNOWN)
            if type(value) is not kind or (is_valid is not None and not is_valid(value)):
                return self._explain(given, where)
        return {**self._defaults, **given}

    def _explain(self, given: Any, where: str) -> dict[str, Any]:
        if type(given) is dict:
            given = {name: value for name, value in given.items() if value is not None}
        try:
            return self._model.model_validate(given).model_dump()
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            path = ".".join([where, *map(str, first["loc"])])
            if first["type"] == "extra_forbidden":
                raise InvalidRequest(f"unknown field `{path}`") from None
            raise InvalidRequest(f"`{path}`: {_lower(first['msg'])}") from None


_UNKNOWN: Final = (None, None)


def _check_of(annotation: Any) -> Callable[[Any], bool] | None:
    """What is to be looked at beside the type; None where that says it all."""
    if get_origin(annotation) is Literal:
        return frozenset(get_args(annotation)).__contains__
    # what holds nulls beside strings is told apart by the slow road
    if annotation in (list[str], list[str | None], dict[str, str]):
        return _are_texts
    return _are_lists_of_texts if annotation == dict[str, list[str]] else None


def _are_texts(value: Any) -> bool:
    """Whether a list or object holds nothing but strings."""
    for part in value.values() if type(value) is dict else value:  # noqa: SIM110 - the faster way
        if type(part) is not str:
            return False
    return True


def _are_lists_of_texts(value: Any) -> bool:
    return all(type(items) is list and (not items or _are_texts(items)) for items in value.values())


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


class SectionReader(Protocol):
    """What a caller sends in one part of a request."""

    def complete(self, given: Any, where: str) -> dict[str, Any]:
        """The section, total; `where` is its name. Raises InvalidRequest."""


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One kind of request."""

    name: str
    operation: str
    """The section that holds the raw operation."""
    schema: Mapping[str, Any] | None
    """JSON Schema of the document that policies see, by which they are typed; None for what `document_schemas` has."""
    empty: Mapping[str, Any]
    """The document of which nothing is known: what is not sent is taken from it."""
    sections: tuple[tuple[str, SectionReader], ...]
    """What a caller sends, by name."""
    reader: Reader | None
    """What works out its facts, where that takes no more than the operation itself."""


def _sections(request: type[AccessRequest]) -> tuple[tuple[str, SectionReader], ...]:
    return tuple(
        (name, Shape(field.annotation))
        for name, field in request.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    )


def _built_in() -> dict[str, Kind]:
    return {
        name: Kind(
            name=name,
            operation=OPERATIONS[name],
            schema=None,
            empty=document().model_dump(),
            sections=_sections(REQUESTS[name]),
            reader=READERS.get(name),
        )
        for name, document in DOCUMENTS.items()
    }


KINDS: Final[Mapping[str, Kind]] = _built_in()
"""The kinds that every engine knows, by name."""

SHARED: Final = Kind(
    name="",
    operation="",
    schema=None,
    empty=AccessRequest().model_dump(),
    sections=_sections(AccessRequest),
    reader=None,
)
"""What requests of all kinds have."""


def schemas_of(kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """The JSON Schema of the document of each kind. Shared: not to be changed."""
    known = document_schemas()
    return {name: known[name] if kind.schema is None else kind.schema for name, kind in kinds.items()}


def complete(document: Any, time: dict[str, Any], kinds: Mapping[str, Kind] = KINDS) -> dict[str, Any]:
    """The total document: every field of its kind is there; facts are empty until they are derived.

    What a caller says about time and facts is dropped. The document given is not changed, but shared in parts
    with the answer. Of a kind that nobody knows, only what all kinds share is taken. Raises InvalidRequest.
    """
    if type(document) is not dict:
        raise InvalidRequest("the request is not a JSON object")
    resource = document.get("resource")
    name = resource.get("kind") if type(resource) is dict else None
    if type(name) is not str or not name:
        raise InvalidRequest("`resource.kind` is missing")
    kind = kinds.get(name, SHARED)
    whole = dict(kind.empty)
    for section, shape in kind.sections:
        given = document.get(section)
        if given is not None:
            whole[section] = shape.complete(given, section)
    if not document.keys() <= whole.keys() and kind is not SHARED:
        raise InvalidRequest(f"unknown field `{min(map(str, document.keys() - whole.keys()))}`")
    whole["time"] = time
    return whole
