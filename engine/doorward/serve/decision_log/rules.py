"""Mask and drop rules: `data.system.log.mask` and `data.system.log.drop`, as policies have them.

    package system.log

    mask contains "/request/principal/claims/email"
    mask contains {"op": "upsert", "path": "/request/session/client_address", "value": "x"}
    drop if input.request.action.name == "ping"

`input` is what would be written, without known secrets. A place begins with `/request` or `/decision`. Errors restrict: a
decision whose `drop` fails is written, and one whose `mask` fails, or names what is no place, is written without
anything that its caller sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from doorward.engine import Engine
from doorward.run.errors import EvaluationError
from doorward.serve.decision_log.pointers import Place, parse_pointer
from doorward_dsl.diagnostics import DoorwardError

__all__ = ["Change", "LogRules", "MaskFailed", "rules_of"]

_log: Final = structlog.get_logger("doorward.serve")

_PACKAGE: Final = ("system", "log")
_ROOTS: Final = ("request", "decision")
_MOST: Final = 1000


class MaskFailed(Exception):
    """The mask rules cannot be followed. The message never holds a value: it is a code, or what a rule must be like."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a mask asks for."""

    place: Place
    erase: bool
    value: Any = None
    """What is put there, unless it is erased."""


class LogRules:
    """The rules of one revision, compiled. Each evaluation is bounded as those of decisions are."""

    def __init__(self, engine: Engine) -> None:
        """Raises MaskFailed."""
        try:
            # strict: a mask whose condition fails must not pass for one that does not hold
            self._mask = engine.prepare("data.system.log.mask", strict_builtin_errors=True)
            self._drop = engine.prepare("data.system.log.drop", strict_builtin_errors=True)
        except DoorwardError as error:
            raise MaskFailed(f"the rules cannot be asked: {type(error).__name__}") from None

    def drops(self, event: Mapping[str, Any]) -> bool:
        """Whether a decision is not to be written."""
        try:
            return self._drop.value(dict(event)) is True
        except (EvaluationError, ValueError):
            return False

    def changes(self, event: Mapping[str, Any]) -> list[Change]:
        """What the masks ask for: what is put in the place of something first, then what is erased. Raises MaskFailed."""
        try:
            asked = self._mask.value(dict(event), default=[])
        except EvaluationError as error:
            raise MaskFailed(error.code) from None  # its message may quote the value that was to be masked
        except ValueError:
            raise MaskFailed("eval_internal_error") from None
        if type(asked) is not list:
            raise MaskFailed("`data.system.log.mask` is not a set")
        if len(asked) > _MOST:
            raise MaskFailed(f"more than {_MOST} masks")
        return sorted(map(_change, asked), key=lambda change: change.erase)


def rules_of(engine: Engine) -> LogRules | None:
    """The rules of a revision; None where it has none. Raises MaskFailed."""
    data = engine.policies.data.get("system")
    in_data = isinstance(data, Mapping) and "log" in data
    # a rule of the package itself, one below it, or one whose value it is part of
    in_rules = any(path[:2] == _PACKAGE[: len(path)] for path in engine.program.rules)
    return LogRules(engine) if in_data or in_rules else None


def _change(asked: Any) -> Change:
    if type(asked) is str:
        return Change(_place(asked), erase=True)
    if type(asked) is not dict or type(asked.get("path")) is not str:
        raise MaskFailed("a mask is a place, or an object with `op` and `path`")
    match asked.get("op"):
        case "remove":
            return Change(_place(asked["path"]), erase=True)
        case "upsert" if "value" in asked:
            return Change(_place(asked["path"]), erase=False, value=asked["value"])
        case "upsert":
            raise MaskFailed("an `upsert` has no `value`")
        case _:
            raise MaskFailed("`op` of a mask is neither `remove` nor `upsert`")


def _place(text: str) -> Place:
    try:
        place = parse_pointer(text)
    except ValueError as error:
        raise MaskFailed(str(error)) from None
    if place[0] not in _ROOTS:
        raise MaskFailed("a place begins with `/request` or `/decision`")
    return place
