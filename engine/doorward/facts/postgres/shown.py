"""Columns that show others: of views, and generated ones. A server reports such a column as itself, not as what stands behind
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from doorward.facts.postgres.catalogue import Catalogue, Relation
from doorward.facts.postgres.context import Context
from doorward.facts.postgres.findings import ANYTHING, Opaque
from doorward.facts.postgres.model import Column, Settings
from doorward.facts.postgres.query import Queries

__all__ = ["shown_columns"]

_KEY: Final = "shown columns"


def shown_columns(catalogue: Catalogue) -> Mapping[Column, frozenset[Column]]:
    """For each column of a user's relation that shows others, those others; all of the users' columns, where that cannot be
    told. Worked out once for each catalogue.
    """
    known: dict[Column, frozenset[Column]] | None = catalogue.expansion(_KEY)
    if known is None:
        known = {}
        for relation in catalogue.user_relations:
            if relation.definition is not None or any(column.generated for column in relation.columns):
                known.update(_shown(relation, catalogue))
        catalogue.keep_expansion(_KEY, known)
    return known


def _shown(relation: Relation, catalogue: Catalogue) -> dict[Column, frozenset[Column]]:
    columns = catalogue.columns(relation)
    try:
        fields = Queries(Context(catalogue, Settings())).sources.fields(relation)
    except (Opaque, RecursionError):
        return dict.fromkeys(columns, catalogue.user_columns)
    found = {}
    for column, item in zip(columns, fields, strict=True):
        others = item.flow.sources - {column}
        if ANYTHING in others:
            others = catalogue.user_columns
        if others:
            found[column] = others
    return found
