"""What fuzzing begins with: the project's own policies and cases, and OPA's conformance cases where they are at hand."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, Final

import yaml
from tests.conformance.cases import load_cases

from doorward.facts.postgres import Catalogue
from doorward_dsl.signatures import signatures
from doorward_gateway.postgres import messages, rows
from doorward_gateway.postgres.messages import Bind, Execute, Parse, cstring, frame

from .mutate import PART

__all__ = [
    "JSON_WORDS",
    "POLICY_WORDS",
    "QUERIES",
    "SQL_WORDS",
    "catalogue",
    "decision_seeds",
    "evaluation_seeds",
    "policies",
    "requests",
    "statements",
    "wire_seeds",
]

_ROOT: Final = Path(__file__).resolve().parents[3]

_BEGINNING: Final = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
_CALLS: Final = [
    f"{name}(x)" for name in sorted(signatures()) if name.replace(".", "a").replace("_", "a").isalnum()
]
POLICY_WORDS: Final = ["\n", " ", "\n\n", *_BEGINNING["policy_words"].split(), *_CALLS]
JSON_WORDS: Final = _BEGINNING["json_words"].split()
SQL_WORDS: Final = ["\n", " ", *_BEGINNING["sql_words"].split()]
QUERIES: Final = [
    "x = data",
    "data.test.p = x",
    "x = data.test",
    "data.test.p[x]",
    "data.test[x][y]",
    "x := data.test.p; input.a = y",
]

_OWN: Final[list[str]] = _BEGINNING["rego"]
_WARD: Final[list[str]] = _BEGINNING["ward"]
_SHOP: Final = {
    "customers": ["id", "name", "ssn", "card"],
    "orders": ["id", "customer_id", "total"],
    "notes": ["id", "body"],
}


def policies() -> list[str]:
    """Modules, in Rego and in Ward; the Rego ones say `package`, the Ward ones `governs`."""
    texts = [*_OWN, *_WARD]
    texts += [path.read_text() for path in sorted((_ROOT / "policies").rglob("*.ward"))]
    texts += [f"package test\n\n{case['text']}\n" for case in _yaml("tests/dsl/mistakes_rego.yaml")]
    texts += [
        f"package test\n\ngoverns postgres\n\n{case['text']}\n"
        for case in _yaml("tests/dsl/mistakes_ward.yaml")
    ]
    texts += [module for case in load_cases() for module in case.modules]
    return [text for text in dict.fromkeys(texts) if len(text) < 6_000]


def evaluation_seeds() -> list[str]:
    """A query, a request, data and modules, each."""
    some = {"a": [1, "b", {"c": [None, True]}], "b": {"x": 1, "y": [2, 3]}, "x": 3}
    seeds = [_parts(QUERIES[2], some, {"m": some}, text) for text in _OWN]
    seeds += [
        _parts(case.query, case.input, case.data, *case.modules) for case in load_cases() if case.modules
    ]
    return [seed for seed in seeds if len(seed) < 6_000]


def requests() -> list[dict[str, Any]]:
    """Access requests as a gateway sends them."""
    made = []
    for statement in statements()[::7]:
        for who in (
            {"id": "ana", "kind": "human", "groups": ["dba"]},
            {"id": "bot", "kind": "agent", "claims": {"level": 2.5}},
        ):
            document: dict[str, Any] = {
                "principal": who,
                "action": {"name": "query"},
                "resource": {
                    "kind": "postgres",
                    "name": "shop",
                    "environment": "prod",
                    "labels": {"tier": "1"},
                },
                "session": {"id": "s", "purpose": "support", "run": "r", "step": "2"},
                "postgres": {"statement": statement, "parameters": ["1", None], "search_path": ["public"]},
            }
            made.append(document)
    made.append(
        {
            "principal": {"id": "ana", "kind": "human"},
            "action": {"name": "connect"},
            "resource": {"kind": "postgres"},
        }
    )
    made.append({"action": {"name": "issue_credential"}, "resource": {"kind": "postgres"}})
    made.append({"resource": {"kind": "http"}})
    return made


def decision_seeds() -> list[str]:
    """A request and a module that governs it, each."""
    texts = [*_WARD, *(path.read_text() for path in sorted((_ROOT / "policies").rglob("*.ward")))]
    asked = requests()
    return [
        PART.join([json.dumps(asked[(at * 7 + more) % len(asked)]), text])
        for at, text in enumerate(texts)
        for more in range(3)
    ]


def statements() -> list[str]:
    """SQL messages of every sort."""
    folder = _ROOT / "tests/engine/facts/cases"
    texts: list[str] = []
    for path in sorted(folder.glob("*.yaml")):
        found = yaml.safe_load(path.read_text())
        texts += [
            case["sql"] for case in (found["cases"] if isinstance(found, dict) else found) if "sql" in case
        ]
    return [text for text in dict.fromkeys(texts) if isinstance(text, str) and len(text) < 4_000]


def catalogue() -> Catalogue:
    """A small shop, with a view and a few functions."""
    relations: list[Any] = [
        ["public", name, 100 + at, "r", [[column, n, "text"] for n, column in enumerate(columns, 1)]]
        for at, (name, columns) in enumerate(_SHOP.items())
    ]
    people = [["id", 1, "text"], ["ssn", 2, "text"]]
    relations.append(["hr", "people", 200, "r", people])
    relations.append(["public", "who", 300, "v", people, [], False, "SELECT id, ssn FROM hr.people"])
    functions = [
        ["pg_catalog", name, "f", "i", False, 1, -1, "internal", "text"]
        for name in ("concat", "lower", "count", "max", "generate_series", "row_to_json")
    ]
    document = {"server_version": 180000, "database": "shop", "relations": relations, "functions": functions}
    return Catalogue.from_json(json.dumps(document).encode())


def wire_seeds() -> list[bytes]:
    """Messages both ways, first packets, and binary values; the first byte says which decoder they are for."""
    front = [
        messages.query(b"SELECT 1 /* run='a' */"),
        Parse(b"s", b"SELECT $1", (23, 25)).encode() + Bind(b"", b"s", (0, 1), (b"1", None), (1,)).encode(),
        messages.describe(b"S", b"s") + Execute(b"p", 10).encode() + messages.close(b"P", b"p"),
        messages.flush() + messages.sync() + messages.password(b"secret\0") + messages.terminate(),
    ]
    shape = (rows.Field(b"id", 100, 1, 23, 4, -1, 1), rows.Field(b"ssn", 100, 3, 25, -1, -1, 0))
    back = [
        messages.authentication(10, b"SCRAM-SHA-256\0\0") + messages.parameter_status("TimeZone", "UTC"),
        messages.backend_key_data(7, b"key!") + messages.ready_for_query(b"T"),
        rows.encode_shape(shape) + frame(ord("D"), struct.pack("!Hi4si", 2, 4, b"\0\0\0\1", -1)),
        frame(ord("C"), b"SELECT 3\0") + frame(ord("t"), struct.pack("!HI", 1, 23)),
        frame(ord("E"), b"SERROR\0VERROR\0C42501\0Mno\0Fparse_expr.c\0\0"),
    ]
    settings = {
        "user": "ana",
        "database": "shop/x",
        "application_name": "doorward run='r'",
        "options": "-c search_path=a\\ b",
    }
    pairs = b"".join(cstring(name.encode()) + cstring(value.encode()) for name, value in settings.items())
    first = [
        struct.pack("!I", 3 << 16) + pairs + b"\0",
        struct.pack("!I", (3 << 16) | 2) + b"_pq_.x\0on\0doorward.run\0r\0" + pairs + b"\0",
        struct.pack("!I", 80877103),
        struct.pack("!II4s", 80877102, 7, b"key!"),
    ]
    values = [
        struct.pack("!H", oid) + value
        for oid, value in (
            *(
                (700, struct.pack("!f", 1.5)),
                (700, b"\x7f\x80\0\1"),
                (701, struct.pack("!d", 1e300)),
                (1082, b"\0\0\1\0"),
                (16, b"\1"),
            ),
            *(
                (1700, struct.pack("!HhHHHH", 2, 0, 0, 4, 12, 3400)),
                (1114, struct.pack("!q", 1 << 50)),
                (17, b"ab"),
            ),
            *((2950, bytes(16)), (3802, b'\1{"a":1}'), (20, bytes(8)), (26, bytes(4)), (25, "é".encode())),
        )
    ]
    return [
        bytes([number]) + data for number, group in enumerate((front, back, first, values)) for data in group
    ]


def _parts(query: str, document: Any, data: Any, *modules: str) -> str:
    return PART.join([query, json.dumps(document), json.dumps(data), *modules])


def _yaml(path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((_ROOT / path).read_text())
    return found
