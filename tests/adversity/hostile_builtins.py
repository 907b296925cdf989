"""Arguments that make most work of a built-in for their size: rules (the query is `q`) and the document they read."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

__all__ = ["WORK"]

_LONG: Final = 1_000_000


def _text(character: str, count: int = _LONG) -> Callable[[], str]:
    return lambda: character * count


def _doubled(times: int) -> str:
    lines = "\n".join(f"s{at + 1} := [s{at}, s{at}]" for at in range(times))
    return f"s0 := [1]\n{lines}\nbig := s{times}\n"


def _networks(count: int) -> list[str]:
    return [f"10.{at // 256 % 256}.{at % 256}.0/24" for at in range(count)]


def _private_keys() -> str:
    key = rsa.generate_private_key(65537, 2048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form).decode() * 500


def _unfitting_key() -> dict[str, Any]:
    """The exponents of a large RSA key that do not belong to it: looking for its factors finds none."""
    number = base64.urlsafe_b64encode(b"\xff" * 12_500).decode().rstrip("=")
    return {"kty": "RSA", "n": number, "e": "AQAB", "d": number}


def _key_sets() -> dict[str, str]:
    """A token and a thousand keys that may all have signed it, with their private halves."""
    parts = ('{"alg": "RS256"}', "{}", "x" * 512)
    token = ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)
    number = base64.urlsafe_b64encode(b"\xff" * 512).decode().rstrip("=")
    return {
        "token": token,
        "keys": json.dumps({"keys": [{"kty": "RSA", "n": number, "e": "AQAB", "d": number}] * 1000}),
    }


WORK: Final[dict[str, tuple[str, Callable[[], Any]]]] = {
    "networks by networks, many": (
        "q := count(net.cidr_contains_matches(input, input))",
        lambda: _networks(50_000),
    ),
    "networks by networks, all within all": (
        'q := count(net.cidr_contains_matches([["0.0.0.0/0", x] | some x in input], ["1.1.1.1" | some _ in input]))',
        lambda: list(range(3_000)),
    ),
    "a large certificate of nothing": ("q := crypto.x509.parse_certificates(input)", _text("A")),
    "many private keys": ("q := count(crypto.parse_private_keys(input))", _private_keys),
    "a key pair of many keys": ("q := crypto.x509.parse_keypair(input, input)", _private_keys),
    "a token and many keys": ("q := io.jwt.verify_rs256(input.token, input.keys)", _key_sets),
    "a key that does not fit": ('q := io.jwt.encode_sign({"alg": "RS256"}, {}, input)', _unfitting_key),
    "a product of small fractions": (
        "q := product([to_number(x) | some x in input])",
        lambda: ["1e-3000"] * 50_000,
    ),
    "a sum of small fractions": ("q := sum([to_number(x) | some x in input])", lambda: ["1e-3000"] * 50_000),
    "objects merged one by one": (
        "q := count(object.union_n(input))",
        lambda: [{f"k{at}": 1} for at in range(50_000)],
    ),
    "an array nearly in an array": (
        "q if object.subset(input.a, input.b)",
        lambda: {"a": [1] * 100_000, "b": [1] * 50_000 + [2]},
    ),
    "arrays nearly in an array": (
        "q if object.subset(input.a, input.b)",
        lambda: {"a": [[1]] * 50_000, "b": [[1]] * 20_000 + [[2]]},
    ),
    "places that overlap": ("q := count(indexof_n(input, substring(input, 0, 400000)))", _text("a")),
    "replacing by many keys": (
        "q := count(strings.replace_n(input.keys, input.text))",
        lambda: {"keys": {"a" * at + "b": "x" for at in range(1, 900)}, "text": "a" * 500_000},
    ),
    "trimming many characters": (
        "q := count(trim(input.text, input.cut))",
        lambda: {"text": "a" * 500_000, "cut": "".join(map(chr, range(0x100, 0xD000))) + "a"},
    ),
    "prefixes by texts": (
        "q if strings.any_prefix_match(input.a, input.b)",
        lambda: {"a": [f"t{at}" for at in range(60_000)], "b": [f"x{at}" for at in range(60_000)]},
    ),
    "sets of arrays compared": (
        "a := {[x] | some x in input}\nb := {[x] | some x in input}\nq if a <= b",
        lambda: list(range(30_000)),
    ),
    "objects that are to be unique": (
        'q := json.match_schema(input, {"uniqueItems": true})',
        lambda: [{"a": at} for at in range(30_000)],
    ),
    "patterns by properties": (
        'q := json.match_schema(input.a, {"patternProperties": {p: {} | some p in input.b}})',
        lambda: {"a": {f"k{at}": 1 for at in range(60_000)}, "b": [f"^k{at}$" for at in range(300)]},
    ),
    "a schema of choices that refers to itself": (
        "q := json.match_schema(input.a, input.b)",
        lambda: {
            "a": json.loads("[" * 150 + "1" + "]" * 150),
            "b": {"anyOf": [{"items": {"$ref": "#"}}, {"items": {"$ref": "#"}}], "items": {"$ref": "#"}},
        },
    ),
    "a schema within that would be another's": (
        "q := json.match_schema(input.a, input.b)",
        lambda: {
            "a": ["a" * 40 + "!"],
            "b": {
                "items": {"$schema": "http://json-schema.org/draft-07/schema#", "pattern": "^(a+)+$"},
            },
        },
    ),
    "a wide indentation": (
        f'{_doubled(14)}q := count(json.marshal_with_options(big, {{"indent": input}}))',
        _text("x", 10_000),
    ),
    "a template of many actions": ("q := strings.render_template(input, {})", _text("{{1}}", 100_000)),
    "a template of loops": (
        'q := strings.render_template(concat("", ["{{range .a}}{{range $.a}}{{if eq $.b $.c}}{{end}}{{end}}{{end}}"]), input)',
        lambda: {
            "a": list(range(500)),
            "b": [[at] for at in range(5_000)],
            "c": [[at] for at in range(5_000)],
        },
    ),
    "groups of a pattern": (
        'q := regex.find_all_string_submatch_n(concat("", ["(a)?" | some _ in input]), "a", -1)',
        lambda: [1] * 8_000,
    ),
    "a match that might come later": ('q := count(regex.find_n(".*?b|a", input, -1))', _text("a", 300_000)),
    "a replacement of many references": (
        'q := count(regex.replace(input.a, "a", input.b))',
        lambda: {"a": "a" * 500_000, "b": "$1" * 100_000},
    ),
    "a pattern repeated": ('q if regex.match("(.*){1000}", input)', _text("a")),
    "a template of expressions": (
        'q if regex.template_match(input.a, input.b, "{", "}")',
        lambda: {"a": "{a*}" * 8_000, "b": "a" * 500_000},
    ),
    "a glob of stars": (
        "q if glob.match(input.a, [], input.b)",
        lambda: {"a": "*a" * 15_000 + "b", "b": "a" * 900_000},
    ),
    "paths through many neighbours": (
        "q := count(graph.reachable_paths(input, {x | some x, _ in input}))",
        lambda: {str(at): [str(at + 1), *["0"] * 2_000] for at in range(100)},
    ),
    "fields of GraphQL": (
        'q := graphql.is_valid(input, "type Query { a: T } type T { a: T b(x:Int): T c: Int }")',
        lambda: "{" + " ".join(["a{a{a{c c c c c}}}"] * 1_000) + "}",
    ),
    "arrays among arrays": (
        "q := count([1 | some x in input; x in input])",
        lambda: [[at] for at in range(20_000)],
    ),
    "arrays compared again and again": (
        "q := count([1 | some _ in numbers.range(1, 100000); input.a == input.b])",
        lambda: {"a": [[at] for at in range(60_000)], "b": [[at] for at in range(60_000)]},
    ),
    "worlds within worlds": (
        "\n".join(
            f"w{at} if {{ w{at + 1} with input as {at}; w{at + 1} with input as {at + 1} }}"
            for at in range(40)
        )
        + "\nw40 if input >= 0\nq := w0",
        lambda: None,
    ),
    "shared parts walked": (f"{_doubled(40)}q := count([1 | walk(big, [path, value])])", lambda: None),
    "certificates of nothing verified": ("q := crypto.x509.parse_and_verify_certificates(input)", _text("A")),
}
