"""Stands before every gRPC method: who calls, may they, is there room, is there still time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeAlias

import grpc
import grpc.aio

from doorward.serve.operations.asking import ASKING, Asking
from doorward.serve.operations.callers import Callers, Refused
from doorward.serve.operations.settings import Method

__all__ = ["STATUS", "Guard"]

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_OPEN: Final = "/grpc.health.v1.Health/"
"""What is answered to everybody: an orchestrator that asks for health has no credentials."""

_METHODS: Final[dict[str, Method]] = {
    "/doorward.v1.DecisionService/Decide": "decide",
    "/doorward.v1.DecisionService/DecideBatch": "decide",
    "/doorward.v1.DecisionService/DecideStream": "decide",
    "/doorward.v1.DecisionService/Explain": "explain",
    "/doorward.v1.DecisionService/Query": "query",
    "/doorward.v1.DecisionService/DescribeResource": "describe",
    "/doorward.v1.DecisionService/GetRevision": "revision",
    "/doorward.v1.DecisionService/WatchRevision": "revision",
    "/envoy.service.auth.v3.Authorization/Check": "decide",
}

STATUS: Final = {
    "unauthenticated": grpc.StatusCode.UNAUTHENTICATED,
    "forbidden": grpc.StatusCode.PERMISSION_DENIED,
    "overloaded": grpc.StatusCode.RESOURCE_EXHAUSTED,
}


class Guard(grpc.aio.ServerInterceptor):  # type: ignore[type-arg] # of the stubs only
    """Lets calls through to their methods, with who asks in `ASKING`. `refused` is told the status of those it does not."""

    def __init__(self, callers: Callers, refused: Callable[[str], None]) -> None:
        self._callers = callers
        self._refused = refused
        self._guarded: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any]]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """The method, or the same with a guard before it."""
        name = handler_call_details.method
        known = self._guarded.get(name)
        if known is not None:
            return known
        handler = await continuation(handler_call_details)
        if handler is None or name.startswith(_OPEN):
            return handler
        self._guarded[name] = guarded = self._before(handler, _METHODS.get(name))
        return guarded

    def _before(
        self, handler: grpc.RpcMethodHandler[Any, Any], method: Method | None
    ) -> grpc.RpcMethodHandler[Any, Any]:
        if handler.response_streaming:

            async def streamed(request: Any, context: _Context) -> AsyncIterator[Any]:
                asking = await self._let_in(method, context)
                asking.caller.under_way += 1
                try:
                    async for response in behaviour(request, context):
                        yield response
                finally:
                    asking.caller.under_way -= 1

            behaviour: Any = handler.stream_stream if handler.request_streaming else handler.unary_stream
            made: Any = (
                grpc.stream_stream_rpc_method_handler
                if handler.request_streaming
                else grpc.unary_stream_rpc_method_handler
            )
            return made(streamed, handler.request_deserializer, handler.response_serializer)  # type: ignore[no-any-return]

        async def single(request: Any, context: _Context) -> Any:
            asking = await self._let_in(method, context)
            asking.caller.under_way += 1
            try:
                return await one(request, context)
            finally:
                asking.caller.under_way -= 1

        one: Any = handler.stream_unary if handler.request_streaming else handler.unary_unary
        make: Any = (
            grpc.stream_unary_rpc_method_handler
            if handler.request_streaming
            else grpc.unary_unary_rpc_method_handler
        )
        return make(single, handler.request_deserializer, handler.response_serializer)  # type: ignore[no-any-return]

    async def _let_in(self, method: Method | None, context: _Context) -> Asking:
        left = context.time_remaining()
        if left is not None and left <= 0:
            await self._end(context, grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline has passed")
        authorization = trace = ""
        for name, value in context.invocation_metadata() or ():
            if name == "authorization" and isinstance(value, str):
                authorization = value
            elif name == "traceparent" and isinstance(value, str):
                trace = value
        try:
            asking = self._callers.call(method, authorization, _names(context.auth_context()))
        except Refused as error:
            await self._end(context, STATUS[error.why], str(error))
        asking.trace = trace
        ASKING.set(asking)
        return asking

    async def _end(self, context: _Context, code: grpc.StatusCode, message: str) -> None:
        self._refused(code.name)
        await context.abort(code, message)


def _names(shown: Any) -> list[str]:
    """The names in the certificate of the other side: the alternative ones, or the common one where there are none."""
    names = shown.get("x509_subject_alternative_name") or shown.get("x509_common_name") or ()
    return [name.decode("utf-8", "replace") for name in names]
