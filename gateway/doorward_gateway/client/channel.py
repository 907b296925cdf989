"""The line to the engine: how it is secured, kept alive and retried."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

import grpc
import grpc.aio

__all__ = ["Metadata", "Token", "bearer", "open_channel", "tls_credentials"]

Token: TypeAlias = str | Callable[[], str]
"""A bearer token, or what gives the one that is good now; it is asked for each call and each stream, and must be quick."""

Metadata: TypeAlias = tuple[tuple[str, str], ...]

_MAX_ANSWER_BYTES: Final = 64 << 20

_RETRIES: Final = {
    # Asking has no effects, so a call that never reached the engine, or whose answer was lost, is made again. The stream has
    # rules of its own: see `stream`.
    "methodConfig": [
        {
            "name": [
                {"service": "doorward.v1.DecisionService", "method": method}
                for method in ("DescribeResource", "Explain", "Query", "GetRevision")
            ],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.05s",
                "maxBackoff": "0.5s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", _MAX_ANSWER_BYTES),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # a peer that vanished without a word is noticed, and the stream opened anew
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # of the pings that measure the line as well, behind which no other is sent: a minute unless told otherwise
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.service_config", json.dumps(_RETRIES)),
)

_HERE: Final = ("unix:", "localhost:", "127.0.0.1:", "[::1]:")


def tls_credentials(
    *, ca: Path | None = None, certificate: Path | None = None, key: Path | None = None
) -> grpc.ChannelCredentials:
    """TLS with the authorities of a PEM file, or those that gRPC brings; with `certificate` and `key` (PEM) the engine is
    shown who calls. Raises OSError, and ValueError where one of the two is missing.
    """
    if (certificate is None) != (key is None):
        raise ValueError("`certificate` and `key` go together")
    authorities, private, chain = (
        None if path is None else path.read_bytes() for path in (ca, key, certificate)
    )
    return grpc.ssl_channel_credentials(authorities, private, chain)


def open_channel(
    target: str, credentials: grpc.ChannelCredentials | None, *, with_token: bool
) -> grpc.aio.Channel:
    """A channel to a gRPC target. Raises ValueError where a token would cross the network in the clear."""
    if credentials is not None:
        return grpc.aio.secure_channel(target, credentials, options=_OPTIONS)
    if with_token and not target.startswith(_HERE):
        raise ValueError(
            f"a token for `{target}` needs `credentials`: it would cross the network in the clear"
        )
    return grpc.aio.insecure_channel(target, options=_OPTIONS)


def bearer(token: Token | None) -> Metadata:
    """The metadata that shows a token."""
    if token is None:
        return ()
    return (("authorization", f"Bearer {token if isinstance(token, str) else token()}"),)
