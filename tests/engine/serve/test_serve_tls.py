"""The service over TLS, with and without certificates of the caller."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from tests.support.certificates import certificate
from tests.support.served import PATIENCE, served, write_policies

from doorward_gateway.client import AsyncClient, EngineUnavailable
from doorward_proto.v1 import decision_pb2 as pb

DOCUMENT = {
    "action": {"name": "query"},
    "resource": {"kind": "postgres"},
    "postgres": {"statement": "select 1"},
}


async def verdict(target: str, credentials: grpc.ChannelCredentials | None) -> int:
    async with AsyncClient(target, timeout=PATIENCE, credentials=credentials) as client:
        return int((await client.decide(DOCUMENT)).message.verdict)


async def test_callers_must_know_the_service_and_the_service_its_callers(tmp_path: Path) -> None:
    policies = write_policies(tmp_path / "policies", {"p.ward": "package p\ngoverns postgres\nallow\n"})
    cert, key = certificate(tmp_path, "engine")
    caller_cert, caller_key = certificate(tmp_path, "gateway")
    stranger_cert, stranger_key = certificate(tmp_path, "stranger")
    flags = [
        *("--tls-cert", str(cert)),
        *("--tls-key", str(key)),
        *("--tls-client-ca", str(caller_cert)),
    ]

    def shown(certificate: Path, private: Path, roots: Path = cert) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(
            roots.read_bytes(), private.read_bytes(), certificate.read_bytes()
        )

    with served(policies, *flags) as engine:
        assert await verdict(engine.target, shown(caller_cert, caller_key)) == pb.VERDICT_ALLOW
        for refused in (
            None,
            grpc.ssl_channel_credentials(cert.read_bytes()),
            shown(stranger_cert, stranger_key),
            shown(caller_cert, caller_key, roots=stranger_cert),
        ):
            with pytest.raises(EngineUnavailable):
                await verdict(engine.target, refused)


async def test_a_unix_socket_serves_as_well(tmp_path: Path) -> None:
    policies = write_policies(tmp_path / "policies", {"p.ward": "package p\ngoverns postgres\nallow\n"})
    with served(policies, listen=f"unix:{tmp_path}/engine.sock") as engine:
        assert await verdict(engine.target, None) == pb.VERDICT_ALLOW
