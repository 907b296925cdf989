"""Capabilities documents: what is read from them, and what policies may not use under them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from doorward_dsl import CompileError, Source, parse_module, parse_query
from doorward_dsl.capabilities import (
    Capabilities,
    CapabilitiesError,
    capabilities_document,
    read_capabilities,
)
from doorward_dsl.compile import compile_modules, compile_query
from doorward_dsl.signatures import signatures


def without(*names: str, features: tuple[str, ...] = (), keywords: tuple[str, ...] = ()) -> Capabilities:
    document = capabilities_document()
    document["builtins"] = [entry for entry in document["builtins"] if entry["name"] not in names]
    document["features"] = [feature for feature in document["features"] if feature not in features]
    document["future_keywords"] = [word for word in document["future_keywords"] if word not in keywords]
    return read_capabilities(json.dumps(document))


def refused(text: str, allowed: Capabilities, file: str = "p.rego") -> list[tuple[str, str, str | None, str]]:
    try:
        compile_modules([parse_module(Source(file, text))], capabilities=allowed)
    except CompileError as error:
        return [(one.code, one.message, one.hint, one.span.text) for one in error.diagnostics]
    return []


def test_ours_names_every_builtin_and_reads_back() -> None:
    document = capabilities_document()
    read = read_capabilities(json.dumps(document))
    assert read.builtins == signatures().keys()
    assert not read.allow_net
    by_name = {entry["name"]: entry for entry in document["builtins"]}
    assert by_name["plus"]["infix"] == "+"
    assert by_name["walk"]["relation"]
    assert by_name["rand.intn"]["nondeterministic"]
    assert by_name["print"]["decl"] == {"variadic": {"type": "any"}, "type": "function"}
    assert by_name["concat"]["decl"] == {
        "args": [
            {"type": "string"},
            {
                "of": [
                    {"dynamic": {"type": "string"}, "type": "array"},
                    {"of": {"type": "string"}, "type": "set"},
                ],
                "type": "any",
            },
        ],
        "result": {"type": "string"},
        "type": "function",
    }


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "the capabilities are not JSON"),
        ("[" * 100_000, "the capabilities are not JSON"),
        ("[]", "must be an object"),
        ("{}", "must hold `rego_v1`"),
        ({"builtins": {}, "features": ["rego_v1"]}, "`builtins` of the capabilities must be an array"),
        ({"builtins": ["count"], "features": ["rego_v1"]}, "must be an object with a `name`"),
        (
            {"features": ["rego_v1"], "allow_net": "example.com"},
            "`allow_net` of the capabilities must be an array",
        ),
        ({"features": ["rego_v1"], "allow_net": [1]}, "`allow_net` of the capabilities must be an array"),
    ],
)
def test_bad_documents(document: Any, message: str) -> None:
    with pytest.raises(CapabilitiesError, match=message):
        read_capabilities(document if isinstance(document, str) else json.dumps(document))


def test_what_is_not_known_is_passed_over() -> None:
    text = '{"builtins": [{"name": "not.known", "decl": {}}], "features": ["rego_v1", "x"], "wasm_abi_versions": []}'
    assert read_capabilities(text).builtins == {"not.known"}


def _lacks(name: str, written: str) -> str:
    return f"{written} is there, but `builtins` of the capabilities does not hold `{name}`"


@pytest.mark.parametrize(
    ("name", "rule", "hint", "place"),
    [
        ("count", "p := count([1])", _lacks("count", "the built-in `count`"), "count"),
        (
            "json.patch",
            "p := json.patch({}, [])",
            _lacks("json.patch", "the built-in `json.patch`"),
            "json.patch",
        ),
        ("plus", "p := 1 + 2", _lacks("plus", "the operator `+`"), "+"),
        ("internal.member_2", "p if 1 in [1]", _lacks("internal.member_2", "the operator `in`"), "in"),
        ("count", "p if q with count as 1\nq := 1", _lacks("count", "the built-in `count`"), "count"),
        (
            "count",
            "f(_) := 1\nq := f(1)\np if q with f as count",
            _lacks("count", "the built-in `count`"),
            "count",
        ),
        ("count", "p := [x | x := {y | y := count([])}]", _lacks("count", "the built-in `count`"), "count"),
    ],
)
def test_builtins_that_are_not_held(name: str, rule: str, hint: str, place: str) -> None:
    text = f"package p\n{rule}\n"
    assert refused(text, without(name)) == [("rego_type_error", f"undefined function `{name}`", hint, place)]
    assert refused(text, without("rand.intn")) == []


def test_a_statement_is_held_to_them_too() -> None:
    text = 'package p\ngoverns postgres\nblock "much" if count(input.x) > 1\n'
    found = refused(text, without("count"), "p.ward")
    assert ("rego_type_error", "undefined function `count`") in [one[:2] for one in found]


def test_print_is_held_by_either_name() -> None:
    text = "package p\np if print(1)\n"
    assert refused(text, without("print")) == refused(text, without("internal.print")) == []
    assert refused(text, without("print", "internal.print"))


@pytest.mark.parametrize(
    ("rule", "allowed", "code", "message"),
    [
        (
            'p := $"{q}"\nq := 1',
            without(features=("template_strings",)),
            "rego_compile_error",
            "template strings are not supported",
        ),
        (
            "p := input.if.x",
            without(features=("keywords_in_refs",)),
            "rego_parse_error",
            "unexpected keyword `if` in a reference",
        ),
        (
            "p.else := 1",
            without(features=("keywords_in_refs",)),
            "rego_parse_error",
            "unexpected keyword `else` in a reference",
        ),
        (
            "import future.keywords.not\np := 1",
            without(keywords=("not",)),
            "rego_parse_error",
            "unexpected keyword `not`, must be one of and, contains, every, if, in, or",
        ),
        (
            "import rego.v2\np := 1",
            without(features=("rego_v2_import",)),
            "rego_parse_error",
            "invalid import `rego.v2`",
        ),
    ],
)
def test_features_that_are_not_held(rule: str, allowed: Capabilities, code: str, message: str) -> None:
    text = f"package p\n{rule}\n"
    assert [one[:2] for one in refused(text, allowed)] == [(code, message)]
    assert refused(text, without()) == []


def test_a_quoted_keyword_is_a_string() -> None:
    assert refused('package p\np := input["if"]\n', without(features=("keywords_in_refs",))) == []


def test_queries() -> None:
    with pytest.raises(CompileError, match="undefined function `count`"):
        compile_query(parse_query("x = count([1])"), capabilities=without("count"))
