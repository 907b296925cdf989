"""JSON Web Tokens: decoding, verifying, and signing."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from doorward.run.errors import BuiltinError
from doorward.run.values import Value, compare, type_name

from .builtin import BuiltinCall, Meter, contextual, pure
from .effectful import effectful
from .encoding import base64url_problem, decode_base64url
from .json_text import is_valid, json_problem, json_text, parse_json
from .keys import ALGORITHMS, SigningError, VerificationKey, jwk_keys, sign, verification_keys, verify
from .operands import ARRAYS, NUMBERS, mapping, string, text, utf8

__all__ = ["BUILTINS"]

_MAX_NESTED: Final = 10


@dataclass(frozen=True, slots=True)
class _Token:
    """The three sections of a token, encoded as they came."""

    header: str
    payload: str
    signature: str

    @property
    def signed(self) -> bytes:
        return utf8(f"{self.header}.{self.payload}")


def _split(name: str, value: Value) -> _Token:
    encoded = string(name, 1, value)
    if "." not in encoded:
        raise BuiltinError(f"{name}: encoded JWT had no period separators")
    parts = encoded.split(".")
    if len(parts) != 3:
        raise BuiltinError(f"{name}: encoded JWT must have 3 sections, found {len(parts)}")
    return _Token(*parts)


def _decoded(name: str, section: str, what: str = "") -> bytes:
    data = decode_base64url(section)
    if data is None:
        start = f"JWT {what} had invalid encoding: " if what else ""
        raise BuiltinError(f"{name}: {start}{base64url_problem(section)}")
    return data


def _object(name: str, data: bytes, start: str = "") -> dict[str, Any]:
    try:
        document = parse_json(text(data))
    except ValueError as error:
        raise BuiltinError(f"{name}: {start}invalid JSON: {json_problem(error)}") from None
    if type(document) is not dict:
        raise BuiltinError(f"{name}: {start}decoded JSON type was not an Object")
    return document


def _header(name: str, token: _Token) -> dict[str, Any]:
    header = _object(name, _decoded(name, token.header, "header"), "bad JWT header: ")
    if "enc" in header:
        raise BuiltinError(f"{name}: JWT is a JWE object, which is not supported")
    return header


def decode(value: Value) -> Value:
    name = "io.jwt.decode"
    for _ in range(_MAX_NESTED):
        token = _split(name, value)
        header = _header(name, token)
        payload = _decoded(name, token.payload, "payload")
        if header.get("cty") != "JWT":
            break
        value = text(payload).strip("\"'")
    else:
        raise BuiltinError(f"{name}: tokens nested deeper than {_MAX_NESTED}")
    claims = _object(name, payload)
    return [header, claims, _decoded(name, token.signature, "signature").hex()]


@dataclass(slots=True)
class _Claims:
    """What a header says about its token."""

    algorithm: str = ""
    key: str = ""
    content: str = ""
    critical: frozenset[str] = frozenset()
    unknown: list[str] = field(default_factory=list)

    def valid(self) -> bool:
        return bool(self.algorithm) and self.critical.isdisjoint(self.unknown)


def _claims(name: str, header: dict[str, Any]) -> _Claims:
    claims = _Claims()
    for field_name, value in sorted(header.items()):
        if field_name in ("alg", "kid", "typ", "cty"):
            if type(value) is not str:
                raise BuiltinError(f"{name}: {field_name}: must be a string")
        elif field_name == "crit":
            if type(value) is not list:
                raise BuiltinError(f"{name}: crit: must be a list")
            claims.critical = frozenset(one for one in value if type(one) is str)
            if not claims.critical:
                raise BuiltinError(f"{name}: crit: must be a nonempty list")
        else:
            claims.unknown.append(field_name)
    claims.algorithm, claims.key = header.get("alg", ""), header.get("kid", "")
    claims.content = header.get("cty", "")
    return claims


def _keys(name: str, given: str) -> list[VerificationKey]:
    try:
        return verification_keys(given)
    except SigningError as error:
        raise BuiltinError(f"{name}: {error}") from None


def _right(
    meter: Meter,
    keys: list[VerificationKey],
    algorithm: str,
    claims: _Claims,
    signed: bytes,
    signature: bytes,
) -> bool:
    """Whether the key that the token names, or else one that may be used, made the signature."""
    if claims.key:
        for key in keys:
            if key.name == claims.key:
                return verify(key.key, algorithm, signed, signature, meter.charge)
    fitting = (key for key in keys if not key.algorithm or key.algorithm == claims.algorithm)
    return any(verify(key.key, algorithm, signed, signature, meter.charge) for key in fitting)


def _verifier(name: str, algorithm: str) -> Callable[[Meter, Value, Value], Value]:
    def verify_public(meter: Meter, value: Value, key: Value) -> bool:
        token = _split(name, value)
        keys = _keys(name, string(name, 2, key))
        signature = _decoded(name, token.signature)
        claims = _claims(name, _header(name, token))
        return _right(meter, keys, algorithm, claims, token.signed, signature)

    def verify_secret(meter: Meter, value: Value, secret: Value) -> bool:
        string(name, 1, value)
        key = utf8(string(name, 2, secret))
        token = _split(name, value)
        return verify(key, algorithm, token.signed, _decoded(name, token.signature), meter.charge)

    return verify_secret if algorithm.startswith("HS") else verify_public


@dataclass(slots=True)
class _Constraints:
    """What `io.jwt.decode_verify` holds a token to."""

    keys: list[VerificationKey] | None = None
    secret: str = ""
    algorithm: str = ""
    issuer: str = ""
    audience: str = ""
    time: float = -1.0


def _constraints(name: str, call: BuiltinCall, given: dict[Any, Value]) -> _Constraints:
    found = _Constraints()
    for constraint, value in sorted(given.items(), key=lambda item: str(item[0])):
        if constraint == "time":
            found.time = _time(name, value)
            continue
        if constraint not in ("cert", "secret", "alg", "iss", "aud"):
            raise BuiltinError(f"{name}: unknown token validation constraint: {constraint}")
        if type(value) is not str:
            raise BuiltinError(f"{name}: {constraint} constraint: must be a string")
        if constraint == "cert":
            found.keys = _keys(name, value)
        elif constraint == "secret":
            found.secret = value
        elif constraint == "alg":
            found.algorithm = value
        elif constraint == "iss":
            found.issuer = value
        else:
            found.audience = value
    if found.time == -1.0:
        found.time = float(call.now_ns)
    if found.keys is not None and found.secret:
        raise BuiltinError(f"{name}: duplicate key constraints")
    if found.keys is None and not found.secret:
        raise BuiltinError(f"{name}: no key constraint")
    return found


def _time(name: str, value: Value) -> float:
    if type(value) not in NUMBERS:
        raise BuiltinError(f"{name}: token time constraint: must be a number")
    if value < 0:
        raise BuiltinError(f"{name}: token time constraint: must not be negative")
    try:
        return float(value)
    except OverflowError:
        raise BuiltinError(f"{name}: token time constraint: unvalid float64") from None


def decode_verify(call: BuiltinCall, value: Value, options: Value) -> Value:
    name = "io.jwt.decode_verify"
    constraints = _constraints(name, call, mapping(name, 2, options))
    refused: Value = [False, {}, {}]
    for _ in range(_MAX_NESTED):
        token = _split(name, value)
        header = _header(name, token)
        claims = _claims(name, header)
        if not claims.valid() or (constraints.algorithm and constraints.algorithm != claims.algorithm):
            return refused
        signature = _decoded(name, token.signature)
        keys = [VerificationKey(utf8(constraints.secret))] if constraints.keys is None else constraints.keys
        if constraints.keys is None:
            claims.key = ""
        if not _right(call, keys, claims.algorithm, claims, token.signed, signature):
            return refused
        payload = _decoded(name, token.payload, "payload")
        if claims.content.upper() != "JWT":
            break
        value = text(payload)
    else:
        raise BuiltinError(f"{name}: tokens nested deeper than {_MAX_NESTED}")
    document = _object(name, payload)
    return [True, header, document] if _accepted(name, constraints, document) else refused


def _accepted(name: str, constraints: _Constraints, payload: dict[str, Any]) -> bool:
    if constraints.issuer and payload.get("iss") != constraints.issuer:
        return False
    if "aud" in payload:
        audience = payload["aud"]
        listed = audience if type(audience) in ARRAYS else [audience]
        if not any(type(one) is str and one == constraints.audience for one in listed):
            return False
    elif constraints.audience:
        return False
    now = constraints.time / 1_000_000_000
    for claim in ("exp", "nbf"):
        if claim in payload and type(payload[claim]) not in NUMBERS:
            raise BuiltinError(f"{name}: {claim} value must be a number")
    if "exp" in payload and compare(now, payload["exp"]) >= 0:
        return False
    return "nbf" not in payload or compare(now, payload["nbf"]) >= 0


def encode_sign(call: BuiltinCall, header: Value, payload: Value, key: Value) -> Value:
    return _signed(call, "io.jwt.encode_sign", json_text(header), json_text(payload), json_text(key))


def encode_sign_raw(call: BuiltinCall, header: Value, payload: Value, key: Value) -> Value:
    name = "io.jwt.encode_sign_raw"
    jwk = string(name, 3, key)
    return _signed(call, name, string(name, 1, header), string(name, 2, payload), jwk)


def _signed(meter: Meter, name: str, header: str, payload: str, jwk: str) -> str:
    try:
        keys = jwk_keys(jwk, "failed to parse JWK", meter.charge)
    except SigningError as error:
        raise BuiltinError(f"{name}: {error}") from None
    if not keys:
        raise BuiltinError(f"{name}: no keys found in JWK set")
    try:
        fields = parse_json(header)
    except ValueError:
        fields = None
    algorithm = fields.get("alg") if type(fields) is dict else None
    if type(algorithm) is not str:
        problem = 'jwsbb: header "alg" not found'
        if not header.strip():
            problem = 'cannot parse JSON: cannot parse empty string; unparsed tail: ""'
        elif type(fields) is dict and "alg" in fields:
            problem = f"value doesn't contain string; it contains {type_name(algorithm)}"
        raise BuiltinError(f"{name}: missing or invalid 'alg' header: {problem}")
    if algorithm not in ALGORITHMS:
        raise BuiltinError(f"{name}: unknown JWS algorithm: {algorithm}")
    if fields.get("typ", "JWT") == "JWT" and not is_valid(payload):
        raise BuiltinError(f"{name}: type is JWT but payload is not JSON")
    signed = f"{_encoded(utf8(header))}.{_encoded(utf8(payload))}"
    try:
        signature = sign(keys[0].key, algorithm, signed.encode("ascii"))
    except SigningError as error:
        raise BuiltinError(f"{name}: {error}") from None
    return f"{signed}.{_encoded(signature)}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def _without_key(args: Sequence[Value]) -> list[Value]:
    return list(args[:2])


BUILTINS: Final = {
    **pure({"io.jwt.decode": decode}),
    **contextual(
        {
            "io.jwt.decode_verify": decode_verify,
            **{
                f"io.jwt.verify_{one.lower()}": _verifier(f"io.jwt.verify_{one.lower()}", one)
                for one in sorted(ALGORITHMS)
            },
        }
    ),
    "io.jwt.encode_sign": effectful("io.jwt.encode_sign", encode_sign, shown=_without_key),
    "io.jwt.encode_sign_raw": effectful("io.jwt.encode_sign_raw", encode_sign_raw, shown=_without_key),
}
