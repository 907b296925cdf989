"""The certificate of the service and whom it trusts: read again when a file changes, for the connections after that."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import grpc
import structlog

__all__ = ["Certificates"]

_log: Final = structlog.get_logger("doorward.serve")


class Certificates:
    """A certificate chain with its key, and the authorities of callers if those have to show a certificate.

    A change that does not fit together, as while only one of two files is new, changes nothing; the next connection
    looks again. Raises OSError (also ssl.SSLError) when they cannot be used at the start.
    """

    def __init__(self, cert: Path, key: Path, client_ca: Path | None) -> None:
        self._files = (cert, key) if client_ca is None else (cert, key, client_ca)
        self._stamp: object = None
        self._refused: object = None
        self._generation = 0
        self._read()

    def _read(self) -> None:
        stamp = self._stamped()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        cert, key, *authorities = self._files
        context.load_cert_chain(cert, key)  # also finds out whether they belong together
        for path in authorities:
            context.load_verify_locations(path)
            context.verify_mode = ssl.CERT_REQUIRED
        self._contents = [path.read_bytes() for path in self._files]
        self._context = context
        self._stamp = stamp
        self._generation += 1

    def _stamped(self) -> object:
        return [(at.st_mtime_ns, at.st_size, at.st_ino) for at in (path.stat() for path in self._files)]

    def _refresh(self) -> None:
        stamp: object = None
        try:
            stamp = self._stamped()
            if stamp == self._stamp:
                return
            self._read()
        except OSError as error:
            if stamp != self._refused:
                self._refused = stamp
                _log.error("the new certificate cannot be used, the last one stays", error=str(error))
            return
        _log.info("certificate read again", path=str(self._files[0]))

    def for_grpc(self) -> grpc.ServerCredentials:
        """For a gRPC server."""
        given = self._generation

        def newer() -> grpc.ServerCertificateConfiguration | None:
            nonlocal given
            self._refresh()
            if self._generation == given:
                return None
            given = self._generation
            return self._for_grpc()

        return grpc.dynamic_ssl_server_credentials(
            self._for_grpc(),
            newer,  # type: ignore[arg-type] # none is what there may be, says its documentation
            require_client_authentication=len(self._files) > 2,
        )

    def _for_grpc(self) -> grpc.ServerCertificateConfiguration:
        cert, key, *authorities = self._contents
        return grpc.ssl_server_certificate_configuration(
            [(key, cert)], root_certificates=authorities[0] if authorities else None
        )

    def for_http(self) -> ssl.SSLContext:
        """For a server of asyncio's."""
        outer = self._context

        def newest(connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
            self._refresh()
            if self._context is not context:
                connection.context = self._context

        callback: Callable[[Any, Any, Any], Any] = newest
        outer.sni_callback = callback
        return outer
