"""Ward statements: that what they demand can be carried out.

What can be told from the text alone (maskers, detectors, durations) the parser has settled already.
"""

from __future__ import annotations

from collections.abc import Iterator

from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.syntax import (
    Approve,
    Array,
    Credential,
    Mask,
    Object,
    Scalar,
    Set,
    Statement,
    Term,
    TermTarget,
)

__all__ = ["check_statement"]


def check_statement(statement: Statement) -> Iterator[Diagnostic]:
    """What is wrong with the obligation of a statement."""
    if isinstance(statement, Approve):
        for group in statement.groups:
            yield from _check_name(group, "an approving group", "ward_approval_error")
    elif isinstance(statement, Credential) and statement.role is not None:
        yield from _check_name(statement.role, "an upstream role", "ward_credential_error")
    elif isinstance(statement, Mask):
        for target in statement.targets:
            if isinstance(target, TermTarget):
                yield from _check_name(target.term, "a mask target", "ward_mask_error")


def _check_name(term: Term, what: str, code: str) -> Iterator[Diagnostic]:
    literal = isinstance(term, Scalar) and (not isinstance(term.value, str) or not term.value.strip())
    if literal or isinstance(term, Array | Object | Set):
        hint = None
        if isinstance(term, Array | Set):
            hint = "several have commas between them, without brackets"
        yield Diagnostic(code, f"{what} must be a name, not `{term.span.text}`", term.span, hint=hint)
