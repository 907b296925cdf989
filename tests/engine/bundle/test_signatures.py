"""Signatures of bundles: what was signed is accepted, anything else refused; and OPA agrees in both directions."""

from __future__ import annotations

import hmac
import json
import shutil
import subprocess
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jws
from joserfc.jwk import OctKey

from doorward.bundle.archive import pack, unpack
from doorward.bundle.errors import SignatureError
from doorward.bundle.signatures import SIGNATURES, Verification, sign, verify

FILES = {
    "acme/access.rego": b"package acme\n\nallow if data.acme.limit > 1\n",
    "data.json": '{"acme": {"limit": 1.50, "odd": "\\u2028<é\\u0007\\b\\f\\/"}, "big": 1e400}'.encode(),
    "acme/more.yaml": b"names: [a, b]\n2: true\n",
    ".manifest": b'{"roots": [""], "revision": "r1", "rego_version": 1}',
}


def _pair(private) -> tuple[str, str]:
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    return (
        private.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain).decode(),
        private.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo).decode(),
    )


RSA = _pair(rsa.generate_private_key(65537, 2048))
BY_RSA = Verification(RSA[1])
KEYS = {
    "RS256": RSA,
    "PS384": RSA,
    "ES256": _pair(ec.generate_private_key(ec.SECP256R1())),
    "ES384": _pair(ec.generate_private_key(ec.SECP384R1())),
    "HS256": ("a shared secret of some length....",) * 2,
}


def signed(algorithm: str = "RS256", **more) -> dict[str, bytes]:
    return {**FILES, SIGNATURES: sign(FILES, KEYS[algorithm][0], algorithm=algorithm, **more)}


@pytest.mark.parametrize("algorithm", KEYS)
def test_what_was_signed_is_accepted(algorithm: str) -> None:
    payload = verify(signed(algorithm), Verification(KEYS[algorithm][1], algorithm))
    assert sorted(entry["name"] for entry in payload["files"]) == sorted(FILES)


def test_the_spelling_of_data_is_not_signed_but_what_it_says_is() -> None:
    files = signed()
    files["data.json"] = json.dumps(json.loads('{"big": 0, "acme": 0}')).encode()
    with pytest.raises(SignatureError, match=r"`data\.json` is not what was signed"):
        verify(files, BY_RSA)
    files["data.json"] = b'{"big":1e400,  "acme":{"odd":"\\u2028\\u003c\\u00e9\\u0007\\b\\f/","limit":1.50}}'
    verify(files, BY_RSA)


def test_a_number_written_otherwise_is_another_number() -> None:
    files = signed()
    files["data.json"] = files["data.json"].replace(b"1.50", b"1.5")
    with pytest.raises(SignatureError):
        verify(files, BY_RSA)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda files: files.update({"acme/access.rego": b"package acme\n\nallow := true\n"}),
            "is not what was signed",
        ),
        (
            lambda files: files.update({"extra.rego": b"package extra\n"}),
            "`extra.rego` is in the bundle but not in its",
        ),
        (lambda files: files.pop("data.json"), "`data.json` is in the signature but not in the bundle"),
        (lambda files: files.pop(SIGNATURES), "the bundle is not signed"),
        (lambda files: files.update({SIGNATURES: b"{}"}), "does not hold one signature"),
        (lambda files: files.update({SIGNATURES: b'{"signatures": []}'}), "does not hold one signature"),
        (lambda files: files.update({SIGNATURES: b'{"signatures": ["a.b.c"]}'}), "does not verify"),
        (lambda files: files.update({SIGNATURES: b'{"signatures": [7]}'}), "does not verify"),
        (lambda files: files.update({SIGNATURES: b"[" * 100_000}), "does not hold one signature"),
        (lambda files: files.update({"data.json": b"not JSON"}), "`data.json` cannot be read"),
    ],
)
def test_anything_else_is_refused(change, said: str) -> None:
    files = signed()
    change(files)
    with pytest.raises(SignatureError, match=said):
        verify(files, BY_RSA)


def _part(content: bytes) -> bytes:
    return urlsafe_b64encode(content).rstrip(b"=")


def test_the_verifier_names_the_algorithm_not_the_token() -> None:
    # the public key, known to all, taken for a shared secret
    signing_input = b".".join(map(_part, (b'{"alg":"HS256","typ":"JWT"}', b'{"files":[]}')))
    forged = (signing_input + b"." + _part(hmac.digest(RSA[1].encode(), signing_input, "sha256"))).decode()
    unsigned = "eyJhbGciOiJub25lIn0.eyJmaWxlcyI6W119."
    for token in (forged, unsigned):
        with pytest.raises(SignatureError, match="does not verify"):
            verify({SIGNATURES: json.dumps({"signatures": [token]}).encode()}, BY_RSA)


def test_another_key_another_scope_and_a_weak_digest_are_refused() -> None:
    with pytest.raises(SignatureError, match="does not verify"):
        verify(signed(), Verification(_pair(rsa.generate_private_key(65537, 2048))[1]))
    with pytest.raises(SignatureError, match="signed for the scope `read`, not `write`"):
        verify(signed(claims={"scope": "read"}), Verification(RSA[1], scope="write"))
    listed = [{"name": "a.rego", "hash": "0cc175b9c0f1b6a831c399e269772661", "algorithm": "MD5"}]
    token = jws.serialize_compact(
        {"alg": "HS256"}, json.dumps({"files": listed}), OctKey.import_key("secret" * 8)
    )
    weak = {"a.rego": b"a", SIGNATURES: json.dumps({"signatures": [token]}).encode()}
    with pytest.raises(SignatureError, match="which is not to be trusted"):
        verify(weak, Verification("secret" * 8, "HS256"))


@pytest.mark.parametrize("key", ["", "not a key", RSA[1]])
def test_a_key_that_cannot_sign_is_refused(key: str) -> None:
    with pytest.raises(SignatureError, match="cannot sign with RS256"):
        sign(FILES, key)


def test_opa_verifies_our_signature_and_we_verify_its(tmp_path: Path) -> None:
    opa = shutil.which("opa")
    if opa is None:
        pytest.skip("opa is not installed: its side of bundle signatures is not tried")
    ours, private, public, theirs = (
        tmp_path / name for name in ("ours.tar.gz", "key.pem", "pub.pem", "theirs.tar.gz")
    )
    files = {name: content for name, content in FILES.items() if name != "acme/more.yaml"}
    ours.write_bytes(pack({**files, SIGNATURES: sign(files, RSA[0])}))
    private.write_text(RSA[0])
    public.write_text(RSA[1])
    command = [opa, "build", "-b", ours, "--verification-key", public, "--signing-key", private, "-o", theirs]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    verify(unpack(theirs.read_bytes()), BY_RSA)


def test_any_of_several_keys_may_have_signed() -> None:
    by = [Verification(KEYS["ES256"][1], "ES256"), Verification(RSA[1])]
    assert verify(signed("RS256"), by)["files"]
    assert verify(signed("ES256"), by)["files"]
    with pytest.raises(SignatureError, match="does not verify"):
        verify(signed("ES384"), by)
    with pytest.raises(SignatureError, match="no key"):
        verify(signed(), [])


@pytest.mark.parametrize("claims", [{}, {"keyid": "old"}])
def test_a_key_goes_by_the_name_that_is_asked_for(claims: dict[str, str]) -> None:
    by = Verification(RSA[1], keyid="new")
    assert verify(signed(claims={"keyid": "new"}), by)["keyid"] == "new"
    with pytest.raises(SignatureError, match="not `new`"):
        verify(signed(claims=claims), by)
