"""Non-deterministic built-ins as the rest of the engine sees them: granted, asked once, recorded, replayed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import wraps
from typing import Any, Final

from doorward.run.effects import NETWORK, Effect, Effects
from doorward.run.errors import BuiltinError, EvaluationError, TypeMismatchError
from doorward.run.values import Value, number

from .builtin import Builtin, BuiltinCall
from .json_text import json_text

__all__ = ["effectful", "permit_host"]

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_FAILURES: Final = {kind.code: kind for kind in (BuiltinError, TypeMismatchError)}


def _everything(args: Sequence[Value]) -> list[Value]:
    return list(args)


def effectful(
    name: str,
    function: Callable[..., Value],
    *,
    shown: Callable[[Sequence[Value]], list[Value]] = _everything,
    revived: Callable[[Value], Value] = lambda value: value,
) -> Builtin:
    """A built-in of `NONDETERMINISTIC` around `function`, which takes the call first and asks the world.

    `shown` are the arguments as they may be recorded; `revived` makes the answer of its JSON again.
    """

    @wraps(function)
    def run(call: BuiltinCall, *args: Value) -> Value:
        effects: Effects | None = call.cache.get(Effects)
        if effects is None:
            effects = call.cache[Effects] = Effects()
        digest = hashlib.sha256(_text([name, *args]).encode()).hexdigest()
        effect = effects.recorded.get(digest)
        if effect is None:
            effect = None if effects.replaying is None else effects.replaying.get(digest)
            if effect is not None:
                effects.values[digest] = revived(_from_json(effect.result)) if effect.result else None
            else:
                # the network's are granted host by host, once they know which
                if name not in NETWORK and name not in call.grants.builtins:
                    raise BuiltinError(f"{name}: its answers differ each time, and it is not granted here")
                if effects.replaying is not None:
                    raise BuiltinError(f"{name}: this call was not recorded")
                effect = _asked(effects, call, digest, args)
            effects.recorded[digest] = effect
        if effect.error:
            code, _, message = effect.error.partition(": ")
            raise _FAILURES.get(code, BuiltinError)(message)
        return effects.values[digest]

    def _asked(effects: Effects, call: BuiltinCall, digest: str, args: Sequence[Value]) -> Effect:
        arguments = _text(shown(args))
        try:
            value = function(call, *args)
        except (BuiltinError, TypeMismatchError) as error:
            return Effect(name, digest, arguments, "", _failure(error))
        effects.values[digest] = value
        return Effect(name, digest, arguments, _text(value))

    return Builtin(name, run, needs_call=True)


def permit_host(call: BuiltinCall, name: str, host: str) -> None:
    """Refuse a host that the policy may not reach."""
    if name not in call.grants.builtins or not call.grants.hosts:
        raise BuiltinError(f"{name}: the network is not open to policies here")
    if host.lower().rstrip(".") not in call.grants.hosts:
        raise BuiltinError(f"{name}: disallowed host: {host}")


def _failure(error: EvaluationError) -> str:
    return f"{error.code}: {error.message}"


def _text(value: Value) -> str:
    """JSON that is the same for equal values, and ASCII where a string holds what is not text."""
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", json_text(value))


def _from_json(text: str) -> Value:
    """The value of a JSON text, with every digit of its numbers. Raises ValueError for anything else."""

    def decimal(digits: str) -> Any:
        return number(Decimal(digits))

    def refuse(name: str) -> Any:
        raise ValueError(f"`{name}` is not JSON")

    return json.loads(text, parse_float=decimal, parse_constant=refuse)
