"""The kinds of request that an engine knows: those of every engine, and those that its policies declare."""

from __future__ import annotations

from collections.abc import Mapping

from doorward.bundle import PolicySet
from doorward.decide.declared import DeclaredKindError, declared_kind
from doorward.decide.document import KINDS, Kind
from doorward_dsl.diagnostics import Diagnostic, PolicyError
from doorward_dsl.source import Span

__all__ = ["kinds_of"]


def kinds_of(policies: PolicySet) -> Mapping[str, Kind]:
    """The kinds by name. Raises PolicyError with what is wrong in any declaration."""
    if not policies.kinds:
        return KINDS
    declared: dict[str, Kind] = {}
    problems: list[Diagnostic] = []
    for name, declaration in sorted(policies.kinds.items()):
        try:
            declared[name] = declared_kind(name, declaration.schema)
        except DeclaredKindError as error:
            problems.append(Diagnostic("ward_kind_error", str(error), Span(declaration.source, 0, 0)))
    if problems:
        raise PolicyError(problems)
    return {**KINDS, **declared}
