"""Reading a tree of policies and data, and giving it a name."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.support.served import write_policies

from doorward import Engine, EvaluationError, PolicyError
from doorward.engine import fingerprint, policies_from, read_policies


def test_a_tree_is_read_as_opa_reads_one(tmp_path: Path) -> None:
    write_policies(
        tmp_path,
        {
            "a.rego": "package a\n",
            "deep/er/b.ward": "package b\n",
            "roles.json": '{"roles": {"ann": ["reader"]}}',
            "deep/er/any name.yaml": "x: 1\nwhen: 2026-11-20\n1: one\nyes: [on, 0.1]\n",
            "deep/data.yml": "- 1\n",
            "notes.txt": "not read",
            ".hidden/c.rego": "not read",
            ".d.rego": "not read",
        },
    )
    (tmp_path / "deep/data.yml").unlink()
    policies = read_policies(tmp_path)
    assert [source.name for source in policies.sources] == ["a.rego", "deep/er/b.ward"]
    assert policies.data == {
        "roles": {"ann": ["reader"]},
        "deep": {"er": {"x": 1, "when": "2026-11-20", "1": "one", "true": [True, 0.1]}},
    }


def test_one_file_is_a_tree(tmp_path: Path) -> None:
    write_policies(tmp_path, {"a.rego": "package a\np := 1\n", "b.rego": "nonsense"})
    engine = Engine.from_path(tmp_path / "a.rego")
    assert engine.query("data.a.p = x") == [{"x": 1}]


def test_numbers_of_data_keep_their_digits(tmp_path: Path) -> None:
    write_policies(
        tmp_path, {"n.json": '{"big": 12345678901234567890123, "fine": 0.10000000000000000000001}'}
    )
    engine = Engine.from_path(tmp_path)
    assert engine.policies.data == {
        "big": 12345678901234567890123,
        "fine": Decimal("0.10000000000000000000001"),
    }
    assert engine.query("data.big + 1 = x") == [{"x": 12345678901234567890124}]


@pytest.mark.parametrize(
    ("files", "place", "said"),
    [
        ({"a.json": '{"a": 1,}'}, "a.json:1:8", "is not JSON"),
        ({"a.yaml": "a: 1\nb: [\n"}, "a.yaml:3:1", "is not YAML"),
        ({"a.yaml": "a: !!python/object/apply:os.system ['true']\n"}, "a.yaml:1:", "is not YAML"),
        ({"a.yaml": "a: !!binary aGk=\n"}, "a.yaml:1:1", "`bytes` has no place in JSON"),
        ({"a.yaml": "a:\n  b: 1\n  c: 2\n  b: 3\n"}, "a.yaml:2:3", "the key `b` is given twice"),
        ({"a.json": "[1]"}, "a.json:1:1", "is not an object"),
        ({"a.json": '{"x": 1}', "b.json": '{"x": 1}'}, "b.json:1:1", "`data.x` is given twice"),
        ({"x/a.json": '{"y": 1}', "x/y/b.json": "{}"}, "x/y/b.json:1:1", "`data.x.y` is given twice"),
    ],
)
def test_data_that_cannot_be_taken_names_its_place(
    tmp_path: Path, files: dict[str, str], place: str, said: str
) -> None:
    write_policies(tmp_path, files)
    with pytest.raises(PolicyError) as caught:
        read_policies(tmp_path)
    (diagnostic,) = caught.value.diagnostics
    assert str(diagnostic.span).startswith(place)
    assert said in diagnostic.message


def test_yaml_may_merge_and_repeat(tmp_path: Path) -> None:
    write_policies(tmp_path, {"a.yaml": "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a\n"})
    assert read_policies(tmp_path).data == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 1, "y": 3},
        "c": {"x": 1, "y": 2},
    }


def test_aliases_do_not_multiply_without_end(tmp_path: Path) -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 10) + "]" for n in range(1, 12)]
    write_policies(tmp_path, {"bomb.yaml": "\n".join(lines)})
    with pytest.raises(PolicyError, match="too large"):
        read_policies(tmp_path)


def test_text_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.rego").write_bytes(b"package a\n\xff")
    (tmp_path / "b.json").write_bytes(b"\xff")
    with pytest.raises(PolicyError) as caught:
        read_policies(tmp_path)
    assert [d.span.source.name for d in caught.value.diagnostics] == ["a.rego", "b.json"]


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.rego").write_bytes(b"\xef\xbb\xbfpackage a\np := 1\n")
    assert Engine.from_path(tmp_path).query("data.a.p") == [{}]


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    tree = write_policies(tmp_path / "tree", {"sub/a.rego": "package a\n"})
    write_policies(tmp_path / "..data", {"b.rego": "package b\n"})
    (tree / "b.rego").symlink_to(tmp_path / "..data" / "b.rego")
    (tree / "sub" / "loop").symlink_to(tree, target_is_directory=True)
    assert [source.name for source in read_policies(tree).sources] == ["b.rego", "sub/a.rego"]


@contextmanager
def as_nobody() -> Iterator[None]:
    """To root nothing is unreadable: step down for as long as it takes."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_what_cannot_be_read_is_not_passed_over() -> None:
    # not below pytest's own folder, which nobody else may enter
    with tempfile.TemporaryDirectory() as directory:
        tree = Path(directory)
        tree.chmod(0o755)
        closed = write_policies(tree, {"closed/block.rego": "package a\n"}) / "closed"
        closed.chmod(0)
        try:
            with as_nobody(), pytest.raises(PermissionError):
                read_policies(tree)
        finally:
            closed.chmod(0o700)


def test_what_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_policies(tmp_path / "nowhere")


def test_the_revision_is_the_content(tmp_path: Path) -> None:
    one = write_policies(tmp_path / "one", {"a.rego": "package a\n", "d.json": "{}"})
    same = write_policies(tmp_path / "same", {"d.json": "{}", "a.rego": "package a\n", "x.txt": "?"})
    assert read_policies(one).revision == read_policies(same).revision
    seen = {read_policies(one).revision}
    for files in ({"a.rego": "package b\n"}, {"d.json": "{ }"}, {"e.json": "{}"}):
        seen.add(read_policies(write_policies(one, files)).revision)
    (one / "a.rego").rename(one / "b.rego")
    seen.add(read_policies(one).revision)
    assert len(seen) == 5


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (({"a": "b"}, None), ({"ab": ""}, None)),
        (({"a": "1:1:b"}, None), ({"a": "", "b": ""}, None)),
        (({}, {"a": 1}), ({}, {"a": "1"})),
        (({"": "{}"}, None), ({}, None)),
    ],
)
def test_no_two_sets_share_a_revision(left: Any, right: Any) -> None:
    assert policies_from(*left).revision != policies_from(*right).revision


def test_the_order_of_sources_does_not_show() -> None:
    texts = {"a.rego": "package a\np := 1\n", "b.rego": "package b\n"}
    one, other = Engine.from_sources(texts), Engine.from_sources(dict(reversed(texts.items())))
    assert one.revision == other.revision


def test_the_git_commit_is_known(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout.strip()

    policies = write_policies(tmp_path, {"p/a.rego": "package a\n"}) / "p"
    assert read_policies(policies).git_commit == ""
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    commit = git("rev-parse", "HEAD")
    assert read_policies(policies).git_commit == commit
    (policies / "a.rego").write_text("package b\n")
    assert read_policies(policies).git_commit == f"{commit}-dirty"


def test_a_look_shows_what_changed(tmp_path: Path) -> None:
    write_policies(tmp_path, {"a.rego": "package a\n"})
    before = fingerprint(tmp_path)
    assert fingerprint(tmp_path) == before
    write_policies(tmp_path, {"b.txt": "nobody reads this"})
    assert fingerprint(tmp_path) == before
    write_policies(tmp_path, {"c.rego": "package c\n"})
    assert fingerprint(tmp_path) != before
    assert fingerprint(tmp_path / "nowhere") == frozenset()


def test_queries_answer_in_json() -> None:
    engine = Engine.from_sources({"p.rego": 'package p\ns := {3, "a", 1}\no := {[1]: {2}, null: 1}\n'})
    assert engine.query("data.p.s = x") == [{"x": [1, 3, "a"]}]
    assert engine.query("data.p.o = x") == [{"x": {"[1]": [2], "null": 1}}]
    assert engine.query("input.a = x", {"a": [1]}) == [{"x": [1]}]
    assert engine.query("input = x", input_term='{"a": {1, 2}}') == [{"x": {"a": [1, 2]}}]
    assert engine.query("input = x") == []
    assert engine.query('to_number("a") = x') == []
    with pytest.raises(EvaluationError):
        engine.query('to_number("a") = x', strict_builtin_errors=True)
    with pytest.raises(PolicyError):
        engine.query("x >")
