"""`doorward new`: the repository it makes passes its own CI, whatever kinds it governs."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from doorward import Engine
from doorward.author.new import KINDS
from doorward.cli.main import build
from doorward.decide.request import DOCUMENTS


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(build(), [str(argument) for argument in arguments])


def document(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def commands(root: Path) -> dict[str, list[str]]:
    """The commands of each CI file that need nothing but the repository."""
    steps = document(root / ".github/workflows/policies.yml")["jobs"]["policies"]["steps"]
    return {
        "github": [step["run"] for step in steps if "doorward " in step.get("run", "") and "if" not in step],
        "gitlab": document(root / ".gitlab-ci.yml")["policies"]["script"],
        "pre-commit": [
            f"{hook['entry']} policies/people.ward" if hook.get("pass_filenames", True) else hook["entry"]
            for repository in document(root / ".pre-commit-config.yaml")["repos"]
            for hook in repository["hooks"]
        ],
    }


def contents(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def test_there_is_an_example_for_every_kind() -> None:
    assert {*KINDS} == {*DOCUMENTS}


@pytest.mark.parametrize("kinds", [*((kind,) for kind in KINDS), KINDS], ids="+".join)
def test_a_new_repository_passes_its_own_ci(
    kinds: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run("new", tmp_path, *(f"--kind={kind}" for kind in kinds))
    assert made.exit_code == 0, made.output
    monkeypatch.chdir(tmp_path)
    before = contents(tmp_path)
    everything = commands(tmp_path)
    assert [len(of) for of in everything.values()] == [4, 4, 2]
    for command in dict.fromkeys(one for of in everything.values() for one in of):
        program, *arguments = shlex.split(command)
        done = run(*arguments)
        assert (program, done.exit_code) == ("doorward", 0), f"{command}: {done.output}"
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before, "the files are not in canonical form"
    assert {"report.xml", "bundle.tar.gz"} == after.keys() - before.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_its_request_is_explained(kind: str, tmp_path: Path) -> None:
    run("new", tmp_path, "--kind", kind)
    request = tmp_path / "requests" / f"{kind}.json"
    catalogue = ["--catalogue", tmp_path / "policies/schema.sql"] if kind == "postgres" else []
    told = run("explain", tmp_path / "policies", request, *catalogue, "--json")
    assert told.exit_code == 1
    assert json.loads(told.stdout)["decision"]["errors"] == []
    same = run("diff", tmp_path / "policies", tmp_path / "policies", tmp_path / "requests", *catalogue)
    assert same.exit_code == 0


def test_the_change_that_ci_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("new", tmp_path)
    steps = document(tmp_path / ".github/workflows/policies.yml")["jobs"]["policies"]["steps"]
    (shown,) = [step["run"] for step in steps if "doorward diff" in step.get("run", "")]
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for git in (("init", "-q"), ("add", "."), (*author, "commit", "-q", "-m", "begin")):
        subprocess.run(["git", *git], cwd=tmp_path, check=True)
    people = tmp_path / "policies/people.ward"
    people.write_text(people.read_text().replace('in_group("engineers")', 'in_group("analysts")'))
    monkeypatch.chdir(tmp_path)
    done = run(*shlex.split(shown.replace("origin/$GITHUB_BASE_REF", "HEAD"))[1:])
    assert done.exit_code == 1
    assert "1 request" in done.output


def test_it_keeps_away_from_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine\n")
    refused = run("new", tmp_path)
    assert (refused.exit_code, "is not empty" in refused.stderr) == (2, True)
    assert contents(tmp_path) == {"README.md": b"mine\n"}

    forced = run("new", tmp_path, "--force", "--json")
    answer = json.loads(forced.stdout)
    assert (forced.exit_code, answer["kept"]) == (0, ["README.md"])
    assert (tmp_path / "README.md").read_text() == "mine\n"
    assert {*answer["written"], "README.md"} == contents(tmp_path).keys()


def test_a_repository_that_was_just_begun_counts_as_empty(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert run("new", tmp_path).exit_code == 0


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert run("new", tmp_path / "file").exit_code == 3


@pytest.mark.parametrize(
    ("kind", "hint"), [("postgress", "did you mean `postgres`?"), ("x", "the kinds are postgres")]
)
def test_kinds_without_an_example(kind: str, hint: str, tmp_path: Path) -> None:
    refused = run("new", tmp_path / "new", "--kind", kind)
    assert (refused.exit_code, hint in refused.stderr) == (2, True)
    assert not (tmp_path / "new").exists()


def test_here_is_the_place_if_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = run("new")
    assert "cd " not in made.stdout
    assert Engine.from_path(tmp_path / "policies").warnings == ()
