"""Directories, files and bundles that are watched: what is news, and what is not read again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.served import PATIENCE, write_policies

from doorward.bundle import BundleError, build_bundle
from doorward.serve.policies.source import Arrived, Bundled, SourceError, Tree
from doorward.serve.policies.watched import Watched

LONG_AGO = 1_600_000_000_000_000_000
A = build_bundle({"a.rego": b"package a\n"})
B = build_bundle({"b.rego": b"package b\n"})


def put(path: Path, content: bytes, *, old: bool = False) -> None:
    half = path.with_suffix(".new")
    half.write_bytes(content)
    if old:
        os.utime(half, ns=(LONG_AGO, LONG_AGO))
    half.replace(path)


@contextmanager
def opened_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    opened: list[str] = []
    real = open

    def spy(path: object, *args: object, **kwargs: object) -> object:
        opened.append(str(path))
        return real(path, *args, **kwargs)  # type: ignore[call-overload]

    with monkeypatch.context() as patched:
        patched.setattr("builtins.open", spy)
        yield opened


async def test_a_tree_is_news_when_it_is_another(tmp_path: Path) -> None:
    tree = Watched(write_policies(tmp_path, {"a.rego": "package a\n", "acme/data.json": "{}"}))
    first = await tree.fetch()
    assert isinstance(first, Tree)
    assert [name for name, _ in first.files] == ["a.rego", "acme/data.json"]
    assert await tree.fetch() is None
    write_policies(tmp_path, {".hidden.rego": "package b\n", "README": "no policy"})
    assert await tree.fetch() is None
    write_policies(
        tmp_path, {"a.rego": "package c\n"}
    )  # of the same length, and within the same tick of a coarse clock
    assert isinstance(await tree.fetch(), Tree)
    (tmp_path / "acme/data.json").unlink()
    assert isinstance(await tree.fetch(), Tree)


async def test_what_is_as_it_was_is_not_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_policies(tmp_path, {"a.rego": "package a\n", "b.rego": "package b\n"})
    for name in ("a.rego", "b.rego"):
        os.utime(tmp_path / name, ns=(LONG_AGO, LONG_AGO))
    monkeypatch.setattr("doorward.bundle.tree._SETTLED_NS", -1 << 62)  # the change time cannot be set back
    tree = Watched(tmp_path)
    await tree.fetch()
    with opened_files(monkeypatch) as opened:
        assert await tree.fetch() is None
        assert opened == []
        write_policies(tmp_path, {"b.rego": "package b2\n"})
        opened.clear()
        assert isinstance(await tree.fetch(), Tree)
    assert opened == [str(tmp_path / "b.rego")]


async def test_a_bundle_is_news_when_it_is_another(tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar.gz"
    put(path, A)
    bundle = Watched(path)
    assert await bundle.fetch() == Bundled(A)
    assert await bundle.fetch() is None
    put(path, B)
    assert await bundle.fetch() == Bundled(B)
    put(path, B)
    assert await bundle.fetch() is None


async def test_a_settled_bundle_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bundle.tar.gz"
    put(path, A, old=True)
    bundle = Watched(path)
    await bundle.fetch()
    path.chmod(0o000)
    assert await bundle.fetch() is None
    put(path, B, old=True)
    assert await bundle.fetch() == Bundled(B)


async def test_a_bundle_beyond_its_bound_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "bundle.tar.gz"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    bundle = Watched(path, max_bytes=10_000)
    for _ in range(2):
        with pytest.raises(BundleError, match="larger than 10000 bytes"):
            await bundle.fetch()


async def test_what_is_gone_is_an_error_and_news_when_it_is_back(tmp_path: Path) -> None:
    folder = write_policies(tmp_path / "policies", {"a.rego": "package a\n"})
    tree = Watched(folder)
    await tree.fetch()
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(SourceError, match="no such file"):
        await tree.fetch()
    (tmp_path / "elsewhere").rename(folder)
    assert isinstance(await tree.fetch(), Tree)


@pytest.mark.parametrize("kind", ["file in a tree", "bundle", "single file", "link to a tree", "comes to be"])
async def test_a_change_is_noticed(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doorward.serve.policies.watched._LOOK_EVERY_MS", 100)
    policies = tmp_path / "policies"
    if kind == "bundle":
        put(tmp_path / "x.tar.gz", A)
        source, change = Watched(tmp_path / "x.tar.gz"), lambda: put(tmp_path / "x.tar.gz", B)
    elif kind == "single file":
        write_policies(tmp_path, {"a.rego": "package a\n"})
        source, change = Watched(tmp_path / "a.rego"), lambda: put(tmp_path / "a.rego", b"package b\n")
    elif kind == "link to a tree":
        for name in ("one", "two"):
            write_policies(tmp_path / name, {"a.rego": f"package {name}\n"})
        policies.symlink_to(tmp_path / "one")

        def change() -> None:
            (tmp_path / "half").symlink_to(tmp_path / "two")
            (tmp_path / "half").replace(policies)

        source = Watched(policies)
    elif kind == "comes to be":
        source, change = Watched(policies), lambda: write_policies(policies, {"a.rego": "package a\n"})
    else:
        write_policies(policies, {"deep/a.rego": "package a\n"})
        source, change = Watched(policies), lambda: put(policies / "deep/a.rego", b"package b\n")

    async def follow() -> Arrived:
        while True:
            await source.wait()
            try:
                found = await source.fetch()
            except SourceError:
                continue
            if found is not None:
                return found

    if kind != "comes to be":
        await source.fetch()
    following = asyncio.create_task(follow())
    await asyncio.sleep(0)
    change()
    await asyncio.wait_for(following, PATIENCE)
    await source.close()
