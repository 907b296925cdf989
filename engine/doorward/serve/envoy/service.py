"""The method that Envoy calls."""

from __future__ import annotations

from typing import Final, TypeAlias

import grpc
import grpc.aio
import structlog
from google.protobuf.message import DecodeError

from doorward.serve.envoy.identity import Unreadable
from doorward.serve.envoy.request import question_of
from doorward.serve.envoy.response import refused, response_of, unavailable
from doorward.serve.envoy.settings import EnvoySettings
from doorward.serve.operations.asking import ASKING
from doorward.serve.point import DecisionPoint, Unanswered
from doorward_proto.envoy import authorization_pb2 as pb

__all__ = ["SERVICE", "EnvoyAuthorization"]

_log: Final = structlog.get_logger("doorward.serve")

_Context: TypeAlias = "grpc.aio.ServicerContext[object, object]"

SERVICE: Final = "envoy.service.auth.v3.Authorization"
"""The name under which Envoy calls."""


class EnvoyAuthorization:
    """Answers `Check`. Whatever happens, the answer says what Envoy is to do; see `response`."""

    def __init__(self, point: DecisionPoint, settings: EnvoySettings) -> None:
        self._point = point
        self._settings = settings

    def add_to(self, server: grpc.aio.Server) -> None:
        """Serve beside what else the server serves."""
        # bytes in, for a message that cannot be read is answered like any other
        check = grpc.unary_unary_rpc_method_handler(
            self.check, response_serializer=pb.CheckResponse.SerializeToString
        )
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Check": check}),))

    async def check(self, message: bytes, context: _Context) -> pb.CheckResponse:
        """What Envoy is to do with a request."""
        try:
            request = pb.CheckRequest.FromString(message)
            question = question_of(request, self._settings)
            question.trace = (
                ASKING.get().trace or question.trace
            )  # a call that Envoy traces is the nearer one
            return response_of(await self._point.answer_one(question), self._settings)
        except Unreadable as error:
            return refused("invalid_request", str(error))
        except Unanswered as error:
            if error.code in ("invalid_request", "forbidden"):
                return refused(error.code, str(error))
            return unavailable(error.code, str(error))
        except DecodeError:
            return refused("invalid_request", "what Envoy sent is no `CheckRequest`")
        except Exception as error:  # an error of the call would be up to Envoy's configuration
            _log.exception("a request of Envoy's could not be answered")
            return unavailable("internal", f"internal error: {type(error).__name__}")
