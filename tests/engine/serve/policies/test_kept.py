"""Policies kept for the next start: whole or not at all, and never somebody else's."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from doorward.bundle import BundleError, build_bundle
from doorward.serve.policies.kept import Kept, KeptError
from doorward.serve.policies.source import Arrived, Bundled, Tree, opened
from doorward_dsl.diagnostics import DoorwardError

BUNDLE = Bundled(build_bundle({"a.rego": b"package a\n"}))
TREE = Tree([("a.rego", b"\xef\xbb\xbfpackage a\n"), ("b/x.yaml", b"k: 1\n")], "c0ffee")
URL = "https://policies.example.org/bundle.tar.gz"


@pytest.mark.parametrize("arrived", [BUNDLE, TREE], ids=["bundle", "tree"])
def test_what_is_kept_is_what_is_loaded(tmp_path: Path, arrived: Arrived) -> None:
    kept = Kept(tmp_path / "deep/state", URL)
    assert kept.load() is None
    kept.keep(arrived)
    found = kept.load()
    assert found is not None
    assert found.kept_at.endswith("+00:00")
    before, after = opened(arrived, None), opened(found.arrived, None)
    assert (after.revision, after.git_commit) == (before.revision, before.git_commit)
    assert sorted(path.name for path in kept.path.parent.iterdir()) == [
        ".policies.kept.lock",
        "policies.kept",
    ]
    assert kept.path.stat().st_mode & 0o077 == 0


def change(offset: int) -> Callable[[bytes], bytes]:
    return lambda content: content[:offset] + bytes([content[offset] ^ 1]) + content[offset + 1 :]


def header(**changes: object) -> Callable[[bytes], bytes]:
    def apply(content: bytes) -> bytes:
        stated, _, rest = content.partition(b"\n")
        return json.dumps({**json.loads(stated), **changes}).encode() + b"\n" + rest

    return apply


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda _: b"", "does not hold policies"),
        (lambda content: content[:40], "does not hold policies"),
        (lambda content: content[: content.index(b"\n") + 1], "torn"),
        (lambda content: content[:-1], "torn"),
        (lambda content: content + b"x", "torn"),
        (change(-1), "torn"),
        (lambda content: content.replace(b"\n", b"\n\0", 1), "torn"),
        (header(format=0), "another version"),
        (header(format="1"), "does not hold policies"),
        (header(more=1), "does not hold policies"),
        (header(form="directory"), "does not hold policies"),
        (lambda _: b"x" * 100_000, "does not hold policies"),
        (header(source="https://elsewhere.example.org/"), "was kept from `https://elsewhere.example.org/`"),
    ],
)
def test_what_is_damaged_or_foreign_is_refused(
    tmp_path: Path, damage: Callable[[bytes], bytes], said: str
) -> None:
    kept = Kept(tmp_path, URL)
    kept.keep(BUNDLE)
    kept.path.write_bytes(damage(kept.path.read_bytes()))
    with pytest.raises(KeptError, match=said):
        kept.load()


def test_every_cut_of_the_file_is_refused(tmp_path: Path) -> None:
    kept = Kept(tmp_path, URL)
    kept.keep(TREE)
    whole = kept.path.read_bytes()
    for end in range(len(whole)):
        kept.path.write_bytes(whole[:end])
        with pytest.raises((KeptError, BundleError)):
            kept.load()


def test_a_disk_that_takes_nothing_leaves_what_was_kept(tmp_path: Path) -> None:
    kept = Kept(tmp_path, URL)
    kept.keep(BUNDLE)
    before = kept.path.read_bytes()
    (tmp_path / ".policies.kept.new").mkdir()
    with pytest.raises(OSError, match="directory"):
        kept.keep(TREE)
    assert kept.path.read_bytes() == before


def test_many_that_keep_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    arrivals: list[Arrived] = [Bundled(build_bundle({f"a{i}.rego": b"package a\n" * i})) for i in range(1, 9)]
    problems: list[Exception] = []

    def keep(arrived: Arrived) -> None:
        try:
            for _ in range(10):
                Kept(tmp_path, URL).keep(arrived)
                assert Kept(tmp_path, URL).load() is not None
        except (DoorwardError, OSError, AssertionError) as error:
            problems.append(error)

    threads = [threading.Thread(target=keep, args=(arrived,)) for arrived in arrivals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    found = Kept(tmp_path, URL).load()
    assert found is not None
    assert found.arrived in arrivals
