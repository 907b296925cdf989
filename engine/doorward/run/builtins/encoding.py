"""base64, hexadecimal and URL query encodings of text."""

from __future__ import annotations

import base64
import re
from typing import Final
from urllib.parse import quote_plus

from doorward.run.errors import BuiltinError
from doorward.run.values import Value

from .builtin import pure
from .json_text import json_text
from .operands import ARRAYS, SETS, items, members, operand_error, string, text, utf8, wrong_type

__all__ = ["BUILTINS", "base64_problem", "base64url_problem", "decode_base64", "decode_base64url"]

_PADDED: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_TO_STANDARD: Final = str.maketrans("-_+/", "+/\0\0")


def decode_base64(encoded: str) -> bytes | None:
    """The bytes of standard base64 with padding, None where it is not; line breaks are passed over."""
    joined = encoded.replace("\n", "").replace("\r", "")
    if _PADDED.fullmatch(joined) is None:
        return None
    return base64.b64decode(joined)


def decode_base64url(encoded: str) -> bytes | None:
    """The bytes of URL-safe base64, None where it is not; padding may be left out."""
    padded = encoded if encoded.endswith("=") else encoded + "=" * (-len(encoded) % 4)
    return decode_base64(padded.translate(_TO_STANDARD))


def base64_problem(encoded: str) -> str:
    """What is wrong with text that is not standard base64."""
    joined = encoded.replace("\n", "").replace("\r", "")
    good = re.match(r"(?:[A-Za-z0-9+/]{4})*", joined)
    place = good.end() if good else 0
    rest = re.match(r"[A-Za-z0-9+/]*(={0,2})", joined[place:])
    if rest is not None and rest.end() < len(joined) - place:
        place += rest.end()
    return f"illegal base64 data at input byte {place}"


def base64url_problem(encoded: str) -> str:
    """What is wrong with text that is not URL-safe base64."""
    if len(utf8(encoded)) % 4 == 1 and not encoded.endswith("="):
        return f"illegal base64url string: {encoded}"
    return base64_problem(encoded.translate(_TO_STANDARD))


def base64_encode(value: Value) -> Value:
    return base64.b64encode(utf8(string("base64.encode", 1, value))).decode("ascii")


def base64_decode(value: Value) -> Value:
    encoded = string("base64.decode", 1, value)
    data = decode_base64(encoded)
    if data is None:
        raise BuiltinError(f"base64.decode: {base64_problem(encoded)}")
    return text(data)


def base64_is_valid(value: Value) -> bool:
    return type(value) is str and decode_base64(value) is not None


def base64url_encode(value: Value) -> Value:
    return base64.urlsafe_b64encode(utf8(string("base64url.encode", 1, value))).decode("ascii")


def base64url_encode_no_pad(value: Value) -> Value:
    data = utf8(string("base64url.encode_no_pad", 1, value))
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def base64url_decode(value: Value) -> Value:
    encoded = string("base64url.decode", 1, value)
    data = decode_base64url(encoded)
    if data is None:
        raise BuiltinError(f"base64url.decode: {base64url_problem(encoded)}")
    return text(data)


def hex_encode(value: Value) -> Value:
    return utf8(string("hex.encode", 1, value)).hex()


def hex_decode(value: Value) -> Value:
    encoded = string("hex.decode", 1, value)
    wrong = re.search(r"[^0-9A-Fa-f]", encoded)
    if wrong is not None:
        byte = utf8(wrong.group())[0]
        shown = f" '{chr(byte)}'" if chr(byte).isprintable() else ""
        raise BuiltinError(f"hex.decode: encoding/hex: invalid byte: U+{byte:04X}{shown}")
    if len(encoded) % 2:
        raise BuiltinError("hex.decode: encoding/hex: odd length hex string")
    return text(bytes.fromhex(encoded))


def query_escape(value: str) -> str:
    """The text as part of a URL query."""
    return quote_plus(utf8(value))


def _query_unescape(name: str, value: str) -> str:
    wrong = _BAD_ESCAPE.search(value)
    if wrong is not None:
        raise BuiltinError(f'{name}: invalid URL escape "{value[wrong.start() : wrong.start() + 3]}"')
    spaced = utf8(value).replace(b"+", b" ")
    return text(_ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), spaced))


def urlquery_encode(value: Value) -> Value:
    return query_escape(string("urlquery.encode", 1, value))


def urlquery_decode(value: Value) -> Value:
    return _query_unescape("urlquery.decode", string("urlquery.decode", 1, value))


def urlquery_encode_object(value: Value) -> Value:
    name = "urlquery.encode_object"
    if type(value) is not dict:
        raise wrong_type(name, 1, value, "object")
    pairs: list[tuple[str, list[str]]] = []
    for key, item in items(value):
        found = members(item) if type(item) in SETS else item if type(item) in ARRAYS else [item]
        if not all(type(one) is str for one in found):
            raise operand_error(name, 1, "values must be string, array[string], or set[string]")
        pairs.append((key if type(key) is str else json_text(key), list(found)))
    pairs.sort()
    return "&".join(f"{query_escape(key)}={query_escape(one)}" for key, found in pairs for one in found)


def urlquery_decode_object(value: Value) -> Value:
    name = "urlquery.decode_object"
    found: dict[str, list[str]] = {}
    for pair in string(name, 1, value).split("&"):
        if ";" in pair:
            raise BuiltinError(f"{name}: invalid semicolon separator in query")
        if pair:
            key, _, item = pair.partition("=")
            found.setdefault(_query_unescape(name, key), []).append(_query_unescape(name, item))
    return found


BUILTINS: Final = pure(
    {
        "base64.encode": base64_encode,
        "base64.decode": base64_decode,
        "base64.is_valid": base64_is_valid,
        "base64url.encode": base64url_encode,
        "base64url.encode_no_pad": base64url_encode_no_pad,
        "base64url.decode": base64url_decode,
        "hex.encode": hex_encode,
        "hex.decode": hex_decode,
        "urlquery.encode": urlquery_encode,
        "urlquery.decode": urlquery_decode,
        "urlquery.encode_object": urlquery_encode_object,
        "urlquery.decode_object": urlquery_decode_object,
    }
)
