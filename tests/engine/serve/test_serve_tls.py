"""The service over TLS, with and without certificates of the caller."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.support.served import PATIENCE, served, write_policies

from doorward_gateway.client import AsyncClient, EngineUnavailable
from doorward_proto.v1 import decision_pb2 as pb

DOCUMENT = {
    "action": {"name": "query"},
    "resource": {"kind": "postgres"},
    "postgres": {"statement": "select 1"},
}


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert_file, key_file


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
