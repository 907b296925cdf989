"""Tokens, keys and certificates that are made here, and known answers of digests."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from doorward.run.builtins.keys import jwk_from_private
from doorward.run.errors import BuiltinError

from .calls import NOW, Call, call

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SECRET = base64.urlsafe_b64encode(b"a secret of some length").decode().rstrip("=")


def public_pem(key: Any) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(key.public_key().public_bytes(serialization.Encoding.PEM, form).decode())


def private_pem(key: Any) -> str:
    form = serialization.PrivateFormat.PKCS8
    return str(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode())


KEYS: dict[str, Any] = {
    **dict.fromkeys(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"], RSA_KEY),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def token(algorithm: str, claims: dict[str, Any]) -> str:
    key = {"kty": "oct", "k": SECRET} if algorithm.startswith("HS") else jwk_from_private(KEYS[algorithm])
    signed = call("io.jwt.encode_sign", {"alg": algorithm, "typ": "JWT"}, claims, key)
    assert isinstance(signed, str)
    return signed


@pytest.mark.parametrize("algorithm", sorted(KEYS))
def test_sign_and_verify(algorithm: str) -> None:
    signed = token(algorithm, {"sub": "x"})
    verify = f"io.jwt.verify_{algorithm.lower()}"
    assert call(verify, signed, public_pem(KEYS[algorithm])) is True
    assert call(verify, signed[:-6] + "AAAAAA", public_pem(KEYS[algorithm])) is False
    other = public_pem(KEYS["EdDSA" if algorithm != "EdDSA" else "ES256"])
    assert call(verify, signed, other) is False


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_sign_and_verify_with_a_secret(algorithm: str) -> None:
    signed = token(algorithm, {"sub": "x"})
    assert call(f"io.jwt.verify_{algorithm.lower()}", signed, "a secret of some length") is True
    assert call(f"io.jwt.verify_{algorithm.lower()}", signed, "another") is False


def test_a_public_key_is_no_secret() -> None:
    """The classic confusion: a token signed by HMAC with the text of the public key."""
    pem = public_pem(RSA_KEY)
    key = {"kty": "oct", "k": base64.urlsafe_b64encode(pem.encode()).decode().rstrip("=")}
    forged = call("io.jwt.encode_sign", {"alg": "HS256"}, {"sub": "admin"}, key)
    assert call("io.jwt.decode_verify", forged, {"cert": pem}) == [False, {}, {}]


@pytest.mark.parametrize("header", ['{"alg":"none"}', '{"alg":""}', "{}"])
def test_no_algorithm_verifies_nothing(header: str) -> None:
    parts = [
        base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in (header, '{"sub":"admin"}')
    ]
    assert call("io.jwt.decode_verify", ".".join([*parts, ""]), {"secret": "s"}) == [False, {}, {}]


@pytest.mark.parametrize(
    ("claims", "constraints", "accepted"),
    [
        ({}, {}, True),
        ({"exp": NOW // 10**9 + 1}, {}, True),
        ({"exp": NOW // 10**9}, {}, False),
        ({"nbf": NOW // 10**9}, {}, True),
        ({"nbf": NOW // 10**9 + 1}, {}, False),
        ({"exp": 10}, {"time": 9 * 10**9}, True),
        ({"iss": "a"}, {"iss": "a"}, True),
        ({"iss": "b"}, {"iss": "a"}, False),
        ({}, {"iss": "a"}, False),
        ({"aud": "a"}, {"aud": "a"}, True),
        ({"aud": ["b", "a"]}, {"aud": "a"}, True),
        ({"aud": "a"}, {}, False),
        ({}, {"aud": "a"}, False),
        ({}, {"alg": "RS256"}, True),
        ({}, {"alg": "PS256"}, False),
    ],
)
def test_constraints(claims: dict[str, Any], constraints: dict[str, Any], accepted: bool) -> None:
    signed = token("RS256", claims)
    result = call("io.jwt.decode_verify", signed, {"cert": public_pem(RSA_KEY), **constraints})
    assert result[0] is accepted
    assert result[2] == (claims if accepted else {})


def test_decode_shows_all_three_sections() -> None:
    header, payload, signature = call("io.jwt.decode", token("HS256", {"a": [1, 2]}))
    assert header == {"alg": "HS256", "typ": "JWT"}
    assert payload == {"a": [1, 2]}
    assert len(signature) == 64


def certificate(subject: str, key: Any, issuer: str, signer: Any, *, authority: bool) -> str:
    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    start = datetime.fromtimestamp(NOW // 10**9, UTC) - timedelta(days=1)
    built = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=10))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM).decode()


ROOT_KEY, LEAF_KEY = KEYS["ES256"], KEYS["ES384"]
ROOT = certificate("root.test", ROOT_KEY, "root.test", ROOT_KEY, authority=True)
LEAF = certificate("leaf.test", LEAF_KEY, "root.test", ROOT_KEY, authority=False)
VERIFY = "crypto.x509.parse_and_verify_certificates"


def test_certificates_are_read() -> None:
    found = call("crypto.x509.parse_certificates", LEAF)
    assert [one["Subject"]["CommonName"] for one in found] == ["leaf.test"]
    assert found[0]["DNSNames"] == ["leaf.test"]
    assert found[0]["SerialNumber"] == 7


def test_a_chain_is_verified() -> None:
    valid, chain = call(VERIFY, ROOT + LEAF)
    assert valid is True
    assert [one["Subject"]["CommonName"] for one in chain] == ["leaf.test", "root.test"]


@pytest.mark.parametrize(
    "certificates",
    [
        LEAF,
        LEAF + ROOT,
        ROOT + certificate("leaf.test", LEAF_KEY, "root.test", LEAF_KEY, authority=False),
        LEAF + certificate("third.test", ROOT_KEY, "leaf.test", LEAF_KEY, authority=False),
        "nonsense",
    ],
)
def test_a_broken_chain_is_not_verified(certificates: str) -> None:
    assert call(VERIFY, certificates) == [False, []]


def test_a_chain_is_verified_for_an_instant_and_a_name() -> None:
    def verified(**options: Any) -> Any:
        return call(f"{VERIFY}_with_options", ROOT + LEAF, options)[0]

    assert verified(DNSName="leaf.test") is True
    assert verified(DNSName="other.test") is False
    assert verified(CurrentTime=NOW + 30 * 86_400 * 10**9) is False
    assert call(VERIFY, ROOT + LEAF, context=Call(now_ns=NOW + 30 * 86_400 * 10**9)) == [False, []]


def test_keys_are_read() -> None:
    jwk = call("crypto.x509.parse_rsa_private_key", private_pem(RSA_KEY))
    assert jwk["kty"] == "RSA"
    assert call("io.jwt.encode_sign_raw", '{"alg":"RS256"}', "{}", json.dumps(jwk)).count(".") == 2
    [parsed] = call("crypto.parse_private_keys", private_pem(RSA_KEY))
    assert parsed["N"] == RSA_KEY.public_key().public_numbers().n
    pair = call("crypto.x509.parse_keypair", LEAF, private_pem(LEAF_KEY))
    assert pair["Leaf"]["SerialNumber"] == 7
    with pytest.raises(BuiltinError, match="does not match"):
        call("crypto.x509.parse_keypair", LEAF, private_pem(ROOT_KEY))


@pytest.mark.parametrize(
    ("name", "arguments", "want"),
    [
        ("crypto.md5", ("abc",), "900150983cd24fb0d6963f7d28e17f72"),
        ("crypto.sha1", ("abc",), "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("crypto.sha256", ("abc",), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "crypto.hmac.sha256",
            ("what do ya want for nothing?", "Jefe"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        ("crypto.hmac.equal", ("a", "a"), True),
        ("crypto.hmac.equal", ("a", "b"), False),
    ],
)
def test_digests(name: str, arguments: tuple[str, ...], want: Any) -> None:
    assert call(name, *arguments) == want


@pytest.mark.parametrize(
    ("name", "argument"),
    [("http.send", {"method": "get", "url": "http://127.0.0.1:9/"}), ("net.lookup_ip_addr", "localhost")],
)
def test_the_network_is_closed_unless_granted(name: str, argument: Any) -> None:
    with pytest.raises(BuiltinError, match="network is not open"):
        call(name, argument)


def test_an_address_needs_no_look_up() -> None:
    assert call("net.lookup_ip_addr", "127.0.0.1") == frozenset({"127.0.0.1"})
