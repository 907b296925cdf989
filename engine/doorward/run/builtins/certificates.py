"""`crypto.x509.*` and `crypto.parse_private_keys`: reading and verifying certificates, requests and keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import islice
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtensionOID

from doorward.run.errors import BuiltinError
from doorward.run.values import Value

from .builtin import BuiltinCall, Meter, contextual, pure
from .certificate_fields import (
    certificate_fields,
    extended_usages,
    extension,
    private_key_fields,
    request_fields,
)
from .encoding import base64_problem, decode_base64
from .keys import Pem, SigningError, jwk_from_private, pem_blocks, private_key
from .operands import ARRAYS, NUMBERS, SETS, exact_integer, mapping, members, string, text

__all__ = ["BUILTINS"]

_BEGIN: Final = "-----BEGIN"
_MAX_CERTIFICATES: Final = 100
_CERTIFICATE_STEPS: Final = 500
"""What reading a certificate takes, and verifying the signature on it."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_USAGES: Final = {
    f"KeyUsage{name}": number
    for number, name in enumerate(
        (
            *(
                "Any",
                "ServerAuth",
                "ClientAuth",
                "CodeSigning",
                "EmailProtection",
                "IPSECEndSystem",
                "IPSECTunnel",
            ),
            *("IPSECUser", "TimeStamping", "OCSPSigning", "MicrosoftServerGatedCrypto"),
            *("NetscapeServerGatedCrypto", "MicrosoftCommercialCodeSigning", "MicrosoftKernelCodeSigning"),
        )
    )
}
_UNDERSTOOD: Final = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        ExtensionOID.AUTHORITY_INFORMATION_ACCESS,
    }
)


class _Unreadable(ValueError):
    """The text holds no certificates."""


def _pem_text(given: str) -> str | bytes:
    """PEM as it is given or as base64 encodes it; DER where base64 encodes that."""
    if given.startswith(_BEGIN):
        return given
    data = decode_base64(given)
    if data is None:
        raise _Unreadable(base64_problem(given))
    return text(data) if data.startswith(_BEGIN.encode()) else data


def _certificates(meter: Meter, given: str) -> list[x509.Certificate]:
    source = _pem_text(given)
    try:
        if isinstance(source, bytes):
            parts = _der_parts(source)
        else:
            blocks = list(islice(pem_blocks(source), _MAX_CERTIFICATES + 1))
            for block in blocks:
                if block.label != "CERTIFICATE":
                    raise _Unreadable(f"PEM block type is '{block.label}', expected CERTIFICATE")
            parts = [block.data for block in blocks]
        if len(parts) > _MAX_CERTIFICATES:
            raise _Unreadable(f"more than {_MAX_CERTIFICATES} certificates")
        meter.charge(_CERTIFICATE_STEPS * len(parts))
        return [x509.load_der_x509_certificate(part) for part in parts]
    except _Unreadable:
        raise
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _Unreadable(f"x509: malformed certificate: {error}") from None


def _der_parts(data: bytes) -> list[bytes]:
    """The elements of DER that stand one after the other."""
    parts: list[bytes] = []
    place = 0
    while place < len(data) and len(parts) <= _MAX_CERTIFICATES:
        if len(data) < place + 2:
            raise _Unreadable("x509: malformed certificate")
        size, start = data[place + 1], 2
        if size & 0x80:
            start = 2 + (size & 0x7F)
            size = int.from_bytes(data[place + 2 : place + start], "big")
        if start > 6 or place + start + size > len(data):
            raise _Unreadable("x509: malformed certificate")
        parts.append(data[place : place + start + size])
        place += start + size
    return parts


def parse(meter: Meter, value: Value) -> Value:
    name = "crypto.x509.parse_certificates"
    try:
        return _fields(_certificates(meter, string(name, 1, value)))
    except (_Unreadable, x509.DuplicateExtension) as error:
        raise BuiltinError(f"{name}: {error}") from None


def _fields(certificates: list[x509.Certificate]) -> list[Value]:
    try:
        return [certificate_fields(one) for one in certificates]
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _Unreadable(f"x509: malformed certificate: {error}") from None


@dataclass(frozen=True, slots=True)
class _Demands:
    """What a chain must satisfy: at an instant, for a host name (or none), for one of some usages."""

    instant: datetime
    host: str = ""
    usages: tuple[int, ...] = (1,)


def parse_and_verify(call: BuiltinCall, value: Value) -> Value:
    name = "crypto.x509.parse_and_verify_certificates"
    return _verified(call, string(name, 1, value), _Demands(_at(call.now_ns)), strings=True)


def _at(ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=ns // 1000)


def parse_and_verify_with_options(call: BuiltinCall, value: Value, options: Value) -> Value:
    name = "crypto.x509.parse_and_verify_certificates_with_options"
    given = string(name, 1, value)
    return _verified(call, given, _demands(name, call, mapping(name, 2, options)), strings=False)


def _demands(name: str, call: BuiltinCall, options: dict[Any, Value]) -> _Demands:
    instant, host, usages = _at(call.now_ns), "", [1]
    for option, value in options.items():
        if option == "DNSName":
            if type(value) is not str:
                raise BuiltinError(f"{name}: 'DNSName' should be a string")
            host = value.strip('"')
        elif option in ("CurrentTime", "MaxConstraintComparisons"):
            number = exact_integer(value) if type(value) in NUMBERS else None
            if number is None or not -(1 << 63) <= number < 1 << 63:
                raise BuiltinError(f"{name}: '{option}' should be a valid int64 number")
            instant = _at(number) if option == "CurrentTime" else instant
        elif option == "KeyUsages":
            if type(value) not in ARRAYS and type(value) not in SETS:
                raise BuiltinError(f"{name}: 'KeyUsages' should be an Array or Set")
            listed = members(value) if type(value) in SETS else value
            names = [one.strip('"') for one in listed if type(one) is str]
            wrong = [one for one in names if one not in _USAGES]
            if wrong:
                raise BuiltinError(f"{name}: invalid entries for 'KeyUsages' found: [{' '.join(wrong)}]")
            usages = [_USAGES[one] for one in names] or [1]
        else:
            raise BuiltinError(f"{name}: invalid key option")
    return _Demands(instant, host, tuple(usages))


def _verified(meter: Meter, given: str, demands: _Demands, *, strings: bool) -> Value:
    try:
        certificates = _certificates(meter, given)
        chain = _chain(meter, certificates, demands) if len(certificates) > 1 else None
        fields = _fields(chain) if chain is not None else []
    except (_Unreadable, ValueError, UnsupportedAlgorithm):
        return [False, []]
    if not strings:
        for one in fields:
            del one["URIStrings"]
    return [chain is not None, fields]


def _chain(
    meter: Meter, certificates: list[x509.Certificate], demands: _Demands
) -> list[x509.Certificate] | None:
    """The way from the last certificate, the leaf, to the first, the root; None where there is none."""
    root, leaf, between = certificates[0], certificates[-1], certificates[1:-1]
    if not _names(leaf, demands.host):
        return None
    waiting = [[leaf]]
    tries = 0
    while waiting:
        path = waiting.pop()
        tries += 1
        if tries > _MAX_CERTIFICATES or not _good(path, demands):
            continue
        if path[-1] == root:
            return path
        meter.charge(_CERTIFICATE_STEPS * len(certificates))
        if _issued(path[-1], root):
            waiting.append([*path, root])
        waiting[:0] = [[*path, one] for one in between if one not in path and _issued(path[-1], one)]
    return None


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _good(path: list[x509.Certificate], demands: _Demands) -> bool:
    """Whether the newest certificate of a path may stand where it does."""
    newest = path[-1]
    if not newest.not_valid_before_utc <= demands.instant <= newest.not_valid_after_utc:
        return False
    if any(one.critical and one.oid not in _UNDERSTOOD for one in newest.extensions):
        return False  # name constraints among them: what is not understood is not passed
    usages = extended_usages(newest)
    wanted = demands.usages
    if 0 not in wanted and usages is not None and 0 not in usages and not set(usages) & set(wanted):
        return False
    if len(path) == 1:
        return True
    constraints = extension(newest, x509.BasicConstraints)
    if newest.version == x509.Version.v3 and (constraints is None or not constraints.ca):
        return False
    length = constraints.path_length if constraints is not None else None
    return length is None or len(path) - 2 <= length


def _names(certificate: x509.Certificate, host: str) -> bool:
    if not host:
        return True
    names = extension(certificate, x509.SubjectAlternativeName)
    if names is None:
        return False
    bare = host.removeprefix("[").removesuffix("]")
    try:
        return ip_address(bare) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        pass
    wanted = host.lower().removesuffix(".").split(".")
    for pattern in names.get_values_for_type(x509.DNSName):
        labels = pattern.lower().removesuffix(".").split(".")
        first = labels[0] == "*" or labels[0] == wanted[0]
        if len(labels) == len(wanted) and first and labels[1:] == wanted[1:]:
            return True
    return False


def parse_request(value: Value) -> Value:
    name = "crypto.x509.parse_certificate_request"
    given = string(name, 1, value)
    try:
        source = _pem_text(given) if not given.startswith("-----BEGIN CERTIFICATE REQUEST-----") else given
        if isinstance(source, str):
            block = next(pem_blocks(source), None)
            if block is None or block.label != "CERTIFICATE REQUEST":
                raise _Unreadable("invalid PEM-encoded certificate signing request")
            source = block.data
        return request_fields(x509.load_der_x509_csr(source))
    except (_Unreadable, ValueError, UnsupportedAlgorithm) as error:
        raise BuiltinError(f"{name}: {error}") from None


def _keys(meter: Meter, name: str, given: str, most: int = 1) -> list[Any]:
    """The first private keys in a text; those that come after them are not looked at."""
    try:
        found = (private_key(block, meter.charge) for block in pem_blocks(given))
        return list(islice((one for one in found if one is not None), most))
    except SigningError as error:
        raise BuiltinError(f"{name}: {error}") from None


def parse_rsa_private_key(meter: Meter, value: Value) -> Value:
    name = "crypto.x509.parse_rsa_private_key"
    given = string(name, 1, value)
    if not given:
        raise BuiltinError(f"{name}: input PEM data was empty")
    try:
        source = _pem_text(given)
        found = _keys(meter, name, source) if isinstance(source, str) else []
        return jwk_from_private(found[0]) if found else None
    except (_Unreadable, SigningError) as error:
        raise BuiltinError(f"{name}: {error}") from None


def parse_private_keys(meter: Meter, value: Value) -> Value:
    name = "crypto.parse_private_keys"
    given = string(name, 1, value)
    if not given:
        return None
    data = decode_base64(given)
    found = _keys(meter, name, given if data is None else text(data), _MAX_CERTIFICATES + 1)
    if len(found) > _MAX_CERTIFICATES:
        raise BuiltinError(f"{name}: more than {_MAX_CERTIFICATES} keys")
    return [private_key_fields(one) for one in found]


def parse_keypair(meter: Meter, certificate: Value, key: Value) -> Value:
    name = "crypto.x509.parse_keypair"
    try:
        chain = _certificates(meter, string(name, 1, certificate))
        source = _pem_text(string(name, 1, key))
        if isinstance(source, bytes):
            found = [private_key(Pem("PRIVATE KEY", source, 0), meter.charge)]
        else:
            found = _keys(meter, name, source)
        if not chain or not found:
            raise _Unreadable("tls: failed to find a certificate and a private key")
        if chain[0].public_key() != found[0].public_key():
            raise _Unreadable("tls: private key does not match public key")
        fields = _fields(chain)
    except (_Unreadable, SigningError, ValueError, UnsupportedAlgorithm) as error:
        raise BuiltinError(f"{name}: {error}") from None
    leaf = {name: value for name, value in fields[0].items() if name != "URIStrings"}
    return {
        "Certificate": [one["Raw"] for one in fields],
        "Leaf": leaf,
        "OCSPStaple": None,
        "PrivateKey": private_key_fields(found[0]),
        "SignedCertificateTimestamps": None,
        "SupportedSignatureAlgorithms": None,
    }


BUILTINS: Final = {
    **pure({"crypto.x509.parse_certificate_request": parse_request}),
    **contextual(
        {
            "crypto.x509.parse_certificates": parse,
            "crypto.x509.parse_rsa_private_key": parse_rsa_private_key,
            "crypto.x509.parse_keypair": parse_keypair,
            "crypto.parse_private_keys": parse_private_keys,
            "crypto.x509.parse_and_verify_certificates": parse_and_verify,
            "crypto.x509.parse_and_verify_certificates_with_options": parse_and_verify_with_options,
        }
    ),
}
