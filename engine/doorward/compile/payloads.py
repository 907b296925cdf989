"""What a statement says besides that it holds: known at once, or made from the values of an answer."""

from __future__ import annotations

from collections.abc import Sequence

from doorward.compile.findings import (
    AllowPayload,
    ApprovePayload,
    BlockPayload,
    CredentialPayload,
    MaskerSpec,
    MaskPayload,
    Payload,
    Target,
)
from doorward.compile.free import constant
from doorward.run.errors import EvaluationError, TypeMismatchError
from doorward.run.values import Value, ordered, type_name, unkey
from doorward_dsl.syntax import (
    Allow,
    Approve,
    Block,
    Credential,
    Mask,
    Statement,
    Term,
    TermTarget,
)
from doorward_dsl.translate import target_text

__all__ = ["PayloadMaker", "read_target"]


class PayloadMaker:
    """Makes the payloads of one statement.

    `terms` are the parts of its head that need an answer of its body; `payload` is what is known without,
    and `complete`
    whether no part but the reason is missing in it. A call takes, for each term, the set of its values.
    """

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._span = statement.span
        self._reason_given: str | None = None
        terms: list[Term] = []
        if isinstance(statement.reason, str):
            self._reason_given = statement.reason
        elif statement.reason is not None and (fixed := constant(statement.reason)) is not None:
            self._reason_given = str(fixed.value)
        elif statement.reason is not None:
            terms.append(statement.reason)
        self._has_reason = bool(terms)
        self._fixed: list[str] = []
        dynamic = _dynamic_terms(statement)
        for term in dynamic:
            fixed = constant(term)
            if fixed is None:
                terms.append(term)
            elif isinstance(fixed.value, str):
                self._fixed.append(fixed.value)
            else:
                raise TypeMismatchError(f"expected a string, not {type_name(fixed.value)}", term.span)
        self.terms = tuple(terms)
        self.complete = len(terms) == int(self._has_reason)
        self.payload = self._make(self._reason_given, self._fixed)

    def __call__(self, parts: Sequence[Value]) -> Payload:
        """The payload of one answer. Raises EvaluationError when a part is undefined or not a string."""
        values = [self._texts(part) for part in parts]
        reason = self._reason_given
        if self._has_reason:
            reason = "; ".join(values.pop(0))
        return self._make(reason, [*self._fixed, *(text for texts in values for text in texts)])

    def _texts(self, members: Value) -> list[str]:
        if not members:
            raise TypeMismatchError("a part of this statement's head is undefined", self._span)
        texts = ordered(map(unkey, members))
        for text in texts:
            if type(text) is not str:
                raise TypeMismatchError(
                    f"expected a string in a statement's head, not {type_name(text)}", self._span
                )
        return texts

    def _make(self, reason: str | None, texts: Sequence[str]) -> Payload:
        match self._statement:
            case Allow():
                return AllowPayload(reason)
            case Block():
                return BlockPayload(reason)
            case Mask(targets=targets, masker=masker):
                known = [target_text(target) for target in targets if not isinstance(target, TermTarget)]
                every = dict.fromkeys(map(read_target, [*known, *texts]))
                # A mask without a masker hides all there is to hide.
                spec = MaskerSpec("redact") if masker is None else MaskerSpec(masker.name, masker.args)
                return MaskPayload(reason, tuple(every), spec)
            case Approve(within_ms=within_ms):
                return ApprovePayload(reason, tuple(sorted(set(texts))), within_ms)
            case Credential(ttl_ms=ttl_ms, single_use=single_use):
                if len(texts) > 1:
                    raise EvaluationError("a credential cannot have two roles", self._span)
                return CredentialPayload(reason, ttl_ms, single_use, texts[0] if texts else None)
        raise AssertionError(f"not a statement: {self._statement!r}")


def _dynamic_terms(statement: Statement) -> list[Term]:
    match statement:
        case Mask(targets=targets):
            return [target.term for target in targets if isinstance(target, TermTarget)]
        case Approve(groups=groups):
            return list(groups)
        case Credential(role=role) if role is not None:
            return [role]
    return []


def read_target(text: str) -> Target:
    """A target as a policy's own value names it: `$.a.b`, `content(card_number)`, or a field such as
    `t.c`."""
    if text.startswith("$"):
        return Target("json_path", text)
    if text.startswith("content(") and text.endswith(")"):
        return Target("content", text[len("content(") : -1].strip())
    return Target("field", text)
