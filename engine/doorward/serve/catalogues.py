"""The catalogues that gateways described, by content hash."""

from __future__ import annotations

from collections import OrderedDict

from doorward.facts.postgres.catalogue import Catalogue, CatalogueError

__all__ = ["Catalogues", "UnknownKind"]


class UnknownKind(ValueError):
    """There is no such kind of catalogue."""


class Catalogues:
    """Keeps what was described, the least recently used dropped first: a gateway describes again what
    was forgotten.

    `max_count` and `max_bytes` (of the documents) bound what is kept. For one event loop.
    """

    def __init__(self, *, max_count: int = 64, max_bytes: int = 256 << 20) -> None:
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._known: OrderedDict[str, tuple[Catalogue, int]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._known)

    def get(self, digest: str) -> Catalogue | None:
        """The catalogue of that hash."""
        found = self._known.get(digest)
        if found is None:
            return None
        self._known.move_to_end(digest)
        return found[0]

    @staticmethod
    def read(kind: str, document: bytes) -> Catalogue:
        """A catalogue from its document.

        Raises UnknownKind, CatalogueError. Takes time in proportion to its size.
        """
        if kind != "postgres":
            raise UnknownKind(f"there is no catalogue of kind `{kind[:100]}`")
        try:
            return Catalogue.from_json(document)
        except RecursionError:
            raise CatalogueError("the catalogue is nested too deeply") from None

    def keep(self, catalogue: Catalogue, size: int) -> str:
        """Remember a catalogue of `size` bytes; returns its hash."""
        if catalogue.hash not in self._known:
            self._known[catalogue.hash] = (catalogue, size)
            self._bytes += size
        self._known.move_to_end(catalogue.hash)
        while len(self._known) > 1 and (len(self._known) > self._max_count or self._bytes > self._max_bytes):
            _, (_, dropped) = self._known.popitem(last=False)
            self._bytes -= dropped
        return catalogue.hash
