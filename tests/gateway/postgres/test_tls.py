"""TLS to the client: real certificates, real clients, and bytes slipped in before it."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psycopg
import pytest
from tests.support.gateway import Shop, open_shop

from doorward_gateway.demo.certificates import make_certificates

SSL_REQUEST = struct.pack("!II", 8, 80877103)
GSS_REQUEST = struct.pack("!II", 8, 80877104)


@dataclass
class Secure:
    shop: Shop
    authority: Path


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    """A gateway that takes nothing but TLS."""
    root = tmp_path_factory.mktemp("secure")
    made = make_certificates(root / "certificates")
    tls = {"certificate": str(made.certificate), "key": str(made.key)}
    shop = open_shop(root, postgres={"tls": tls, "allow_plaintext": False})
    yield Secure(shop, made.authority)
    shop.stop()


def test_psycopg_checks_the_certificate(secure: Secure) -> None:
    dsn = secure.shop.dsn("mia").replace(
        "sslmode=prefer", f"sslmode=verify-full sslrootcert={secure.authority}"
    )
    with psycopg.connect(dsn, autocommit=True) as connection:
        assert connection.execute("select ssn from customers where id = 1").fetchone() == ("*******8841",)
        (value,) = connection.execute("select repeat('y', 3000000)").fetchone() or ("",)
        assert len(value) == 3_000_000


async def test_asyncpg_checks_the_certificate(secure: Secure) -> None:
    connection = await asyncpg.connect(
        host="127.0.0.1",
        port=secure.shop.port,
        database="shop",
        user="mia",
        password=secure.shop.credential("mia"),
        ssl=ssl.create_default_context(cafile=str(secure.authority)),
    )
    assert await connection.fetchval("select ssn from customers where id = 1") == "*******8841"
    await connection.close()


def test_without_tls_there_is_no_entry(secure: Secure) -> None:
    dsn = secure.shop.dsn("mia").replace("sslmode=prefer", "sslmode=disable")
    with pytest.raises(psycopg.OperationalError, match="without TLS is not taken"):
        psycopg.connect(dsn)


def test_bytes_before_the_handshake_are_not_taken_for_the_clients(secure: Secure) -> None:
    with socket.create_connection(("127.0.0.1", secure.shop.port), timeout=10) as line:
        line.sendall(SSL_REQUEST + b"Q\0\0\0\x0dselect 1\0")
        received = b""
        while chunk := line.recv(1000):
            received += chunk
    assert b"unencrypted bytes" in received


def test_gss_is_declined_and_tls_taken(secure: Secure) -> None:
    context = ssl.create_default_context(cafile=str(secure.authority))
    with socket.create_connection(("127.0.0.1", secure.shop.port), timeout=10) as line:
        line.sendall(GSS_REQUEST)
        assert line.recv(1) == b"N"
        line.sendall(SSL_REQUEST)
        assert line.recv(1) == b"S"
        with context.wrap_socket(line, server_hostname="localhost") as encrypted:
            body = b"user\0mia\0database\0shop\0\0"
            encrypted.sendall(struct.pack("!II", 8 + len(body), 3 << 16) + body)
            assert encrypted.recv(9) == b"R\0\0\0\x08\0\0\0\x03"
