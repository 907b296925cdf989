"""What is given in a test, gathered line by line, and what it comes to when something happens."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from doorward.author.testing.files import FileError, ReadFile, content_of
from doorward.author.testing.operations import ACTIONS, OperationError, operation_of
from doorward.author.testing.schema import catalogue_of
from doorward.author.testing.tested import DEFAULT_NOW_NS
from doorward.compile import FunctionName, Replacements
from doorward.decide.document import Kind
from doorward.facts.postgres import Catalogue
from doorward.facts.postgres.catalogue import CatalogueError
from doorward.run.convert import to_json
from doorward.run.values import Value
from doorward_dsl.compile_tests import Setting
from doorward_dsl.syntax import When

__all__ = ["GivenError", "Situation", "instant_of"]

_INSTANT: Final = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?)?")


class GivenError(ValueError):
    """What is given cannot be."""


def instant_of(value: Value) -> int:
    """Nanoseconds since 1970 of `2026-11-20T10:00:00Z`, of a date, or of such a number. Raises GivenError."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _INSTANT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise GivenError("an instant is written `2026-11-20T10:00:00Z`")
    day, hour, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{hour or '00:00:00'}{(zone or 'Z').replace('Z', '+00:00')}")
    except ValueError as error:
        raise GivenError(f"`{value}` is no instant: {error}") from None
    seconds = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    return seconds * 1_000_000_000 + int((fraction or ".0")[1:].ljust(9, "0"))


@dataclass(slots=True)
class Situation:
    """All that was given so far."""

    read: ReadFile
    kinds: Mapping[str, Kind]
    request: dict[str, Any] = field(default_factory=dict)
    now_ns: int = DEFAULT_NOW_NS
    catalogue: Catalogue | None = None
    data: dict[tuple[str, ...], Value] = field(default_factory=dict)
    functions: dict[str, Value | FunctionName] = field(default_factory=dict)

    def give(self, setting: Setting, value: Value) -> None:
        """Take one `given`; `value` is its value where it has no file. Raises GivenError."""
        if setting.file is not None:
            try:
                name = setting.span.source.name
                value = content_of(setting.file, self.read(name, setting.file))
            except FileError as error:
                raise GivenError(str(error)) from None
        match setting.part:
            case "time":
                self.now_ns = instant_of(value)
            case "schema":
                self.catalogue = _schema(value)
            case "catalogue":
                self.catalogue = _catalogue(value)
            case "request":
                if not isinstance(value, dict):
                    raise GivenError("a request is an object")
                self.request = copy.deepcopy(to_json(value))
            case "field":
                self._field(setting.path, to_json(value))
            case "replaced":
                self._replace(setting, value)

    def _field(self, path: tuple[str, ...], value: Any) -> None:
        place = self.request
        for name in path[:-1]:
            inner = place.get(name)
            if not isinstance(inner, dict):
                inner = place[name] = {}
            place = inner
        place[path[-1]] = copy.deepcopy(value)

    def _replace(self, setting: Setting, value: Value) -> None:
        path = setting.path
        if setting.of_function:
            self.functions[".".join(path)] = (
                value if setting.function is None else FunctionName(setting.function)
            )
        else:
            self.data.pop(path[1:], None)  # what is given last is set last
            self.data[path[1:]] = value

    def replacements(self) -> Replacements:
        """What stands in the place of data and functions."""
        return Replacements(dict(self.data), dict(self.functions))

    def ask(self, when: When, operation: Value) -> dict[str, Any]:
        """The request of a `when`, as a gateway would send it; `operation` is UNDEFINED's None where it names none.

        Raises GivenError.
        """
        kind = self.kinds[when.kind]
        section = kind.operation
        # what is given for another kind is not part of this request
        request = {
            name: copy.deepcopy(self.request[name]) for name, _ in kind.sections if name in self.request
        }
        resource = request.setdefault("resource", {})
        if isinstance(resource, dict):
            resource["kind"] = when.kind
        action = request.setdefault("action", {})
        if isinstance(action, dict):
            if when.action is not None:
                action["name"] = when.action
            action.setdefault("name", ACTIONS.get(when.kind, "call"))
            try:
                made = operation_of(when.kind, str(action["name"]), to_json(operation))
            except OperationError as error:
                raise GivenError(str(error)) from None
            if made:
                given = request.get(section)
                request[section] = {**(given if isinstance(given, dict) else {}), **made}
        return request


def _schema(value: Value) -> Catalogue:
    texts = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(text, str) for text in texts):
        raise GivenError("a schema is SQL, as a text or an array of texts")
    try:
        return catalogue_of(";\n".join(texts))
    except CatalogueError as error:
        raise GivenError(str(error)) from None


def _catalogue(value: Value) -> Catalogue:
    import orjson

    if not isinstance(value, dict):
        raise GivenError("a catalogue is the document that a gateway describes a server with")
    try:
        return Catalogue.from_json(orjson.dumps(to_json(value)))
    except CatalogueError as error:
        raise GivenError(str(error)) from None
