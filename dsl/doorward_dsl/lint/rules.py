"""The rules of lint: what each is called, what it is about, and how severe it is where nobody says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

__all__ = ["RULES", "LintRule", "LintSeverity"]

LintSeverity: TypeAlias = Literal["off", "warning", "error"]


@dataclass(frozen=True, slots=True)
class LintRule:
    """One rule. Its `id` is stable: configuration and comments name it."""

    id: str
    summary: str
    severity: LintSeverity = "warning"


RULES: Final[Mapping[str, LintRule]] = {
    rule.id: rule
    for rule in (
        LintRule("constant-condition", "a condition that always or never holds, whatever is asked"),
        LintRule("impossible-value", "a field compared with a value that it never has", "error"),
        LintRule("long-credential", "a credential that lives longer than a day"),
        LintRule("missing-reason", "a `block` or `approve` that does not say why"),
        LintRule("plain-rule", "a plain rule named like a statement, which decides nothing"),
        LintRule("shadowing", "a name that hides another one"),
        LintRule("unconditional-allow", "an `allow` without a condition"),
        LintRule("unreachable-statement", "a statement that changes nothing, because of another one"),
        LintRule("unused-argument", "an argument that no body looks at"),
        LintRule("unused-ignore", "a comment that ignores what is not there"),
        LintRule("unused-import", "an import that nothing refers to"),
        LintRule("unused-rule", "a rule beside statements that neither they nor anything else refers to"),
        LintRule("unused-variable", "a variable that is assigned and never looked at"),
    )
}
"""Every rule by its id."""
