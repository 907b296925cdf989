"""Stands before every gRPC method: who calls, may they, is there room, is there still time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final, TypeAlias

import grpc
import grpc.aio

from doorward.serve.operations.asking import ASKING, Caller
from doorward.serve.operations.callers import Callers, Refused
from doorward.serve.operations.metrics import Metrics
from doorward.serve.operations.settings import Method

__all__ = ["Guard"]

_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_METHODS: Final[dict[str, Method | None]] = {
    "/doorward.v1.DecisionService/Decide": "decide",
    "/doorward.v1.DecisionService/DecideBatch": "decide",
    "/doorward.v1.DecisionService/DecideStream": "decide",
    "/doorward.v1.DecisionService/Explain": "explain",
    "/doorward.v1.DecisionService/Query": "query",
    "/doorward.v1.DecisionService/DescribeResource": "describe",
    "/doorward.v1.DecisionService/GetRevision": "revision",
    "/doorward.v1.DecisionService/WatchRevision": "revision",
    "/envoy.service.auth.v3.Authorization/Check": "decide",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": None,
}
"""What a caller must be allowed for each; None where it is enough to be known. What is not here cannot be called."""

_STATUS: Final = {
    "unauthenticated": grpc.StatusCode.UNAUTHENTICATED,
    "forbidden": grpc.StatusCode.PERMISSION_DENIED,
    "overloaded": grpc.StatusCode.RESOURCE_EXHAUSTED,
}

_NAMES: Final = {code.value[0]: code.name for code in grpc.StatusCode}


class Guard:
    """Lets calls through to their methods, with who asks in `ASKING`, and counts them.

    Takes the methods of services in place of the server, and gives them on with a guard before each: an interceptor would be
    found and awaited anew for every call.
    """

    def __init__(self, callers: Callers, metrics: Metrics, server: grpc.aio.Server) -> None:
        self._callers = callers
        self._metrics = metrics
        self._server = server

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler[Any, Any]]) -> None:
        """As that of a server."""
        self._server.add_generic_rpc_handlers([_Guarded(one, self._before) for one in handlers])

    def add_registered_method_handlers(
        self, service: str, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        """As that of a server: the same methods, which it was told of already."""

    def _before(self, handler: grpc.RpcMethodHandler[Any, Any], name: str) -> grpc.RpcMethodHandler[Any, Any]:
        method = _METHODS[name]
        short = name.rpartition("/")[2]

        async def streamed(request: Any, context: _Context) -> AsyncIterator[Any]:
            caller: Caller | None = None
            try:
                caller = await self._let_in(method, context)
                async with aclosing(behaviour(request, context)) as responses:
                    async for response in responses:
                        yield response
            finally:
                self._ended(short, caller, context)

        async def single(request: Any, context: _Context) -> Any:
            caller: Caller | None = None
            try:
                caller = await self._let_in(method, context)
                return await behaviour(request, context)
            finally:
                self._ended(short, caller, context)

        many, answers = handler.request_streaming, handler.response_streaming
        behaviour: Any
        make: Any
        behaviour, make = {
            (False, False): (handler.unary_unary, grpc.unary_unary_rpc_method_handler),
            (False, True): (handler.unary_stream, grpc.unary_stream_rpc_method_handler),
            (True, False): (handler.stream_unary, grpc.stream_unary_rpc_method_handler),
            (True, True): (handler.stream_stream, grpc.stream_stream_rpc_method_handler),
        }[many, answers]
        guarded = streamed if answers else single
        return make(guarded, handler.request_deserializer, handler.response_serializer)  # type: ignore[no-any-return]

    async def _let_in(self, method: Method | None, context: _Context) -> Caller:
        left = context.time_remaining()
        if left is not None and left <= 0:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline has passed")
        authorization = trace = ""
        for name, value in context.invocation_metadata() or ():
            if name == "authorization" and isinstance(value, str):
                authorization = value
            elif name == "traceparent" and isinstance(value, str):
                trace = value
        try:
            asking = self._callers.call(method, authorization, _names(context.auth_context()))
        except Refused as error:
            await context.abort(_STATUS[error.why], str(error))
        asking.trace = trace
        ASKING.set(asking)
        asking.caller.under_way += 1
        self._metrics.under_way += 1
        return asking.caller

    def _ended(self, method: str, caller: Caller | None, context: _Context) -> None:
        if caller is not None:
            caller.under_way -= 1
            self._metrics.under_way -= 1
        code: Any = context.code()  # a number, as far as nobody has set another
        status = code.name if isinstance(code, grpc.StatusCode) else _NAMES.get(code, "OK")
        self._metrics.calls[method, status] += 1


class _Guarded(grpc.GenericRpcHandler):  # type: ignore[type-arg] # of the stubs only
    """Methods, each with what stands before it."""

    def __init__(self, inner: grpc.GenericRpcHandler[Any, Any], before: Callable[[Any, str], Any]) -> None:
        self._inner = inner
        self._before = before
        self._known: dict[str, Any] = {}

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The method called."""
        name = handler_call_details.method
        known = self._known.get(name)
        if known is None:
            method = self._inner.service(handler_call_details)
            if method is None or name not in _METHODS:
                return None
            known = self._known[name] = self._before(method, name)
        return known  # type: ignore[no-any-return]


def _names(shown: Any) -> list[str]:
    """The names in the certificate of the other side: the alternative ones, or the common one where there are none."""
    names = shown.get("x509_subject_alternative_name") or shown.get("x509_common_name") or ()
    return [name.decode("utf-8", "replace") for name in names]
