"""Files that look as they did are not read again, and never are they taken for what they no longer are."""

from __future__ import annotations

import os
from pathlib import Path

from doorward.bundle import TreeCache, read_policies

LONG_AGO_NS = 1_600_000_000_000_000_000


def write(path: Path, text: str, *, at_ns: int | None = None) -> None:
    path.write_text(text)
    if at_ns is not None:
        os.utime(path, ns=(at_ns, at_ns))


def test_whatever_happens_to_files_the_set_is_what_it_would_be_without(tmp_path: Path) -> None:
    cache = TreeCache()
    (tmp_path / "inner").mkdir()
    write(tmp_path / "a.rego", "package a\n\np := 1\n", at_ns=LONG_AGO_NS)
    write(tmp_path / "inner/b.rego", "package b\n", at_ns=LONG_AGO_NS)
    write(tmp_path / "inner/data.json", '{"x": 1}', at_ns=LONG_AGO_NS)
    changes = [
        lambda: None,
        lambda: write(tmp_path / "a.rego", "package a\n\np := 2\n", at_ns=LONG_AGO_NS),
        lambda: write(tmp_path / "a.rego", "package a\n\np := 3\n"),
        lambda: write(tmp_path / "a.rego", "package a\n\np := 4\n"),
        lambda: write(tmp_path / "inner/data.json", '{"x": 2}'),
        lambda: (tmp_path / "inner/b.rego").rename(tmp_path / "inner/c.rego"),
        lambda: (tmp_path / "a.rego").unlink(),
        lambda: write(tmp_path / "a.rego", "package a\n"),
    ]
    for change in changes:
        change()
        found, fresh = read_policies(tmp_path, known=cache), read_policies(tmp_path)
        assert found.revision == fresh.revision
        assert [(one.name, one.text) for one in found.sources] == [(s.name, s.text) for s in fresh.sources]
        assert found.data == fresh.data


def test_what_has_just_been_written_is_read_again(tmp_path: Path) -> None:
    cache = TreeCache()
    write(tmp_path / "a.rego", "package a\n")
    (first,) = read_policies(tmp_path, known=cache).sources
    (again,) = read_policies(tmp_path, known=cache).sources
    assert again is not first
