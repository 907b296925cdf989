"""The engine's client: decisions for enforcement points.

    from doorward_gateway.client import Client

    with Client("127.0.0.1:8181") as engine:
        decision = engine.decide({
            "principal": {"id": "ana", "groups": ["analysts"]},
            "action": {"name": "query"},
            "resource": {"kind": "postgres", "name": "shop"},
            "postgres": {"statement": "select 1"},
        })
        if decision:            # allowed, and nothing has to be done for it
            ...
        else:
            print(decision.verdict, decision.reason)

`Client` is for threads, `AsyncClient` for asyncio; they do the same. What is asked at the same time goes out in one message
of one stream. There is a decision or there is EngineUnavailable, within the deadline: a line that breaks, an engine that is
dead, slow or unclear, an empty answer, each is that, and the operation is to be refused. Asking has no effects, so what was
lost with a line is asked again on the next, once, where the deadline allows; lines are opened anew with back-off and jitter.

`Decision` is true only for a clean allow. An enforcement point that can mask says `decision.allows(masks=True)`, and then
has to carry out every one of `decision.message.masks`.
"""

from __future__ import annotations

from doorward_gateway.client.asynchronous import AsyncClient
from doorward_gateway.client.blocking import Client
from doorward_gateway.client.channel import Token, tls_credentials
from doorward_gateway.client.decision import Decision, Verdict
from doorward_gateway.client.errors import ClientError, EngineUnavailable, QueryProblem, QueryRefused

__all__ = [
    "AsyncClient",
    "Client",
    "ClientError",
    "Decision",
    "EngineUnavailable",
    "QueryProblem",
    "QueryRefused",
    "Token",
    "Verdict",
    "tls_credentials",
]
