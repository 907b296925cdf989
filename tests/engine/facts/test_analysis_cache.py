"""Analyses that are kept are the analyses that would be made anew."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from doorward.facts.postgres import AnalysisCache, Catalogue, Settings, analyse


def test_the_same_question_gets_the_same_object(catalogue: Catalogue, settings: Settings) -> None:
    cache = AnalysisCache()
    text = "SELECT ssn FROM customers WHERE id = 1"
    first = cache.analyse(text, catalogue, settings)
    assert first == analyse(text, catalogue, settings)
    assert cache.analyse(text, catalogue, settings) is first


def test_what_makes_a_difference_is_part_of_the_question(catalogue: Catalogue, settings: Settings) -> None:
    cache = AnalysisCache()
    text = "SELECT ssn FROM people"
    assert cache.analyse(text, catalogue, settings).facts["opaque"]
    there = cache.analyse(text, catalogue, replace(settings, search_path=("hr",)))
    assert there.facts["tables"] == ["hr.people"]
    assert cache.analyse(text, Catalogue.empty(), replace(settings, search_path=("hr",))).facts["opaque"]


def test_what_the_session_holds_is_asked_each_time(catalogue: Catalogue, settings: Settings) -> None:
    cache = AnalysisCache()
    reads = replace(settings, prepared={"p": "SELECT ssn FROM customers"})
    writes = replace(settings, prepared={"p": "DELETE FROM customers"})
    for _ in range(2):
        assert cache.analyse("EXECUTE p", catalogue, reads).facts["read_only"]
        assert cache.analyse("EXECUTE p", catalogue, writes).facts["writes"]
        assert cache.analyse("EXECUTE p", catalogue, settings).facts["opaque"]
    text = "SELECT ssn FROM customers LIMIT $1"
    for _ in range(2):
        assert cache.analyse(text, catalogue, replace(settings, parameters=("5",))).facts["limit"] == 5
        assert cache.analyse(text, catalogue, replace(settings, parameters=("9",))).facts["limit"] == 9
        assert not cache.analyse(text, catalogue, settings).facts["limited"]


def test_it_stays_small(catalogue: Catalogue, settings: Settings) -> None:
    cache = AnalysisCache(maxsize=10)
    for n in range(50):
        cache.analyse(f"SELECT ssn AS c{n} FROM customers", catalogue, settings)
    assert len(cache) == 10


def test_many_threads_share_it(catalogue: Catalogue, settings: Settings) -> None:
    cache = AnalysisCache(maxsize=5)
    texts = [f"SELECT ssn AS c{n % 12} FROM customers" for n in range(400)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: cache.analyse(text, catalogue, settings), texts))
    assert [a.outputs[0][0].name for a in found] == [f"c{n % 12}" for n in range(400)]
