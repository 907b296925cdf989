"""Bundles as bytes: the same tree gives the same bytes, and hostile archives are refused with a reason."""

from __future__ import annotations

import gzip
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.bundle.archive import pack, unpack
from doorward.bundle.errors import BundleError

_PART = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12
).filter(lambda part: part not in (".", ".."))
_NAMES = st.lists(_PART, min_size=1, max_size=3).map("/".join)


@given(st.dictionaries(_NAMES, st.binary(max_size=200), max_size=8), st.randoms())
def test_what_is_packed_comes_back_and_its_bytes_depend_on_nothing_else(
    files: dict[str, bytes], order
) -> None:
    shuffled = list(files.items())
    order.shuffle(shuffled)
    assert unpack(pack(files)) == files
    assert pack(dict(shuffled)) == pack(files)


@given(st.binary(max_size=300))
def test_bytes_that_are_no_bundle_are_refused(content: bytes) -> None:
    with pytest.raises(BundleError):
        unpack(content)


@given(st.integers(1, 10_000), st.integers(0, 255))
def test_a_torn_or_changed_archive_is_refused_or_read_whole(at: int, byte: int) -> None:
    packed = pack({"a.rego": b"package a\n" * 100})
    for damaged in (packed[: at % len(packed)], _changed(packed, at, byte)):
        try:
            files = unpack(damaged)
        except BundleError:
            continue
        assert files == {"a.rego": b"package a\n" * 100}


def _changed(packed: bytes, at: int, byte: int) -> bytes:
    at %= len(packed)
    return packed[:at] + bytes([byte]) + packed[at + 1 :]


def _archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([(_member("../etc/passwd"), b"x")], "`../etc/passwd` is no name for a file"),
        ([(_member("a/../../b"), b"x")], "is no name for a file"),
        ([(_member("/"), b"x")], "is no name for a file"),
        (
            [(_member("a.rego", tarfile.SYMTYPE, "/etc/passwd"), b"")],
            "`a.rego` in the bundle is not a plain file",
        ),
        ([(_member("a.rego", tarfile.LNKTYPE, "b.rego"), b"")], "is not a plain file"),
        ([(_member("a.rego", tarfile.FIFOTYPE), b"")], "is not a plain file"),
        ([(_member("a.rego"), b"1"), (_member("./a.rego"), b"2")], "holds `a.rego` twice"),
        ([(_member("a.rego"), b"1"), (_member("/a.rego"), b"2")], "holds `a.rego` twice"),
    ],
)
def test_members_that_could_mislead_are_refused(members, said: str) -> None:
    with pytest.raises(BundleError, match=said):
        unpack(_archive(*members))


def test_folders_and_leading_slashes_are_as_in_a_bundle_of_opa() -> None:
    assert unpack(_archive((_member("acme", tarfile.DIRTYPE), b""), (_member("/acme/a.rego"), b"x"))) == {
        "acme/a.rego": b"x"
    }


def test_a_small_file_that_unpacks_to_a_large_one_is_refused_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doorward.bundle.archive._MAX_BYTES", 1 << 20)
    with pytest.raises(BundleError, match="more than 1048576 bytes"):
        unpack(_archive((_member("bomb.json"), bytes(2 << 20))))
    monkeypatch.setattr("doorward.bundle.archive._MAX_FILES", 3)
    padding = gzip.compress(bytes(512) * 10_000)  # no file at all, and no end of it
    with pytest.raises(BundleError, match="more than 1048576 bytes"):
        unpack(padding)


def test_too_many_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doorward.bundle.archive._MAX_FILES", 3)
    with pytest.raises(BundleError, match="more than 3 files"):
        unpack(pack({f"{number}.rego": b"" for number in range(4)}))
