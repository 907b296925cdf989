"""Who asks in the call at hand, for whatever answers it: a face of the service need not hand it on, and cannot forget to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from doorward.serve.operations.settings import ResourceScope

__all__ = ["ASKING", "Asking", "Bounds", "Caller", "Rate", "Token"]


class Rate:
    """So many a second, of which a second's worth may come at once.

    Whoever asks for more at once than is left is let through and has to wait for longer the next time: a batch is
    never too large to pass, and over time nobody gets more than the rate.
    """

    __slots__ = ("_at", "_left", "_most", "_rate")

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._most = max(rate, 1.0)
        self._left = self._most
        self._at = monotonic()

    def take(self, count: int) -> bool:
        """Whether so many may pass now."""
        now = monotonic()
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= count
        return True


class Bounds:
    """The resources that a caller may ask about."""

    def __init__(self, scopes: Sequence[ResourceScope]) -> None:
        self._scopes = [tuple(map(_pattern, (one.kind, one.name, one.environment))) for one in scopes]

    def hold(self, document: Any) -> bool:
        """Whether an access request is about one of them. What a request does not say is an empty text."""
        resource = document.get("resource") if type(document) is dict else None
        if type(resource) is not dict:
            return False
        said = tuple(resource.get(key, "") for key in ("kind", "name", "environment"))
        return all(type(one) is str for one in said) and any(
            all(pattern.fullmatch(one) for pattern, one in zip(scope, said, strict=True))
            for scope in self._scopes
        )


def _pattern(glob: str) -> re.Pattern[str]:
    # a run of stars says no more than one, and would take longer and longer to find out
    return re.compile(".*".join(map(re.escape, re.split(r"\*+", glob))), re.DOTALL)


class Caller:
    """One who asks: by which name, and how much of what."""

    __slots__ = ("bounds", "calls", "may", "name", "rate", "under_way")

    def __init__(
        self,
        name: str,
        *,
        may: frozenset[str] | None = None,
        bounds: Bounds | None = None,
        rate: float | None = None,
        calls: int | None = None,
    ) -> None:
        """`may` is None where it may do everything, `bounds` where it may ask about everything."""
        self.name = name
        self.may = may
        self.bounds = bounds
        self.rate = None if rate is None else Rate(rate)
        self.calls = calls
        self.under_way = 0


@dataclass(slots=True)
class Token:
    """A bearer token as long as it is good; calls that began with it look again."""

    caller: Caller
    digest: bytes
    good: bool = True


@dataclass(slots=True)
class Asking:
    """Who asks in one call."""

    caller: Caller
    token: Token | None = None
    trace: str = ""
    """The `traceparent` of the call; empty where there is none."""

    @property
    def good(self) -> bool:
        """Whether who called at first still may: the token may have been taken back since."""
        return self.token is None or self.token.good


ASKING: Final[ContextVar[Asking]] = ContextVar("asking", default=Asking(Caller("")))  # noqa: B039 - nobody in particular
"""Set for every call, before anything answers it."""
