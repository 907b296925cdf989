"""What the server still owes an answer to, in order. No input or output happens here.

Everything that is sent to the server is entered here first, so that each of its messages finds the operation
it belongs to: which masks apply to a row, whose error it is, whether the client is to see it at all.

A *segment* is what lies between two Syncs. After an error the server skips to the next Sync; so does this.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Generic, TypeVar

from doorward_gateway.errors import GatewayError
from doorward_gateway.postgres.operation import Operation
from doorward_gateway.postgres.protocol import ProtocolViolation
from doorward_gateway.postgres.reports import Report
from doorward_gateway.postgres.statements import Portal, Prepared

__all__ = ["Awaited", "Expected", "Names", "Pipeline", "SegmentFailed"]


class SegmentFailed(GatewayError):
    """The server has reported an error before this point; it skips everything up to the next Sync."""


class Awaited(Enum):
    """The kinds of message that are answered."""

    QUERY = auto()
    PARSE = auto()
    BIND = auto()
    DESCRIBE = auto()
    EXECUTE = auto()
    CLOSE = auto()
    SYNC = auto()
    COPY_END = auto()  # not answered itself: the place where the client ended its data


@dataclass(slots=True, eq=False)
class Expected:
    """One message whose answer is to come.

    `closes`: what a Close takes away, `S` or `P` and the name. `hidden`: the message is the gateway's own,
    and the client sees nothing of the answer. `refusal`: what the client is told
    in place of the error that the server is bound to report. `rows` collects the answer of a hidden query.
    `outcome` is resolved once the answer is there, or fails with `SegmentFailed`.
    """

    kind: Awaited
    operation: Operation | None = None
    prepared: Prepared | None = None
    portal: Portal | None = None
    closes: tuple[bytes, bytes] | None = None
    hidden: bool = False
    refusal: Report | None = None
    rows: list[bytes] | None = None
    outcome: asyncio.Future[None] | None = None
    segment: int = 0

    def settle(self, error: Exception | None = None) -> None:
        """Wakes whoever waits for the answer."""
        if self.outcome is not None and not self.outcome.done():
            if error is None:
                self.outcome.set_result(None)
            else:
                self.outcome.set_exception(error)
                self.outcome.exception()  # nobody needs to be waiting


T = TypeVar("T")


@dataclass(slots=True)
class Names(Generic[T]):
    """Prepared statements or portals by name: as the server has confirmed them, and as they have been asked
    for.
    """

    confirmed: dict[bytes, T] = field(default_factory=dict)
    asked: dict[bytes, tuple[int, T | None]] = field(default_factory=dict)

    def __contains__(self, name: bytes) -> bool:
        return name in self.asked or name in self.confirmed

    def ask(self, name: bytes, segment: int, item: T | None) -> None:
        """A message is on its way that gives the name to `item`, or takes it away (`None`)."""
        self.asked[name] = (segment, item)

    def certain(self, name: bytes, segment: int) -> bool:
        """Whether the server, should it come to a message of that segment, is known to hold what `get` says.

        Within a segment it is: had the earlier message failed, the server would skip the later one.
        """
        return name not in self.asked or self.asked[name][0] == segment

    def get(self, name: bytes) -> T | None:
        """What the name stands for, provided it is `certain`."""
        return self.asked[name][1] if name in self.asked else self.confirmed.get(name)

    def resolve(self, name: bytes, item: T | None, *, done: bool) -> None:
        """The server has given the name to `item` (or taken it away), or never will; the latest request
        counts.
        """
        if done and item is not None:
            self.confirmed[name] = item
        elif done:
            self.confirmed.pop(name, None)
        if name in self.asked and self.asked[name][1] is item:
            del self.asked[name]

    def clear(self) -> None:
        """The server has dropped all that it had confirmed."""
        self.confirmed.clear()


class Pipeline:
    """The state of one connection to the server."""

    def __init__(self) -> None:
        self.status = b"I"
        """As the server last said: `I` idle, `T` in a transaction, `E` in a failed one."""
        self.statements: Names[Prepared] = Names()
        self.portals: Names[Portal] = Names()
        self.segment = 0
        """Counts the Syncs that have been sent."""
        self.open = False
        """Whether anything has been sent since the last Sync."""
        self.copying = False
        """Whether the server takes COPY data."""
        self._owed: deque[Expected] = deque()
        self._skipping = False
        self._failed_segment = -1
        self._idle: list[asyncio.Future[None]] = []

    def __len__(self) -> int:
        return len(self._owed)

    # --- towards the server ---

    def expect(self, expected: Expected) -> Expected:
        """Enters a message that is about to be sent."""
        expected.segment = self.segment
        if expected.kind is Awaited.SYNC:
            if self.taking_data:
                return expected  # the server ignores a Sync while it takes COPY data
            self.segment += 1
            self.open = False
        elif expected.kind is Awaited.COPY_END:
            if not self._owed:
                return expected  # nobody takes the data, and the server ignores its end
        else:
            self.open = expected.kind is not Awaited.QUERY  # a simple query ends what came before it
        self._owed.append(expected)
        return expected

    @property
    def failed(self) -> bool:
        """Whether the server skips what is sent in the present segment."""
        return self._failed_segment == self.segment

    @property
    def taking_data(self) -> bool:
        """Whether the server takes COPY data, and the client has not said that it has no more."""
        return self.copying and not self._copy_ended()

    def fail(self) -> None:
        """Skip the rest of the present segment, as the server will once it comes to the last message
        entered.
        """
        if self.open:
            self._failed_segment = self.segment

    def settled(self) -> asyncio.Future[None]:
        """Resolved when nothing is owed any more."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._owed:
            self._idle.append(future)
        else:
            future.set_result(None)
        return future

    # --- from the server ---

    @property
    def head(self) -> Expected | None:
        """The message that the server is answering; `None` when it speaks unasked."""
        return self._owed[0] if self._owed else None

    def current(self, *kinds: Awaited) -> Expected:
        """The message that is being answered, which has to be of one of those kinds."""
        head = self.head
        if head is None or head.kind not in kinds or self._skipping:
            raise ProtocolViolation("the server has answered something that was not asked")
        return head

    def done(self, *kinds: Awaited) -> Expected:
        """The server has answered it whole."""
        expected = self.current(*kinds)
        self.copying = False
        self._pop()
        self._name(expected, done=True)
        expected.settle()
        return expected

    def copy_in(self) -> Expected:
        """The server has begun to take COPY data; Syncs that are on their way count for nothing."""
        expected = self.current(Awaited.QUERY, Awaited.EXECUTE)
        self.copying = True
        self._drop_syncs()
        return expected

    def leave_copy(self) -> None:
        """The server takes no more COPY data, though its answer goes on."""
        self.copying = False

    def error(self) -> Expected | None:
        """The server has reported an error; returns what it failed on."""
        head = self.head
        self.leave_copy()
        if head is None or head.kind is Awaited.QUERY:
            return head
        if head.kind is not Awaited.SYNC:
            if head.kind is Awaited.PARSE and head.prepared is not None and not head.prepared.name:
                self.statements.confirmed.pop(b"", None)  # it is dropped before the new one is looked at
            self._failed_segment = max(self._failed_segment, head.segment)
            self._skipping = True
            self._drop_until_sync()
        return head

    def ready(self, status: bytes) -> Expected:
        """The server waits for the next segment or query."""
        if self._skipping:
            self._skipping = False
            self._drop_until_sync()
        head = self.head
        if head is None or head.kind not in (Awaited.SYNC, Awaited.QUERY):
            raise ProtocolViolation("the server is ready while it owes an answer")
        self.leave_copy()
        self._pop()
        self.status = status
        if status == b"I":
            self.portals.clear()
        head.settle()
        return head

    # --- the queue ---

    def _pop(self) -> None:
        self._owed.popleft()
        while self._owed and self._owed[0].kind is Awaited.COPY_END:
            self._owed.popleft()
        if not self._owed:
            for future in self._idle:
                if not future.done():
                    future.set_result(None)
            self._idle.clear()

    def _drop_until_sync(self) -> None:
        while self._owed and self._owed[0].kind is not Awaited.SYNC:
            dropped = self._owed[0]
            self._name(dropped, done=False)
            dropped.settle(SegmentFailed("the server has skipped this message after an error"))
            self._pop()

    def _copy_ended(self) -> bool:
        return any(expected.kind is Awaited.COPY_END for expected in self._owed)

    def _drop_syncs(self) -> None:
        kept: list[Expected] = []
        ended = False
        for expected in self._owed:
            ended = ended or expected.kind is Awaited.COPY_END
            if ended or expected.kind is not Awaited.SYNC:
                kept.append(expected)
        self._owed = deque(kept)

    def _name(self, expected: Expected, *, done: bool) -> None:
        """A message that gives or takes a name has been carried out, or never will be."""
        if expected.kind is Awaited.PARSE and expected.prepared is not None:
            self.statements.resolve(expected.prepared.name, expected.prepared, done=done)
        elif expected.kind is Awaited.BIND and expected.portal is not None:
            self.portals.resolve(expected.portal.name, expected.portal, done=done)
        elif expected.closes is not None:
            what, name = expected.closes
            names: Names[Prepared] | Names[Portal] = self.statements if what == b"S" else self.portals
            names.resolve(name, None, done=done)
