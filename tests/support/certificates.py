"""An authority and certificates of it, as PEM files."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["Authority", "certificate"]

_HERE = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    authority = Authority(folder, name, _HERE)
    return authority.file, authority.key_file


class Authority:
    """Issues certificates that are good for an hour."""

    def __init__(self, folder: Path, name: str = "authority", *names: x509.GeneralName) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._signed(self._name, self._key.public_key(), list(names), ca=True)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.key_file = folder / f"{name}.key"
        self.key_file.write_bytes(_pem(self._key))

    def issue(self, name: str, *also: x509.GeneralName, common: str = "") -> tuple[Path, Path]:
        """A certificate and its key, in files of that name; for 127.0.0.1 where `also` names nothing else."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = list(also) or [_HERE]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common or name)])
        made = self._signed(subject, key.public_key(), [] if common else names, ca=False)
        cert_file, key_file = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(_pem(key))
        return cert_file, key_file

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, names: list[x509.GeneralName], *, ca: bool
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
