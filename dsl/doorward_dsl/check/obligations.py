"""Ward statements: that what they demand can be done at all.

The maskers and detectors that exist are stated here, once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.syntax import (
    Approve,
    ContentTarget,
    Credential,
    FieldTarget,
    Mask,
    Masker,
    Scalar,
    Statement,
    Term,
)

__all__ = ["DETECTORS", "MASKERS", "MaskerForm", "check_statement"]


@dataclass(frozen=True, slots=True)
class MaskerForm:
    """How a masker is written."""

    args: tuple[tuple[str, type, bool], ...] = ()
    """Name and type of each argument, and whether it must be given."""
    strength: int = 0
    """The higher wins where several apply to one target."""


MASKERS: Final[Mapping[str, MaskerForm]] = MappingProxyType(
    {
        "partial": MaskerForm((("keep_last", int, True),), strength=1),
        "format_preserving": MaskerForm(strength=2),
        "hash": MaskerForm(strength=3),
        "replace": MaskerForm((("text", str, True),), strength=4),
        "null": MaskerForm(strength=5),
        "redact": MaskerForm(strength=6),
    }
)
"""Every masker, from the weakest to the strongest."""

DETECTORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "aws_access_key": "access key ids of Amazon Web Services",
        "card_number": "payment card numbers that pass the Luhn check",
        "email": "e-mail addresses",
        "iban": "international bank account numbers with valid check digits",
        "ip_address": "IPv4 and IPv6 addresses",
        "jwt": "JSON Web Tokens",
        "phone": "telephone numbers",
        "private_key": "private keys in PEM form",
        "secret_key": "API keys, tokens and other secrets of well-known forms",
        "ssn": "social security numbers of the United States",
    }
)
"""What `content(DETECTOR)` can find, by name."""

_LONGEST_PARTIAL: Final = 64
_LONGEST_WAIT_MS: Final = 7 * 24 * 3600 * 1000
_LONGEST_LIFE_MS: Final = 30 * 24 * 3600 * 1000
_MOST_PARTS: Final = 3


def check_statement(statement: Statement) -> Iterator[Diagnostic]:
    """What is wrong with the obligation of a statement."""
    if isinstance(statement, Mask):
        yield from _check_mask(statement)
    elif isinstance(statement, Approve):
        if not statement.groups:
            hint = 'name at least one group: `approve by "dba"`'
            yield Diagnostic(
                "ward_approval_error", "an approval that no group can give", statement.span, hint=hint
            )
        for group in statement.groups:
            yield from _check_name(group, "an approving group", "ward_approval_error")
        yield from _check_duration(statement, "within", statement.within_ms, _LONGEST_WAIT_MS)
    elif isinstance(statement, Credential):
        if statement.role is not None:
            yield from _check_name(statement.role, "an upstream role", "ward_credential_error")
        yield from _check_duration(statement, "ttl", statement.ttl_ms, _LONGEST_LIFE_MS)


def _check_mask(mask: Mask) -> Iterator[Diagnostic]:
    if not mask.targets:
        yield Diagnostic("ward_mask_error", "a mask without a target", mask.span)
    for target in mask.targets:
        if isinstance(target, ContentTarget) and target.detector not in DETECTORS:
            message = f"unknown detector `{target.detector}`"
            yield Diagnostic(
                "ward_mask_error", message, target.span, hint=_suggest(target.detector, DETECTORS)
            )
        elif isinstance(target, FieldTarget):
            yield from _check_field(target)
    if mask.masker is None:
        hint = f"say how with `with`: {_listed(MASKERS)}"
        yield Diagnostic("ward_mask_error", "a mask without a masker", mask.span, hint=hint)
    else:
        yield from _check_masker(mask.masker)


def _check_field(target: FieldTarget) -> Iterator[Diagnostic]:
    written = ".".join(target.parts)
    if not 2 <= len(target.parts) <= _MOST_PARTS:
        hint = "write `table.column`, `*.column` or `schema.table.column`"
        yield Diagnostic("ward_mask_error", f"`{written}` is not a mask target", target.span, hint=hint)
    elif target.parts[-1] == "*":
        hint = "name the column; to withhold whole tables, use `block`"
        yield Diagnostic("ward_mask_error", f"`{written}` names no column", target.span, hint=hint)


def _check_masker(masker: Masker) -> Iterator[Diagnostic]:
    form = MASKERS.get(masker.name)
    if form is None:
        message = f"unknown masker `{masker.name}`"
        yield Diagnostic("ward_mask_error", message, masker.span, hint=_suggest(masker.name, MASKERS))
        return
    usage = masker.name
    if form.args:
        usage += f"({', '.join(name for name, _, _ in form.args)})"
    fits = len(masker.args) == len(form.args) and all(
        isinstance(given, kind) and not isinstance(given, bool)
        for given, (_, kind, _) in zip(masker.args, form.args, strict=True)
    )
    if not fits:
        message = f"wrong arguments for masker `{masker.name}`"
        yield Diagnostic("ward_mask_error", message, masker.span, hint=f"write it as `{usage}`")
    elif masker.name == "partial" and not 0 <= int(masker.args[0]) <= _LONGEST_PARTIAL:
        message = f"`partial` keeps from 0 to {_LONGEST_PARTIAL} characters, not {masker.args[0]}"
        yield Diagnostic("ward_mask_error", message, masker.span)


def _check_duration(statement: Statement, word: str, value: int | None, longest: int) -> Iterator[Diagnostic]:
    if value is None:
        return
    if value <= 0:
        yield Diagnostic("ward_duration_error", f"`{word}` must be longer than nothing", statement.span)
    elif value > longest:
        message = f"`{word}` must not be longer than {longest // (24 * 3600 * 1000)}d"
        yield Diagnostic("ward_duration_error", message, statement.span)


def _check_name(term: Term, what: str, code: str) -> Iterator[Diagnostic]:
    if isinstance(term, Scalar) and (not isinstance(term.value, str) or not term.value):
        yield Diagnostic(code, f"{what} must be a name, not `{term.span.text}`", term.span)


def _suggest(name: str, known: Mapping[str, object]) -> str:
    near = get_close_matches(name, list(known), 1)
    return f"did you mean `{near[0]}`?" if near else f"known are {_listed(known)}"


def _listed(known: Mapping[str, object]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(known))
