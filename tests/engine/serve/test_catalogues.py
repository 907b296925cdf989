"""Catalogues are kept by what they hold, and no more of them than there is room for."""

from __future__ import annotations

import json

import pytest

from doorward.facts.postgres.catalogue import CatalogueError
from doorward.serve.catalogues import Catalogues, UnknownKind


def document(database: str) -> bytes:
    whole = {"server_version": 180000, "database": database, "relations": [], "functions": []}
    return json.dumps(whole).encode()


def keep(catalogues: Catalogues, database: str, size: int = 100) -> str:
    return catalogues.keep(catalogues.read("postgres", document(database)), size)


def test_the_same_document_is_kept_once() -> None:
    catalogues = Catalogues()
    assert keep(catalogues, "a") == keep(catalogues, "a") != keep(catalogues, "b")
    assert len(catalogues) == 2


def test_the_least_recently_used_goes_first() -> None:
    catalogues = Catalogues(max_count=2)
    a, b = keep(catalogues, "a"), keep(catalogues, "b")
    assert catalogues.get(a) is not None
    c = keep(catalogues, "c")
    assert [catalogues.get(one) is not None for one in (a, b, c)] == [True, False, True]


def test_size_counts_but_the_newest_always_stays() -> None:
    catalogues = Catalogues(max_bytes=250)
    a, b, c = (keep(catalogues, name) for name in "abc")
    assert [catalogues.get(one) is not None for one in (a, b, c)] == [False, True, True]
    d = keep(catalogues, "d", 1000)
    assert len(catalogues) == 1
    assert catalogues.get(d) is not None
    keep(catalogues, "e", 100)
    assert len(catalogues) == 1


def test_what_is_no_catalogue_is_refused() -> None:
    with pytest.raises(UnknownKind):
        Catalogues.read("gopher", document("a"))
    for content in (b"", b"[]", b"{", b"\xff"):
        with pytest.raises(CatalogueError):
            Catalogues.read("postgres", content)
