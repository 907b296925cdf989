"""Whether a decision is what a test expects, and the difference in words where it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from doorward.decide.decision import Decision, Mask
from doorward.decide.masks import column_matches
from doorward.run.reference.targets import field_path
from doorward_dsl.syntax import (
    ContentTarget,
    Expectation,
    ExpectCondition,
    ExpectCredential,
    ExpectDetermining,
    ExpectError,
    ExpectMask,
    ExpectReason,
    ExpectVerdict,
    FieldTarget,
    JsonPathTarget,
    Masker,
    MaskTarget,
    Term,
    TermTarget,
)

__all__ = ["Difference", "Texts", "difference", "masks_in_force", "summary"]

Texts: TypeAlias = Callable[[Term], str]
"""The text that a term of an expectation stands for."""

Difference: TypeAlias = tuple[str, str, str]
"""What is wrong in a sentence, what was expected, and what is."""


def difference(expected: Expectation, decision: Decision, texts: Texts) -> Difference | None:
    """What is not as expected; None where all is. Conditions are not looked at here."""
    match expected:
        case ExpectVerdict():
            return _verdict(expected, decision, texts)
        case ExpectMask():
            return _mask(expected, decision, texts)
        case ExpectCredential():
            return _credential(expected, decision, texts)
        case ExpectReason(text, negated):
            return _reason(texts(text), negated, decision)
        case ExpectDetermining(terms):
            return _determining([texts(term) for term in terms], decision)
        case ExpectError():
            return _error(None if expected.text is None else texts(expected.text), expected.negated, decision)
        case ExpectCondition():
            return None


def summary(decision: Decision) -> str:
    """A decision in a few lines: verdict, reasons, masks, credential."""
    lines: list[str] = [decision.verdict]
    lines += [f"  {reason.text}{f' ({reason.place})' if reason.place else ''}" for reason in decision.reasons]
    lines += [f"  mask {mask.target} with {_method(mask)}" for mask in masks_in_force(decision)]
    lines += [
        f"  approval by {_listed(approval.groups)}: {approval.reason}" for approval in decision.approvals
    ]
    if decision.credential is not None:
        lines.append(f"  {_shown_credential(decision)}")
    lines += [f"  error {error.code}: {error.message}" for error in decision.errors]
    return "\n".join(lines)


def masks_in_force(decision: Decision) -> list[Mask]:
    """The masks that change something of this answer: of SQL those that cover an output, else all."""
    return [mask for mask in decision.masks if mask.outputs or not mask.origins]


# --- verdict ---


def _verdict(expected: ExpectVerdict, decision: Decision, texts: Texts) -> Difference | None:
    if expected.negated:
        if not decision.approvals:
            return None
        return "no approval was expected", "no approval", _approvals(decision)
    if decision.verdict != expected.verdict:
        said = f"expected `{expected.verdict}`, but the verdict is `{decision.verdict}`"
        return said, expected.verdict, _shown_verdict(decision)
    if expected.reason is not None:
        text = texts(expected.reason)
        reasons = [reason.text for reason in decision.reasons]
        if text not in reasons and text not in [reason.id for reason in decision.reasons]:
            return (
                f"the verdict is `{decision.verdict}`, but for another reason",
                f'{expected.verdict} "{text}"',
                _shown_verdict(decision),
            )
    groups = {texts(group) for group in expected.groups}
    asked = {group for approval in decision.approvals for group in approval.groups}
    if groups and groups != asked:
        return "others are asked to consent", f"approval by {_listed(sorted(groups))}", _approvals(decision)
    within = expected.within_ms
    if within is not None and {approval.within_ms for approval in decision.approvals} != {within}:
        return "the wait for consent is another", f"within {_duration(within)}", _approvals(decision)
    return None


def _shown_verdict(decision: Decision) -> str:
    reasons = [f'{decision.verdict} "{reason.text}"' for reason in decision.reasons]
    return "\n".join(reasons) or decision.verdict


def _approvals(decision: Decision) -> str:
    shown = [
        f"approval by {_listed(one.groups)}{f' within {_duration(one.within_ms)}' if one.within_ms else ''}"
        for one in decision.approvals
    ]
    return "\n".join(shown) or "no approval"


# --- masks ---


def _mask(expected: ExpectMask, decision: Decision, texts: Texts) -> Difference | None:
    masks = masks_in_force(decision)
    shown = "\n".join(f"mask {mask.target} with {_method(mask)}" for mask in masks) or "no mask"
    if decision.verdict == "block" and not expected.negated:
        wanted = expected.span.text.removeprefix("expect").strip()
        return "the request is blocked, so nothing is masked", wanted, _shown_verdict(decision)
    if expected.negated and not expected.targets:
        return None if not masks else ("no mask was expected", "no mask", shown)
    for target in expected.targets:
        text = _target(target, texts)
        found = [mask for mask in masks if _covers(mask, text)]
        wanted = f"mask {text}" + (f" with {_masker(expected.masker)}" if expected.masker is not None else "")
        alike = [
            mask for mask in found if expected.masker is None or _method(mask) == _masker(expected.masker)
        ]
        if expected.negated and alike:
            return f"`{text}` is masked", f"no {wanted}", shown
        if not expected.negated and not found:
            return f"`{text}` is not masked in this answer", wanted, shown
        if not expected.negated and len(alike) < len(found):
            other = next(mask for mask in found if mask not in alike)
            return f"`{text}` is masked with `{_method(other)}`", wanted, shown
    return None


def _target(target: MaskTarget, texts: Texts) -> str:
    match target:
        case FieldTarget(parts):
            return ".".join(parts)
        case JsonPathTarget(steps):
            return field_path(steps)
        case ContentTarget(detector):
            return f"content({detector})"
        case TermTarget(term):
            return texts(term)


def _covers(mask: Mask, target: str) -> bool:
    """Whether a mask is on what an expectation names: the same target, or of two columns one fits the other's pattern."""
    if mask.target.casefold() == target.casefold():
        return True
    return _fits(mask.target, target) or _fits(target, mask.target)


def _fits(pattern: str, target: str) -> bool:
    if any(text.startswith(("$", "content(")) for text in (pattern, target)) or "*" in target:
        return False
    relation, _, column = target.rpartition(".")
    return bool(relation) and column_matches(pattern, relation, column)


def _method(mask: Mask) -> str:
    if mask.method == "partial":
        return f"partial({mask.keep_last})"
    return f'replace("{mask.replacement}")' if mask.method == "replace" else mask.method


def _masker(masker: Masker) -> str:
    if not masker.args:
        return masker.name
    (argument,) = masker.args
    return f"{masker.name}({argument})" if isinstance(argument, int) else f'{masker.name}("{argument}")'


# --- credential ---


def _credential(expected: ExpectCredential, decision: Decision, texts: Texts) -> Difference | None:
    given = decision.credential
    if expected.negated:
        return (
            None
            if given is None
            else ("no credential was expected", "no credential", _shown_credential(decision))
        )
    wanted = expected.span.text.removeprefix("expect").strip()
    if given is None:
        return "no credential is given", wanted, _shown_verdict(decision)
    role = None if expected.role is None else texts(expected.role)
    same = (
        (expected.ttl_ms is None or expected.ttl_ms == given.ttl_ms)
        and (not expected.single_use or given.single_use)
        and (role is None or role == given.role)
    )
    return None if same else ("the credential is another", wanted, _shown_credential(decision))


def _shown_credential(decision: Decision) -> str:
    given = decision.credential
    if given is None:
        return "no credential"
    once = " single_use" if given.single_use else ""
    return f"credential ttl {_duration(given.ttl_ms)}{once}" + (f' as "{given.role}"' if given.role else "")


# --- reasons and errors ---


def _names(decision: Decision) -> list[tuple[str, str]]:
    return [(reason.id, reason.text) for reason in decision.determining]


def _reason(text: str, negated: bool, decision: Decision) -> Difference | None:
    found = any(text in pair for pair in _names(decision))
    if found != negated:
        return None
    shown = "\n".join(f'"{reason}"' for _, reason in _names(decision)) or "no statement"
    if negated:
        return f"a statement took part that was not expected: `{text}`", f'no reason "{text}"', shown
    return f"no statement with the reason `{text}` took part", f'reason "{text}"', shown


def _determining(texts: list[str], decision: Decision) -> Difference | None:
    names = _names(decision)
    missing = [text for text in texts if not any(text in pair for pair in names)]
    more = [reason for id_, reason in names if id_ not in texts and reason not in texts]
    if not missing and not more:
        return None
    said = [f"`{text}` did not" for text in missing] + [f"`{text}` did too" for text in more]
    shown = "\n".join(f'"{reason}"' for _, reason in names) or "no statement"
    return f"other statements took part: {', '.join(said)}", "\n".join(f'"{text}"' for text in texts), shown


def _error(text: str | None, negated: bool, decision: Decision) -> Difference | None:
    found = [
        error for error in decision.errors if text is None or text == error.code or text in error.message
    ]
    if bool(found) != negated:
        return None
    shown = "\n".join(f"{error.code}: {error.message}" for error in decision.errors) or "no error"
    if negated:
        return "an evaluation failed", "no error", shown
    return "no evaluation failed so", f"error {text or ''}".rstrip(), shown


def _duration(milliseconds: int) -> str:
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        if milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"


def _listed(groups: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f'"{group}"' for group in groups)
