"""`--catalogue`: the tables that SQL is read against."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from doorward.facts.postgres import Catalogue

__all__ = ["CATALOGUE_HELP", "read_catalogue"]

CATALOGUE_HELP: Final = (
    "Tables that SQL is read against: as a gateway describes the backend, or a schema in a file `.sql`."
)


def read_catalogue(path: Path | None) -> Catalogue | None:
    """The catalogue in a file, if one was named. Raises CatalogueError, OSError."""
    from doorward.author.testing.schema import catalogue_of
    from doorward.facts.postgres.catalogue import Catalogue

    if path is None:
        return None
    if path.suffix == ".sql":
        return catalogue_of(path.read_text(encoding="utf-8", errors="replace"))
    return Catalogue.from_json(path.read_bytes())
