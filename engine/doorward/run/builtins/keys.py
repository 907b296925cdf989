"""Keys and certificates: PEM blocks and JSON Web Keys as objects of `cryptography`, and signatures with them."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import gcd
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from .encoding import decode_base64url
from .json_text import parse_json

__all__ = [
    "ALGORITHMS",
    "Pem",
    "SigningError",
    "VerificationKey",
    "jwk_from_private",
    "jwk_keys",
    "pem_blocks",
    "private_key",
    "sign",
    "verification_keys",
    "verify",
]

ALGORITHMS: Final = frozenset(
    [
        "HS256",
        "HS384",
        "HS512",
        "RS256",
        "RS384",
        "RS512",
        "PS256",
        "PS384",
        "PS512",
        "ES256",
        "ES384",
        "ES512",
        "EdDSA",
    ]
)
"""The algorithms of JSON Web Signatures that are understood."""

_HASHES: Final = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_CURVES: Final[dict[str, ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
_CURVE_NAMES: Final = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_MAX_KEYS: Final = 1_000
_MAX_BITS: Final = 16_384
"""The largest RSA key that verifies."""
_MAX_PRIVATE_BITS: Final = 8_192
"""The largest RSA key that signs: reading it means proving that its parts belong together."""
_MAX_DER: Final = 6_000
"""Bytes that hold such a key, and more."""

Charge = Callable[[int], None]
"""Takes steps from the budget of the evaluation."""
_PEM: Final = re.compile(
    r"-----BEGIN ([^\r\n-]+(?:-[^\r\n-]+)*)-----[ \t]*\r?\n"
    r"(?:[A-Za-z0-9-]+:[^\r\n]*\r?\n)*(?:\r?\n)?"
    r"([A-Za-z0-9+/=\s]*?)-----END \1-----[ \t]*(?:\r?\n)?",
)


class SigningError(ValueError):
    """A key that cannot be used, or not for this."""


@dataclass(frozen=True, slots=True)
class Pem:
    """A PEM block: its label, its bytes, and the place in the text after it."""

    label: str
    data: bytes
    end: int


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A key with the algorithm and the name that it came with, empty where it had none. A secret is bytes."""

    key: Any
    algorithm: str = ""
    name: str = ""


def pem_blocks(text: str) -> Iterator[Pem]:
    """The PEM blocks of a text, in order; what stands between them is passed over."""
    for match in _PEM.finditer(text):
        try:
            data = base64.b64decode(match[2], validate=False)
        except binascii.Error:
            continue
        yield Pem(match[1], data, match.end())


def verification_keys(text: str) -> list[VerificationKey]:
    """The public keys in a PEM block (a certificate or a key) or in a JSON Web Key (set); raises
    `SigningError`.
    """
    block = next(pem_blocks(text), None)
    if block is None:
        return [found for found in jwk_keys(text, "failed to parse a JWK key (set)") if _usable(found)]
    if block.end < len(text):
        raise SigningError("extra data after a PEM certificate block")
    try:
        if block.label == "CERTIFICATE":
            return [VerificationKey(x509.load_der_x509_certificate(block.data).public_key())]
        if block.label == "PUBLIC KEY":
            return [VerificationKey(serialization.load_der_public_key(block.data))]
    except (ValueError, UnsupportedAlgorithm, TypeError) as error:
        kind = "certificate" if block.label == "CERTIFICATE" else "public key"
        raise SigningError(f"failed to parse a PEM {kind}: {error}") from None
    raise SigningError("failed to extract a Key from the PEM certificate")


def _usable(key: VerificationKey) -> bool:
    return not key.algorithm or key.algorithm in ALGORITHMS


def jwk_keys(text: str, failure: str, charge: Charge | None = None) -> list[VerificationKey]:
    """The keys of a JSON Web Key or a set of them; raises `SigningError` that starts with `failure`.

    Private keys, where somebody is charged for reading them; of RSA keys the public half otherwise.
    """
    try:
        document = parse_json(text)
        if type(document) is not dict:
            raise SigningError("a key must be an object")
        listed = document.get("keys", [document])
        if type(listed) is not list or len(listed) > _MAX_KEYS:
            raise SigningError("`keys` must be an array of keys")
        return [_from_jwk(one, charge) for one in listed]
    except ValueError as error:
        raise SigningError(f"{failure}: {error}") from None


def _from_jwk(jwk: Any, charge: Charge | None) -> VerificationKey:
    if type(jwk) is not dict:
        raise SigningError("a key must be an object")
    kind = jwk.get("kty")
    makers = {"EC": _elliptic, "OKP": _edwards, "oct": _secret}
    if type(kind) is not str or (kind not in makers and kind != "RSA"):
        raise SigningError(f"invalid key type from JSON ({kind if type(kind) is str else ''})")
    algorithm, name = jwk.get("alg", ""), jwk.get("kid", "")
    try:
        key = _rsa(jwk, charge) if kind == "RSA" else makers[kind](jwk)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningError(f"failed to unmarshal {kind} key: {error}") from None
    return VerificationKey(
        key, algorithm if type(algorithm) is str else "", name if type(name) is str else ""
    )


def _bytes(jwk: dict[str, Any], field: str) -> bytes:
    value = jwk.get(field)
    data = decode_base64url(value) if type(value) is str else None
    if data is None:
        raise SigningError(f"required field {field} is missing or malformed")
    return data


def _number(jwk: dict[str, Any], field: str) -> int:
    return int.from_bytes(_bytes(jwk, field), "big")


def _rsa(jwk: dict[str, Any], charge: Charge | None) -> Any:
    public = rsa.RSAPublicNumbers(_number(jwk, "e"), _number(jwk, "n"))
    bits = public.n.bit_length()
    if bits > _MAX_BITS or public.e.bit_length() > _MAX_BITS:
        raise SigningError(f"an RSA key of more than {_MAX_BITS} bits is refused")
    if "d" not in jwk or charge is None:
        return public.public_key()
    d = _number(jwk, "d")
    if bits > _MAX_PRIVATE_BITS or d.bit_length() > _MAX_PRIVATE_BITS:
        raise SigningError(f"a private RSA key of more than {_MAX_PRIVATE_BITS} bits is refused")
    charge(_private_steps(bits))
    if "p" in jwk and "q" in jwk:
        p, q = _number(jwk, "p"), _number(jwk, "q")
        if max(p, q).bit_length() > bits:
            raise SigningError("the factors of an RSA key are larger than it")
    else:
        p, q = _factors(public.n, public.e, d, charge)
    private = rsa.RSAPrivateNumbers(
        p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), public
    )
    return private.private_key()


def _private_steps(bits: int) -> int:
    """What reading a private RSA key takes: a proof that its factors are prime grows with the cube of their size."""
    return 128_000 * bits**3 // 2048**3


_TRIES: Final = 32


def _factors(n: int, e: int, d: int, charge: Charge) -> tuple[int, int]:
    """The factors of an RSA modulus whose exponents are known; raises `SigningError` where they do not fit it.

    Each try finds them with a chance of one half (Rabin, Miller).
    """
    odd = e * d - 1
    twos = (odd & -odd).bit_length() - 1 if odd > 0 else 0
    odd >>= twos
    if not twos or n < 6 or n % 2 == 0:
        raise SigningError("the exponents of an RSA key do not belong to its modulus")
    for base in range(2, 2 + _TRIES):
        charge(_private_steps(n.bit_length()) // 2)
        power = pow(base, odd, n)
        for _ in range(twos):
            square = power * power % n
            if square == 1 and power not in (1, n - 1):
                p = gcd(power - 1, n)
                return max(p, n // p), min(p, n // p)
            power = square
        if power != 1:
            break
    raise SigningError("the exponents of an RSA key do not belong to its modulus")


def _elliptic(jwk: dict[str, Any]) -> Any:
    curve = _CURVES.get(str(jwk.get("crv")))
    if curve is None:
        raise SigningError("unknown curve")
    public = ec.EllipticCurvePublicNumbers(_number(jwk, "x"), _number(jwk, "y"), curve)
    if "d" not in jwk:
        return public.public_key()
    return ec.EllipticCurvePrivateNumbers(_number(jwk, "d"), public).private_key()


def _edwards(jwk: dict[str, Any]) -> Any:
    if jwk.get("crv") != "Ed25519":
        raise SigningError("unknown curve")
    if "d" in jwk:
        return ed25519.Ed25519PrivateKey.from_private_bytes(_bytes(jwk, "d"))
    return ed25519.Ed25519PublicKey.from_public_bytes(_bytes(jwk, "x"))


def _secret(jwk: dict[str, Any]) -> bytes:
    return _bytes(jwk, "k")


def _public(key: Any) -> Any:
    return key.public_key() if hasattr(key, "public_key") else key


def verify(key: Any, algorithm: str, data: bytes, signature: bytes, charge: Charge) -> bool:
    """Whether the signature is right under the key; a key of another kind than the algorithm's never is."""
    family, digest = algorithm[:2], _HASHES.get(algorithm[2:])
    public = _public(key)
    # a power to a small exponent grows with the square of the size; curves are all about as slow
    charge(public.key_size**2 // 50_000 if isinstance(public, rsa.RSAPublicKey) else _VERIFY_STEPS)
    try:
        if family == "HS" and digest is not None and type(key) is bytes:
            return hmac.compare_digest(_mac(key, algorithm, data), signature)
        if isinstance(public, rsa.RSAPublicKey) and digest is not None and family in ("RS", "PS"):
            public.verify(signature, data, _padding(family, digest), digest)
            return True
        if isinstance(public, ec.EllipticCurvePublicKey) and digest is not None and family == "ES":
            half = len(signature) // 2
            numbers = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
            public.verify(encode_dss_signature(*numbers), data, ec.ECDSA(digest))
            return True
        if isinstance(public, ed25519.Ed25519PublicKey) and algorithm == "EdDSA":
            public.verify(signature, data)
            return True
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return False
    return False


_VERIFY_STEPS: Final = 250


def _mac(key: bytes, algorithm: str, data: bytes) -> bytes:
    return hmac.new(key, data, f"sha{algorithm[2:]}").digest()


def _padding(family: str, digest: hashes.HashAlgorithm, *, signing: bool = False) -> Any:
    if family == "RS":
        return padding.PKCS1v15()
    salt = padding.PSS.DIGEST_LENGTH if signing else padding.PSS.AUTO
    return padding.PSS(padding.MGF1(digest), salt)


def sign(key: Any, algorithm: str, data: bytes) -> bytes:
    """The signature of the data; raises `SigningError` where the key is not one for the algorithm."""
    family, digest = algorithm[:2], _HASHES.get(algorithm[2:])
    try:
        if family == "HS" and type(key) is bytes:
            return _mac(key, algorithm, data)
        if isinstance(key, rsa.RSAPrivateKey) and digest is not None and family in ("RS", "PS"):
            return bytes(key.sign(data, _padding(family, digest, signing=True), digest))
        if isinstance(key, ec.EllipticCurvePrivateKey) and digest is not None and family == "ES":
            size = (key.curve.key_size + 7) // 8
            r, s = decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
        if isinstance(key, ed25519.Ed25519PrivateKey) and algorithm == "EdDSA":
            return key.sign(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SigningError(f"failed to sign: {error}") from None
    raise SigningError(f"the key cannot sign with {algorithm}")


def private_key(block: Pem, charge: Charge) -> Any:
    """The private key of a PEM block, None for a block of something else; raises `SigningError`."""
    if block.label not in ("RSA PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY"):
        return None
    if len(block.data) > _MAX_DER:
        raise SigningError(f"a private key of more than {_MAX_PRIVATE_BITS} bits is refused")
    charge(_private_steps(len(block.data) * 7 // 4))
    try:
        return serialization.load_der_private_key(block.data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningError(f"failed to parse private key: {error}") from None


def _text(number: int, size: int | None = None) -> str:
    data = number.to_bytes(size or max((number.bit_length() + 7) // 8, 1), "big")
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def jwk_from_private(key: Any) -> dict[str, Any]:
    """The JSON Web Key of a private key; raises `SigningError` for a kind that has none here."""
    if isinstance(key, rsa.RSAPrivateKey):
        n = key.private_numbers()
        fields = {"d": n.d, "dp": n.dmp1, "dq": n.dmq1, "p": n.p, "q": n.q, "qi": n.iqmp}
        public = {"e": n.public_numbers.e, "n": n.public_numbers.n}
        return {"kty": "RSA", **{name: _text(number) for name, number in {**fields, **public}.items()}}
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVE_NAMES:
        numbers, size = key.private_numbers(), (key.curve.key_size + 7) // 8
        public_numbers = numbers.public_numbers
        coordinates = {"x": _text(public_numbers.x, size), "y": _text(public_numbers.y, size)}
        return {
            "kty": "EC",
            "crv": _CURVE_NAMES[key.curve.name],
            "d": _text(numbers.private_value, size),
            **coordinates,
        }
    if isinstance(key, ed25519.Ed25519PrivateKey):
        parts = {"d": key.private_bytes_raw(), "x": key.public_key().public_bytes_raw()}
        shown = {name: base64.urlsafe_b64encode(data).decode().rstrip("=") for name, data in parts.items()}
        return {"kty": "OKP", "crv": "Ed25519", **shown}
    raise SigningError("a private key of this kind has no JSON Web Key")
