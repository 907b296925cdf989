"""The grammars for highlighting: that they know the language, and what they make of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doorward.author.lsp.words import (
    DETECTOR_WORDS,
    EXPECTED,
    KEYWORD_WORDS,
    MASKER_WORDS,
    STATEMENT_WORDS,
    TEST_WORDS,
)
from doorward_dsl.lex import KEYWORDS
from doorward_dsl.lex_ahead import SOFT_WORDS, VERBS
from doorward_dsl.parse_ward import DETECTORS, MASKERS

ROOT = Path(__file__).resolve().parents[4]
EDITOR = ROOT / "docs/editor"
SYNTAXES = EDITOR / "syntaxes"
GRAMMARS: dict[str, dict[str, Any]] = {
    name: json.loads((SYNTAXES / f"{name}.tmLanguage.json").read_text()) for name in ("rego", "ward")
}


def patterns(node: Any) -> Iterator[tuple[str, str]]:
    """Every `match`, `begin`, `end` and `include` of a grammar."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("match", "begin", "end", "include") and isinstance(value, str):
                yield key, value
            else:
                yield from patterns(value)
    elif isinstance(node, list):
        for item in node:
            yield from patterns(item)


@pytest.mark.parametrize("name", GRAMMARS)
def test_patterns_compile_and_includes_exist(name: str) -> None:
    for key, value in patterns(GRAMMARS[name]):
        if key != "include":
            re.compile(value)
            continue
        owner, _, rule = value.rpartition("#")
        grammar = GRAMMARS[owner.removeprefix("source.") or name]
        assert rule in grammar["repository"], value


def test_every_word_of_the_language_is_known() -> None:
    def known(*names: str) -> set[str]:
        regexes = " ".join(
            value for name in names for key, value in patterns(GRAMMARS[name]) if key != "include"
        )
        return set(re.findall(r"[a-z_]+", regexes.replace("\\b", " ").replace("\\s", " ")))

    assert set(KEYWORDS) <= known("rego")
    soft = {word for words in SOFT_WORDS.values() for word in words}
    ward = {
        *VERBS,
        *soft,
        *MASKERS,
        *DETECTORS,
        "governs",
        "unless",
        "test",
        "given",
        "when",
        "expect",
        "content",
    }
    assert ward <= known("ward")


def test_every_word_of_the_language_is_explained() -> None:
    assert set(MASKER_WORDS) == set(MASKERS)
    assert set(DETECTOR_WORDS) == set(DETECTORS)
    assert {*VERBS, "governs", "test", "package", "import", "default"} <= set(STATEMENT_WORDS)
    soft = {word for words in SOFT_WORDS.values() for word in words}
    assert {*soft, "unless", *KEYWORDS} <= {*KEYWORD_WORDS, *STATEMENT_WORDS}
    assert {"given", "when", "expect"} <= {*TEST_WORDS}
    assert {"allow", "block", "approve", "mask", "credential"} <= set(EXPECTED)


def test_the_extension_names_files_that_are_there() -> None:
    package = json.loads((EDITOR / "package.json").read_text())
    assert (EDITOR / package["main"]).is_file()
    for grammar in package["contributes"]["grammars"]:
        assert GRAMMARS[grammar["language"]]["scopeName"] == grammar["scopeName"]
        assert (EDITOR / grammar["path"]).is_file()
    for language in package["contributes"]["languages"]:
        json.loads((EDITOR / language["configuration"]).read_text())


SAMPLE = """\
# METADATA
# title: A sample
package acme.customers
governs postgres, http
import data.acme.people as who
default limit := 3
analyst if "analysts" in principal.groups
allow "analysts read" if {
	analyst # yes
	count(sql.tables) < 2.5
}
mask "seen" customers.ssn, *.email with partial(4) unless analyst
mask content(card_number), $.user.email with redact
approve "wait" by "dba" within 15m if sql.writes
credential ttl 60s single_use as "reader"
allow := 3
text := $"hello {input.name}!"
test "a contractor" {
	given principal.groups := ["x"]
	when postgres `select 1`
	expect no mask customers.ssn with hash
	expect block "because"
}
"""

SCOPES = [
    ("METADATA", "keyword.other.documentation.rego"),
    ("acme.customers", "entity.name.namespace.rego"),
    ("governs", "keyword.control.governs.ward"),
    ("postgres, http", "support.type.kind.ward"),
    ("who", "entity.name.namespace.rego"),
    ("limit", "entity.name.function.rego"),
    ("analyst", "entity.name.function.rego"),
    ("allow", "keyword.control.decision.ward"),
    ("count", "support.function.rego"),
    ("2.5", "constant.numeric.rego"),
    ("mask", "keyword.control.decision.ward"),
    ("customers.ssn", "variable.other.target.ward"),
    ("*.email", "variable.other.target.ward"),
    ("partial", "support.function.masker.ward"),
    ("unless", "keyword.control.ward"),
    ("card_number", "support.constant.detector.ward"),
    ("$.user.email", "variable.other.target.ward"),
    ("within", "keyword.other.ward"),
    ("15m", "constant.numeric.duration.ward"),
    ("single_use", "keyword.other.ward"),
    ("60s", "constant.numeric.duration.ward"),
    ("input", "variable.language.rego"),
    ("test", "keyword.control.test.ward"),
    ("given", "keyword.control.test.ward"),
    ("when", "keyword.control.test.ward"),
    ("expect", "keyword.control.test.ward"),
    ("no", "keyword.other.ward"),
    ("hash", "support.function.masker.ward"),
    ("block", "keyword.control.decision.ward"),
]


def test_what_editors_make_of_it() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    environment = {"NODE_PATH": str(EDITOR / "node_modules"), **os.environ}
    command = [node, str(Path(__file__).with_name("tokens.js")), str(SYNTAXES), "source.ward"]
    ran = subprocess.run(
        command, input=SAMPLE, capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    if "Cannot find module" in ran.stderr:
        pytest.skip("vscode-textmate is not installed: `npm install` in docs/editor")
    assert ran.returncode == 0, ran.stderr
    found = [(text.strip(), scopes) for text, scopes in json.loads(ran.stdout)]
    for word, scope in SCOPES:
        assert any(text == word and scope in scopes for text, scopes in found), (word, scope)
    assert not any("invalid" in scope for _, scopes in found for scope in scopes)
    (rule,) = [scopes for text, scopes in found if text == "allow" and "entity.name.function.rego" in scopes]
    assert "keyword.control.decision.ward" not in rule
