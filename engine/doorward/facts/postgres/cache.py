"""Analyses kept for statements that come again."""

from __future__ import annotations

from threading import Lock

from cachetools import LRUCache

from doorward.facts.postgres.analyse import analyse_uncached
from doorward.facts.postgres.catalogue import Catalogue
from doorward.facts.postgres.literals import lifted
from doorward.facts.postgres.model import Analysis, Settings

__all__ = ["AnalysisCache"]

_MAX_KEPT_TEXT = 20_000
"""Longer texts are rarely repeated and would fill the cache with megabytes."""


class AnalysisCache:
    """Analyses by catalogue, settings and text, bounded in number; the least recently used goes first.

    Texts that differ only in literals which no analysis looks at share one; those seen last are also known as they are,
    which is faster. A cache belongs to each engine and is safe to share between threads: a statement is analysed outside
    the lock, and two threads that do so at once get equal answers.
    """

    def __init__(self, maxsize: int = 10_000) -> None:
        self._general: LRUCache[tuple[str, Settings, str], Analysis] = LRUCache(maxsize)
        self._exact: LRUCache[tuple[str, Settings, str], Analysis] = LRUCache(maxsize)
        self._lock = Lock()

    def __len__(self) -> int:
        return max(len(self._general), len(self._exact))

    def analyse(self, statement: str, catalogue: Catalogue, settings: Settings) -> Analysis:
        """`doorward.facts.postgres.analyse`, remembered."""
        exact = (catalogue.hash, settings, statement)
        with self._lock:
            known = self._exact.get(exact)
        if known is not None:
            return known
        if len(statement) > _MAX_KEPT_TEXT:
            return analyse_uncached(statement, catalogue, settings)[0]
        text = lifted(statement)
        general = None if text is None else (catalogue.hash, settings, text)
        if general is not None:
            with self._lock:
                known = self._general.get(general)
                if known is not None:
                    self._exact[exact] = known
                    return known
        analysis, cacheable = analyse_uncached(statement, catalogue, settings)
        if cacheable:
            with self._lock:
                self._exact[exact] = analysis
                if general is not None:
                    self._general[general] = analysis
        return analysis
