"""What one worker process tells the others, and what it knows of them."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from doorward.serve.operations.board import Board, State, taken_down
from doorward.serve.policies.revisions import Revisions

__all__ = ["Post"]


class Post:
    """What one worker puts on the board, and finds there."""

    def __init__(self, board: Board, number: int, revisions: Revisions, registry: CollectorRegistry) -> None:
        self._board = board
        self._number = number
        self._revisions = revisions
        self._registry = registry

    def put(self) -> None:
        """Show the state of now."""
        in_force = self._revisions.in_force
        self._board.put(
            State(
                self._number,
                in_force.engine.revision if in_force is not None else "",
                in_force.loaded_at if in_force is not None else "",
                self._revisions.rejected,
                taken_down(self._registry.collect()),
            )
        )

    def collect(self) -> Iterator[Metric]:
        """The metrics of all workers: what each of them put there last, so that no sum is ever less than one before."""
        self.put()
        yield from self._board.metrics()

    def workers(self) -> list[State]:
        """The states of all workers."""
        self.put()
        return self._board.states()
