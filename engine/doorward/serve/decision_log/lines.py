"""The lines of the log; `docs/asking.md` says what they hold, and `doorward.author.diff.log` reads them."""

from __future__ import annotations

import os
import socket
import uuid
from importlib.metadata import version
from typing import Any, Final

from doorward.decide.decision import Decision
from doorward.facts.postgres import Catalogue
from doorward.serve.decision_log.counts import Counts
from doorward.serve.decision_log.encoding import encode, rfc3339
from doorward.serve.decision_log.pointers import MISSING
from doorward.serve.decision_log.redact import Redactor, Shown, bare
from doorward.serve.decision_log.rules import LogRules, MaskFailed
from doorward.serve.decision_log.secrets import Secrets
from doorward.serve.point import Made

__all__ = ["LineWriter", "catalogue_line", "dropped_line", "file_line", "recovered_line"]

FORMAT: Final = 1

_REMEMBERED: Final = 1024
_FALSE: Final = (b"false", b"true")


class LineWriter:
    """Writes decisions as lines. For one thread.

    Decisions that follow from the same findings share the very objects of their parts, so most of a line is copied from
    the last one with these parts.
    """

    def __init__(self, secrets: Secrets | None, counts: Counts) -> None:
        self._secrets = secrets
        self._redactor = Redactor(counts)
        # told apart by identity, and kept alive so that an identity is not used twice
        self._known: dict[tuple[int, ...], tuple[bytes, tuple[object, ...]]] = {}
        self._facts: dict[int, tuple[bytes, object]] = {}

    def line(self, made: Made, rules: LogRules | MaskFailed | None) -> bytes:
        """One decision; empty where a rule drops it."""
        head = _head(made)
        try:
            decision, request = made.decision, made.question.document
            hidden = None if self._secrets is None else self._secrets.hide(request, decision.facts)
            written = self._decision(decision, decision.facts if hidden is None else hidden.facts)
            if hidden is None and rules is None:
                return b'%b,"request":%b,"decision":%b}\n' % (head, encode(request), written)
            shown = self._redactor.shown(made, head, written, hidden, rules)
            return b"" if shown is None else _compose(head, shown)
        except Exception as error:
            # a fault of ours must neither show what it should not nor lose the decision
            return _compose(head, bare(made, f"internal error: {type(error).__name__}"))

    def _decision(self, decision: Decision, facts: dict[str, Any]) -> bytes:
        """What `encode(decision)` gives, in a fifth of the time."""
        shared = (
            decision.reasons,
            decision.determining,
            decision.masks,
            decision.approvals,
            decision.errors,
        )
        key = tuple(map(id, shared))
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            text = b'"reasons":%b,"determining":%b,"masks":%b,"approvals":%b,"errors":%b,' % tuple(
                map(encode, shared)
            )
            known = self._known[key] = (text, shared)
        return _DECISION % (
            decision.decision_id.encode(),
            decision.revision.encode(),
            decision.verdict.encode(),
            known[0],
            b"null" if decision.credential is None else encode(decision.credential),
            decision.operation_hash.encode(),
            _FALSE[decision.cacheable],
            self._encode_facts(facts),
            encode(decision.effects) if decision.effects else b"[]",
        )

    def _encode_facts(self, facts: dict[str, Any]) -> bytes:
        sql = facts.get("sql")
        if sql is None or len(facts) > 1:
            return encode(facts)
        # statements that differ only in their literals share one analysis
        known = self._facts.get(id(sql))
        if known is None:
            if len(self._facts) >= _REMEMBERED:
                self._facts.clear()
            known = self._facts[id(sql)] = (encode(facts), sql)
        return known[0]


_DECISION: Final = (
    b'{"decision_id":"%b","revision":"%b","verdict":"%b",%b"credential":%b,"operation_hash":"%b","cacheable":%b,'
    b'"facts":%b,"effects":%b}'
)


def _compose(head: bytes, shown: Shown) -> bytes:
    parts = [head]
    if shown.request is not MISSING:
        parts += (b',"request":', encode(shown.request))
    parts += (
        b',"decision":',
        shown.decision if isinstance(shown.decision, bytes) else encode(shown.decision),
    )
    if shown.masked:
        parts += (b',"masked":', encode(sorted(set(shown.masked))))
    if shown.erased:
        parts += (b',"erased":', encode(sorted(set(shown.erased))))
    if shown.failed:
        parts += (b',"redaction_error":', encode(shown.failed))
    parts.append(b"}\n")
    return b"".join(parts)


def _head(made: Made) -> bytes:
    """The beginning of a line, up to the request. Ids and revisions are hexadecimal."""
    decision, question = made.decision, made.question
    head = b'{"id":"%b","time":"%b","revision":"%b","took_ns":%d' % (
        decision.decision_id.encode(),
        rfc3339(made.now_ns).encode(),
        decision.revision.encode(),
        made.took_ns,
    )
    if question.caller:
        head += b',"caller":' + encode(question.caller)
    if question.trace:
        head += b',"trace":' + encode(question.trace)
    if made.catalogue is not None and made.catalogue.hash:
        head += b',"catalogue":"%b"' % made.catalogue.hash.encode()
    return head


def catalogue_line(catalogue: Catalogue) -> bytes:
    """What operations were read against: before the decisions that name it, once in a file."""
    return b'{"kind":"catalogue","catalogue":%b,"document":%b}\n' % (
        encode(catalogue.hash),
        catalogue.document.model_dump_json().encode(),
    )


def file_line(name: str, now_ns: int) -> bytes:
    """The first line of a file: by `name` it is known whatever it is called later."""
    return _note("file", name, now_ns, {"format": FORMAT, **_writer()})


def dropped_line(count: int, since_ns: int, now_ns: int, why: str, *, blocked: bool) -> bytes:
    """So many decisions are not in the log; `blocked`: they were answered as blocks."""
    answered = "block" if blocked else "as decided"
    return _note(
        "dropped",
        uuid.uuid4().hex,
        now_ns,
        {"count": count, "since": rfc3339(since_ns), "why": why, "answered": answered},
    )


def recovered_line(cut: int, now_ns: int) -> bytes:
    """So many bytes of a line that a crash cut short were taken off the end of the file."""
    return _note("recovered", uuid.uuid4().hex, now_ns, {"bytes": cut})


def _note(kind: str, name: str, now_ns: int, more: dict[str, Any]) -> bytes:
    return encode({"kind": kind, "id": name, "time": rfc3339(now_ns), **more}) + b"\n"


def _writer() -> dict[str, Any]:
    return {
        "service": f"doorward {version('doorward')}",
        "host": socket.gethostname(),
        "process": os.getpid(),
    }
