"""What an evaluation asks of the world beyond its request: who may, what was answered, and the same answers again.

Built-ins whose answer does not follow from their arguments (random numbers, the network) run only where they are
granted. Each answer is recorded once per evaluation; evaluated again with the recorded answers in hand, nothing is
asked of the world, and the outcome is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from doorward.run.values import Value

__all__ = [
    "GRANTED_TO_QUERIES",
    "NETWORK",
    "NONDETERMINISTIC",
    "NOTHING_GRANTED",
    "Effect",
    "Effects",
    "Grants",
]

NETWORK: Final = frozenset({"http.send", "net.lookup_ip_addr"})
"""Built-ins that reach other hosts."""

NONDETERMINISTIC: Final = NETWORK | {
    "io.jwt.encode_sign",
    "io.jwt.encode_sign_raw",
    "rand.intn",
    "uuid.rfc4122",
}
"""Built-ins that are granted and recorded.

The clock is not among them: an evaluation has one instant, which whoever asks may give. Nor is `opa.runtime`, which
here tells nothing.
"""


@dataclass(frozen=True, slots=True)
class Grants:
    """What policies may ask of the world."""

    builtins: frozenset[str] = frozenset()
    """Of `NONDETERMINISTIC`."""
    hosts: frozenset[str] = frozenset()
    """Hosts that the built-ins of the network may reach: names and addresses in lower case, as URLs write them."""


NOTHING_GRANTED: Final = Grants()
"""What decisions have unless a capabilities document says otherwise."""

GRANTED_TO_QUERIES: Final = Grants(NONDETERMINISTIC)
"""What queries have unless a capabilities document says otherwise: all but hosts to reach."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One answer of a non-deterministic built-in."""

    name: str
    """The built-in's."""
    digest: str
    """SHA-256 of the name and all arguments, in hexadecimal: by it the answer is found again."""
    arguments: str
    """JSON array of the arguments, without those that may hold secrets."""
    result: str
    """JSON of the answer; empty where the built-in failed."""
    error: str = ""
    """Code and message of the failure: `eval_builtin_error: …`."""


class Effects:
    """The answers of one evaluation. Never shared between evaluations."""

    __slots__ = ("recorded", "replaying", "values")

    def __init__(self, replaying: Iterable[Effect] | None = None) -> None:
        """`replaying` are answers of an earlier evaluation, to be given instead of asking again."""
        self.recorded: dict[str, Effect] = {}
        """By digest, in the order in which they were asked for."""
        self.values: dict[str, Value] = {}
        """What was answered, by digest."""
        self.replaying: Mapping[str, Effect] | None = (
            None if replaying is None else {effect.digest: effect for effect in replaying}
        )
