"""Certificates, requests and private keys as objects, with the fields and numbers of Go's `crypto/x509`."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

__all__ = ["certificate_fields", "extended_usages", "extension", "private_key_fields", "request_fields"]

Fields = dict[str, Any]

_SIGNATURES: Final = {
    SignatureAlgorithmOID.RSA_WITH_MD5: 2,
    SignatureAlgorithmOID.RSA_WITH_SHA1: 3,
    SignatureAlgorithmOID.RSA_WITH_SHA256: 4,
    SignatureAlgorithmOID.RSA_WITH_SHA384: 5,
    SignatureAlgorithmOID.RSA_WITH_SHA512: 6,
    SignatureAlgorithmOID.DSA_WITH_SHA1: 7,
    SignatureAlgorithmOID.DSA_WITH_SHA256: 8,
    SignatureAlgorithmOID.ECDSA_WITH_SHA1: 9,
    SignatureAlgorithmOID.ECDSA_WITH_SHA256: 10,
    SignatureAlgorithmOID.ECDSA_WITH_SHA384: 11,
    SignatureAlgorithmOID.ECDSA_WITH_SHA512: 12,
    SignatureAlgorithmOID.ED25519: 16,
}
_PSS: Final = {"sha256": 13, "sha384": 14, "sha512": 15}
_USAGES: Final = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign"),
)
_EXTENDED: Final = {
    "2.5.29.37.0": 0,
    **{f"1.3.6.1.5.5.7.3.{number}": number for number in range(1, 10)},
    "1.3.6.1.4.1.311.10.3.3": 10,
    "2.16.840.1.113730.4.1": 11,
    "1.3.6.1.4.1.311.2.1.22": 12,
    "1.3.6.1.4.1.311.61.1.1": 13,
}
_LISTED: Final = {
    NameOID.COUNTRY_NAME: "Country",
    NameOID.ORGANIZATION_NAME: "Organization",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OrganizationalUnit",
    NameOID.LOCALITY_NAME: "Locality",
    NameOID.STATE_OR_PROVINCE_NAME: "Province",
    NameOID.STREET_ADDRESS: "StreetAddress",
    NameOID.POSTAL_CODE: "PostalCode",
}


def _text(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode("ascii")


def _numbers(oid: x509.ObjectIdentifier) -> list[int]:
    return [int(part) for part in oid.dotted_string.split(".")]


def _name(name: x509.Name) -> Fields:
    found: Fields = {
        **dict.fromkeys(_LISTED.values()),
        "ExtraNames": None,
        "CommonName": "",
        "SerialNumber": "",
    }
    names: list[Fields] = []
    for attribute in name:
        raw = attribute.value
        value = raw if isinstance(raw, str) else _text(raw)
        names.append({"Type": _numbers(attribute.oid), "Value": value})
        if attribute.oid in _LISTED:
            place = _LISTED[attribute.oid]
            found[place] = [*(found[place] or []), value]
        elif attribute.oid == NameOID.COMMON_NAME:
            found["CommonName"] = value
        elif attribute.oid == NameOID.SERIAL_NUMBER:
            found["SerialNumber"] = value
    return {**found, "Names": names or None}


def _public(key: Any) -> tuple[int, Any]:
    """The number of a public key's algorithm, and the key."""
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return 1, {"E": numbers.e, "N": numbers.n}
    if isinstance(key, dsa.DSAPublicKey):
        parameters = key.public_numbers().parameter_numbers
        return 2, {"P": parameters.p, "Q": parameters.q, "G": parameters.g, "Y": key.public_numbers().y}
    if isinstance(key, ec.EllipticCurvePublicKey):
        point = key.public_numbers()
        return 3, {"Curve": {}, "X": point.x, "Y": point.y}
    if isinstance(key, ed25519.Ed25519PublicKey):
        return 4, _text(key.public_bytes_raw())
    return 0, None


def _key_fields(source: Any) -> Fields:
    try:
        key = source.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return {"PublicKeyAlgorithm": 0, "PublicKey": None, "RawSubjectPublicKeyInfo": None}
    number, fields = _public(key)
    raw = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {"PublicKeyAlgorithm": number, "PublicKey": fields, "RawSubjectPublicKeyInfo": _text(raw)}


def _signature(source: Any) -> int:
    if source.signature_algorithm_oid == SignatureAlgorithmOID.RSASSA_PSS:
        digest = source.signature_hash_algorithm
        return _PSS.get(digest.name, 0) if digest is not None else 0
    return _SIGNATURES.get(source.signature_algorithm_oid, 0)


def extension(source: Any, kind: Any) -> Any:
    """The value of an extension, None where there is none."""
    try:
        return source.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _alternatives(source: Any) -> Fields:
    names = extension(source, x509.SubjectAlternativeName)

    def of(kind: Any) -> list[str] | None:
        found = names.get_values_for_type(kind) if names is not None else []
        return [str(one) for one in found] or None

    uris = of(x509.UniformResourceIdentifier)
    return {
        "DNSNames": of(x509.DNSName),
        "EmailAddresses": of(x509.RFC822Name),
        "IPAddresses": of(x509.IPAddress),
        "URIs": [_uri(uri) for uri in uris] if uris else None,
        "URIStrings": uris,
    }


def _uri(uri: str) -> Fields:
    parts = urlsplit(uri)
    return {
        "Scheme": parts.scheme,
        "Opaque": "",
        "User": None,
        "Host": parts.netloc,
        "Path": parts.path,
        "Fragment": parts.fragment,
        "RawQuery": parts.query,
        "RawPath": "",
        "RawFragment": "",
        "ForceQuery": False,
        "OmitHost": False,
    }


def _extensions(source: Any) -> list[Fields] | None:
    return [
        {"Critical": one.critical, "Id": _numbers(one.oid), "Value": _text(one.value.public_bytes())}
        for one in source.extensions
    ] or None


def extended_usages(certificate: x509.Certificate) -> list[int] | None:
    """The numbers of the extended key usages that are known; None where the certificate is for anything."""
    found = extension(certificate, x509.ExtendedKeyUsage)
    if found is None:
        return None
    return [_EXTENDED[one.dotted_string] for one in found if one.dotted_string in _EXTENDED]


def _usage(certificate: x509.Certificate) -> int:
    found = extension(certificate, x509.KeyUsage)
    if found is None:
        return 0
    bits = sum(1 << place for place, name in enumerate(_USAGES) if getattr(found, name))
    if found.key_agreement:
        bits |= 128 * found.encipher_only | 256 * found.decipher_only
    return bits


def _instant(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


def certificate_fields(certificate: x509.Certificate) -> Fields:
    """The certificate as an object."""
    constraints = extension(certificate, x509.BasicConstraints)
    length = constraints.path_length if constraints is not None else None
    access = extension(certificate, x509.AuthorityInformationAccess) or ()
    places: dict[str, list[str]] = {}
    for one in access:
        if isinstance(one.access_location, x509.UniformResourceIdentifier):
            places.setdefault(one.access_method.dotted_string, []).append(one.access_location.value)
    identifier = extension(certificate, x509.SubjectKeyIdentifier)
    authority = extension(certificate, x509.AuthorityKeyIdentifier)
    policies = [one.policy_identifier for one in extension(certificate, x509.CertificatePolicies) or ()]
    usages = extension(certificate, x509.ExtendedKeyUsage)
    unknown = [_numbers(one) for one in usages or () if one.dotted_string not in _EXTENDED]
    lists = extension(certificate, x509.CRLDistributionPoints) or ()
    points = [name.value for one in lists for name in one.full_name or ()]
    empty = (
        *("ExcludedDNSDomains", "ExcludedEmailAddresses", "ExcludedIPRanges", "ExcludedURIDomains"),
        *("ExtraExtensions", "PermittedDNSDomains", "PermittedEmailAddresses", "PermittedIPRanges"),
        *("PermittedURIDomains", "PolicyMappings", "UnhandledCriticalExtensions"),
    )
    return {
        **dict.fromkeys(empty),
        **_key_fields(certificate),
        **_alternatives(certificate),
        "AuthorityKeyId": _text(authority.key_identifier if authority is not None else None),
        "BasicConstraintsValid": constraints is not None,
        "CRLDistributionPoints": points or None,
        "ExtKeyUsage": extended_usages(certificate) or None,
        "Extensions": _extensions(certificate),
        "InhibitAnyPolicy": 0,
        "InhibitAnyPolicyZero": False,
        "InhibitPolicyMapping": 0,
        "InhibitPolicyMappingZero": False,
        "IsCA": constraints is not None and constraints.ca,
        "Issuer": _name(certificate.issuer),
        "IssuingCertificateURL": places.get("1.3.6.1.5.5.7.48.2"),
        "KeyUsage": _usage(certificate),
        "MaxPathLen": (-1 if constraints is not None else 0) if length is None else length,
        "MaxPathLenZero": length == 0,
        "NotAfter": _instant(certificate.not_valid_after_utc),
        "NotBefore": _instant(certificate.not_valid_before_utc),
        "OCSPServer": places.get("1.3.6.1.5.5.7.48.1"),
        "PermittedDNSDomainsCritical": False,
        "Policies": [one.dotted_string for one in policies] or None,
        "PolicyIdentifiers": [_numbers(one) for one in policies] or None,
        "Raw": _text(certificate.public_bytes(Encoding.DER)),
        "RawIssuer": _text(certificate.issuer.public_bytes()),
        "RawSubject": _text(certificate.subject.public_bytes()),
        "RawTBSCertificate": _text(certificate.tbs_certificate_bytes),
        "RequireExplicitPolicy": 0,
        "RequireExplicitPolicyZero": False,
        "SerialNumber": certificate.serial_number,
        "Signature": _text(certificate.signature),
        "SignatureAlgorithm": _signature(certificate),
        "Subject": _name(certificate.subject),
        "SubjectKeyId": _text(identifier.digest if identifier is not None else None),
        "UnknownExtKeyUsage": unknown or None,
        "Version": certificate.version.value + 1,
    }


def request_fields(request: x509.CertificateSigningRequest) -> Fields:
    """The certificate request as an object."""
    names = _alternatives(request)
    names.pop("URIStrings")
    return {
        **_key_fields(request),
        **names,
        "Attributes": [],
        "Extensions": _extensions(request),
        "ExtraExtensions": None,
        "Raw": _text(request.public_bytes(Encoding.DER)),
        "RawSubject": _text(request.subject.public_bytes()),
        "RawTBSCertificateRequest": _text(request.tbs_certrequest_bytes),
        "Signature": _text(request.signature),
        "SignatureAlgorithm": _signature(request),
        "Subject": _name(request.subject),
        "Version": 0,
    }


def private_key_fields(key: Any) -> Any:
    """The private key as Go's JSON has it."""
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        return {
            "D": numbers.d,
            "E": numbers.public_numbers.e,
            "N": numbers.public_numbers.n,
            "Primes": [numbers.p, numbers.q],
            "Precomputed": {"CRTValues": [], "Dp": numbers.dmp1, "Dq": numbers.dmq1, "Qinv": numbers.iqmp},
        }
    if isinstance(key, ec.EllipticCurvePrivateKey):
        point = key.public_key().public_numbers()
        return {"Curve": {}, "D": key.private_numbers().private_value, "X": point.x, "Y": point.y}
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return _text(key.private_bytes_raw() + key.public_key().public_bytes_raw())
    return {}
