"""From a decision to what Envoy is to do.

INVARIANT: every message made here has a status that is set. To Envoy an empty message, and a status that is not set,
allow the request.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import grpc
import orjson
from google.protobuf.struct_pb2 import Struct

from doorward.decide.decision import Decision, Mask, Reason, Verdict
from doorward.serve.envoy.settings import EnvoySettings
from doorward_proto.envoy import authorization_pb2 as pb

__all__ = ["DECISION_HEADER", "OBLIGATIONS_HEADER", "refused", "response_of", "unavailable"]

DECISION_HEADER: Final = "x-doorward-decision"
"""Tells the upstream, and whoever was refused, the id of the decision."""

OBLIGATIONS_HEADER: Final = "x-doorward-obligations"
"""Tells the upstream how to mask its answer: a JSON list of `target`, `method`, `keep_last`, `replacement`."""

_MOST_OBLIGATIONS: Final = 4096
"""Bytes of that header. Servers refuse long ones, or cut them."""

_FORBIDDEN: Final = 403
_UNAVAILABLE: Final = 503
_SET: Final = pb.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD

_OK: Final[int] = grpc.StatusCode.OK.value[0]
_DENIED: Final[int] = grpc.StatusCode.PERMISSION_DENIED.value[0]
_FAILED: Final[int] = grpc.StatusCode.UNAVAILABLE.value[0]


def response_of(decision: Decision, settings: EnvoySettings) -> pb.CheckResponse:
    """What Envoy is to do by a decision."""
    if decision.verdict == "approve":
        return _refused(decision, "approve", _consent(decision, settings))
    if decision.verdict != "allow":
        return _refused(decision, "block", _because(decision), decision.reasons)
    obligations = _obligations(decision.masks)
    if decision.masks and not settings.upstream_masks:
        return _refused(
            decision, "block", "the answer would have to be masked, and nothing behind here masks it"
        )
    if len(obligations) > _MOST_OBLIGATIONS:
        return _refused(decision, "block", "there is more to be masked than a header can say")
    response = pb.CheckResponse(status=pb.Status(code=_OK))
    response.ok_response.headers.append(_header(DECISION_HEADER, decision.decision_id))
    if decision.masks:
        response.ok_response.headers.append(_header(OBLIGATIONS_HEADER, obligations))
    else:  # nobody but this service tells upstreams what to mask
        response.ok_response.headers_to_remove.append(OBLIGATIONS_HEADER)
    _describe(response, decision, "allow")
    return response


def refused(code: str, why: str) -> pb.CheckResponse:
    """A refusal of what is not decided at all, as it is no access request or must not be asked."""
    return _denied(_FORBIDDEN, _DENIED, {"code": code, "message": why})


def unavailable(code: str, why: str) -> pb.CheckResponse:
    """A refusal because there is no decision."""
    return _denied(_UNAVAILABLE, _FAILED, {"code": code, "message": why})


def _refused(
    decision: Decision, verdict: Verdict, message: str, reasons: Sequence[Reason] = ()
) -> pb.CheckResponse:
    body: dict[str, Any] = {
        "code": "blocked" if verdict == "block" else "consent_needed",
        "message": message,
        "decision_id": decision.decision_id,
        "revision": decision.revision,
    }
    if verdict == "approve":
        body["approvals"] = [
            {"groups": each.groups, "within_ms": each.within_ms, "reason": each.reason}
            for each in decision.approvals
        ]
    else:
        body["reasons"] = [{"id": each.id, "text": each.text} for each in reasons]
    response = _denied(_FORBIDDEN, _DENIED, body)
    response.denied_response.headers.append(_header(DECISION_HEADER, decision.decision_id))
    _describe(response, decision, verdict)
    return response


def _denied(http: int, code: int, body: dict[str, Any]) -> pb.CheckResponse:
    response = pb.CheckResponse(status=pb.Status(code=code, message=body["message"][:1000]))
    response.denied_response.status.code = http
    response.denied_response.body = orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE).decode()
    response.denied_response.headers.append(_header("content-type", "application/json"))
    response.dynamic_metadata.update({"verdict": "block", "failure": body["code"]})
    return response


def _because(decision: Decision) -> str:
    return "; ".join(reason.text for reason in decision.reasons) or "no statement allows this"


def _consent(decision: Decision, settings: EnvoySettings) -> str:
    of = "; and ".join(
        "of a member of " + " or ".join(f"`{group}`" for group in approval.groups)
        for approval in decision.approvals
    )
    how = settings.consent_help or "ask by a gateway of Doorward's that waits for it"
    return f"this needs the consent {of}, for which Envoy cannot wait: {how}"


def _obligations(masks: Sequence[Mask]) -> str:
    """In ASCII, as headers want it."""
    said = [
        {
            "target": mask.target,
            "method": mask.method,
            "keep_last": mask.keep_last,
            "replacement": mask.replacement,
        }
        for mask in masks
    ]
    return json.dumps(said, separators=(",", ":"))


def _header(name: str, value: str) -> pb.HeaderValueOption:
    return pb.HeaderValueOption(header=pb.HeaderValue(key=name, value=value), append_action=_SET)


def _describe(response: pb.CheckResponse, decision: Decision, verdict: Verdict) -> None:
    """For access logs, and for filters that come after: what Envoy itself cannot know."""
    described = Struct()
    described.update(
        {
            "decision_id": decision.decision_id,
            "revision": decision.revision,
            "verdict": verdict,
            "determining": [
                {"id": each.id, "verb": each.verb, "text": each.text, "place": each.place}
                for each in decision.determining
            ],
        }
    )
    response.dynamic_metadata.CopyFrom(described)
