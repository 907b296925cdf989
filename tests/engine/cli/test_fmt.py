"""`doorward fmt`, as it is called."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from doorward.cli.main import build

_UGLY = "package a\nallow   if { input.x==1 } # why\n"
_FINE = "package a\n\nallow if input.x == 1 # why\n"


def _run(*args: str | Path, stdin: str | None = None) -> Result:
    return CliRunner().invoke(build(), ["fmt", *map(str, args)], input=stdin)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "sub" / "a.rego").write_text(_UGLY)
    (tmp_path / "b.ward").write_text(_FINE)
    (tmp_path / ".hidden" / "c.rego").write_text(_UGLY)
    (tmp_path / "data.json").write_text("{ }")
    return tmp_path


def test_files_are_written_in_place(tree: Path) -> None:
    result = _run(tree)
    assert result.exit_code == 0
    assert result.stdout == f"{tree / 'sub' / 'a.rego'}\n"
    assert "1 of 2 files formatted" in result.stderr
    assert (tree / "sub" / "a.rego").read_text() == _FINE
    assert (tree / ".hidden" / "c.rego").read_text() == _UGLY
    assert [path.name for path in (tree / "sub").iterdir()] == ["a.rego"]
    assert _run(tree, "--check").exit_code == 0


def test_check_names_what_would_change_and_writes_nothing(tree: Path) -> None:
    result = _run(tree, "--check")
    assert result.exit_code == 1
    assert result.stdout == f"{tree / 'sub' / 'a.rego'}\n"
    assert (tree / "sub" / "a.rego").read_text() == _UGLY
    assert _run(tree, "--list").exit_code == 0
    assert _run(tree, "-l").stdout == result.stdout


def test_diff_shows_what_would_change(tree: Path) -> None:
    result = _run(tree, "--diff")
    assert result.exit_code == 0
    assert "-allow   if { input.x==1 } # why\n+\n+allow if input.x == 1 # why\n" in result.stdout
    assert _run(tree, "--diff", "--check").exit_code == 1


def test_standard_input_goes_to_standard_output() -> None:
    assert _run("-", stdin=_UGLY).stdout == _FINE
    assert _run("-", "--check", stdin=_UGLY).exit_code == 1
    assert _run("-", "--stdin-filename", "a.rego", stdin="package a\na.b := 1\n").stdout == (
        'package a\n\na["b"] := 1\n'
    )


def test_permissions_and_links_stay(tree: Path) -> None:
    path = tree / "sub" / "a.rego"
    path.chmod(0o640)
    link = tree / "link.rego"
    link.symlink_to(path)
    assert _run(link).exit_code == 0
    assert link.is_symlink()
    assert path.read_text() == _FINE
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_what_cannot_be_parsed_is_said_and_left(tree: Path) -> None:
    broken = tree / "broken.rego"
    broken.write_text("package a\nallow if {\n")
    (tree / "bytes.rego").write_bytes(b"package \xff\n")
    result = _run(tree)
    assert result.exit_code == 1
    assert "`{` is never closed" in result.stderr
    assert "the file is not UTF-8" in result.stderr
    assert broken.read_text() == "package a\nallow if {\n"
    assert (tree / "sub" / "a.rego").read_text() == _FINE  # the others are formatted all the same


def test_for_machines(tree: Path) -> None:
    (tree / "broken.rego").write_text("package a\nallow if {\n")
    result = _run(tree, "--check", "--diff", "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [file["changes"] for file in report["files"]] == [False, False, True]
    assert "+allow if input.x == 1 # why" in report["files"][2]["diff"]
    assert report["diagnostics"][0]["code"] == "rego_parse_error"


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ([], 2),
        (["nowhere.rego"], 3),
        (["a.txt"], 2),
        (["-", "a.rego"], 2),
        (["--write", "--check", "x.rego"], 2),
    ],
)
def test_wrong_calls(args: list[str], code: int) -> None:
    assert _run(*args).exit_code == code
