"""PostgreSQL: what SQL text does, and where each output column comes from."""

from __future__ import annotations

from doorward.facts.postgres.analyse import analyse
from doorward.facts.postgres.cache import AnalysisCache
from doorward.facts.postgres.catalogue import Catalogue
from doorward.facts.postgres.model import Analysis, Column, OutputColumn, Settings, SqlFacts
from doorward.facts.postgres.shown import shown_columns

__all__ = [
    "Analysis",
    "AnalysisCache",
    "Catalogue",
    "Column",
    "OutputColumn",
    "Settings",
    "SqlFacts",
    "analyse",
    "shown_columns",
]
