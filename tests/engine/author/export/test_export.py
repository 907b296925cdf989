"""What an export consists of, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from doorward.author.export import ExportError, export_rego
from doorward.cli.main import build
from doorward.engine import Engine, policies_from

_WARD = """\
package acme

governs postgres

member if "staff" in principal.groups

allow "staff reads" if {
	member
	sql.read_only
} unless {
	some t in sql.tables
	t in data.hidden
}

test "staff" {
	given principal.groups := ["staff"]
	when postgres `select 1`
	expect allow
}
"""


def test_an_export_is_plain_rego_with_all_data_and_says_what_is_left_out() -> None:
    data = {"hidden": ["t"], "big": 12345678901234567890123, "exact": 0.1}
    written = export_rego(
        policies_from({"a/acme.ward": _WARD, "b.rego": "package b\n\nx := 1 # kept\n"}, data)
    )
    assert sorted(written) == [
        "a/acme.rego",
        "b.rego",
        "data.json",
        "doorward/decision.rego",
        "doorward/export.rego",
    ]
    text = written["a/acme.rego"].decode()
    assert "Exported by Doorward from `a/acme.ward`" in text
    assert "Not in this export: a test block;" in text
    assert 'allow contains {"id": "acme:7", "reason": "staff reads"} if {' in text
    assert "not unless_7" in text
    assert written["b.rego"] == b"package b\n\nx := 1 # kept\n"
    assert json.loads(written["data.json"]) == data
    engine = Engine.from_sources(
        {name: text.decode() for name, text in written.items() if name != "data.json"}, data
    )
    request = {
        "principal": {"groups": ["staff"]},
        "resource": {"kind": "postgres"},
        "postgres": {"statement": "select 1"},
    }
    assert engine.decide(request).verdict == "allow"  # the export is a policy set of Doorward's own, too


@pytest.mark.parametrize(
    ("sources", "data", "words"),
    [
        ({"a.rego": "package doorward.x\n\ny := 1\n"}, {}, "`data.doorward` is taken"),
        ({"a.rego": "package a\n\ny := 1\n"}, {"doorward": {}}, "`data.doorward` is taken"),
        (
            {"a.ward": "package a\n\ngoverns http\n\nblock\n", "b.rego": "package a\n\nblock := 3\n"},
            {},
            "has a rule `block` of its own",
        ),
    ],
)
def test_what_plain_rego_cannot_say_is_refused(
    sources: dict[str, str], data: dict[str, object], words: str
) -> None:
    with pytest.raises(ExportError, match=words):
        export_rego(policies_from(sources, data))


def test_the_command_writes_to_a_new_directory_only(tmp_path: Path) -> None:
    policies, output = tmp_path / "p", tmp_path / "out"
    policies.mkdir()
    (policies / "acme.ward").write_text(_WARD)
    (policies / "data.json").write_text('{"hidden": []}')
    call = ["export", "--rego", str(policies), "-o", str(output)]
    first = CliRunner().invoke(build(), call)
    assert first.exit_code == 0, first.output
    assert (output / "doorward" / "decision.rego").is_file()
    again = CliRunner().invoke(build(), call)
    assert again.exit_code == 2
    assert "is not an empty directory" in again.stderr
    assert CliRunner().invoke(build(), ["export", str(policies), "-o", str(tmp_path / "x")]).exit_code == 2


def test_the_complete_document_is_printed(tmp_path: Path) -> None:
    (tmp_path / "acme.ward").write_text(_WARD)
    request = {"resource": {"kind": "postgres"}, "postgres": {"statement": "drop table t"}}
    call = ["decide", str(tmp_path / "acme.ward"), "-", "--document", "--now-ns", "0"]
    printed = json.loads(CliRunner().invoke(build(), call, input=json.dumps(request)).stdout)
    assert printed["sql"]["changes_schema"] is True
    assert printed["time"]["date"] == "1970-01-01"
    assert printed["principal"]["groups"] == []
