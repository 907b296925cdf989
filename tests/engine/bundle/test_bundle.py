"""Bundles from trees: the same decisions, the same bytes; what OPA builds is read, and what we build OPA runs."""

from __future__ import annotations

import json
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from doorward import Engine
from doorward.bundle import (
    BundleError,
    Manifest,
    SignatureError,
    Verification,
    build_bundle,
    bundle_files,
    read_bundle,
    read_files,
    read_policies,
    sign,
)
from doorward.bundle.archive import pack

TREE = {
    "acme/access.ward": 'package acme\n\ngoverns postgres\n\nallow "staff" if data.acme.staff[principal.id]\n',
    "acme/rules.rego": "package acme.rules\n\nlimit := data.acme.limit\n",
    "acme/data.json": '{"staff": {"ada": true}}',
    "regions/data.yaml": "eu: [de, fr]\n",
    "extra/roles.json": '{"admin": 1e400, "rate": 1.50}',
    "extra/more.yml": 'odd: "\\u2028"\n',
    "README.md": "not part of it",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "policies"
    for name, text in TREE.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def built(tree: Path, **manifest) -> bytes:
    return build_bundle(bundle_files(read_files(tree), Manifest(**manifest)))


def test_a_bundle_is_the_tree_it_was_built_from(tree: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "b.tar.gz"
    bundle.write_bytes(built(tree, revision="r1"))
    policies, direct = read_policies(bundle), read_policies(tree)
    assert [(source.name, source.text) for source in policies.sources] == [
        (source.name, source.text) for source in direct.sources
    ]
    assert policies.data == direct.data
    assert policies.data["extra"] == {"admin": Decimal("1e400"), "rate": 1.5, "odd": "\u2028"}
    assert built(tree, revision="r1") == bundle.read_bytes()
    request = {
        "resource": {"kind": "postgres"},
        "principal": {"id": "ada"},
        "postgres": {"statement": "select 1"},
    }
    assert Engine.from_path(bundle).decide(request).verdict == "allow"


def test_a_tree_whose_data_is_named_as_in_a_bundle_keeps_its_revision(tree: Path, tmp_path: Path) -> None:
    shutil.rmtree(tree / "extra")
    bundle = tmp_path / "b.tar.gz"
    bundle.write_bytes(built(tree))
    assert read_policies(bundle).revision == read_policies(tree).revision


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({".manifest": b"[]"}, "`.manifest` in the bundle cannot be taken"),
        ({".manifest": b'{"rego_version": 0}'}, "`rego_version`"),
        ({".manifest": b'{"wasm": [{"entrypoint": "a"}]}'}, "`wasm"),
        ({"policy.wasm": b""}, "cannot be run here"),
        (
            {".manifest": b'{"roots": ["acme"]}', "data.json": b'{"other": 1}'},
            r"`data\.other` is outside the bundle's roots",
        ),
        ({".manifest": b'{"roots": ["acme"]}', "a.rego": b"package other\n"}, r"`data\.other` is outside"),
        (
            {".manifest": b'{"roots": ["acme"]}', "a.rego": b"package acmeville\n"},
            r"`data\.acmeville` is outside",
        ),
    ],
)
def test_what_cannot_be_taken_as_it_is_meant_is_refused(files: dict[str, bytes], said: str) -> None:
    with pytest.raises(BundleError, match=said):
        read_bundle(pack(files))


def test_roots_hold_what_lies_below_them() -> None:
    files = {
        ".manifest": b'{"roots": ["acme/eu", "shared"]}',
        "a.rego": b"package acme.eu.x\n",
        "data.json": b'{"shared": 1}',
    }
    assert read_bundle(pack(files)).manifest.roots == ("acme/eu", "shared")


def test_where_a_signature_is_asked_for_nothing_unsigned_is_read(tree: Path, tmp_path: Path) -> None:
    by = Verification("a shared secret of some length....", "HS256")
    files = bundle_files(read_files(tree), Manifest())
    bundle = tmp_path / "b.tar.gz"
    bundle.write_bytes(build_bundle(files))
    with pytest.raises(SignatureError, match="not signed"):
        read_policies(bundle, by)
    with pytest.raises(BundleError):
        read_policies(tree / "acme/access.ward", by)
    bundle.write_bytes(build_bundle(files, sign(files, by.key, algorithm="HS256")))
    assert read_policies(bundle, by).data["regions"] == {"eu": ["de", "fr"]}


def test_opa_runs_our_bundle_and_we_read_its(tree: Path, tmp_path: Path) -> None:
    opa = shutil.which("opa")
    if opa is None:
        pytest.skip("opa is not installed: bundles are not exchanged with it")
    ours, theirs = tmp_path / "ours.tar.gz", tmp_path / "theirs.tar.gz"
    ours.write_bytes(built(tree))
    ran = subprocess.run(
        [opa, "eval", "-b", ours, "data.extra.rate"], capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(ran.stdout)["result"][0]["expressions"][0]["value"] == 1.5
    subprocess.run([opa, "build", "-b", ours, "-o", theirs, "-r", "r2"], timeout=60, check=True)
    bundle = read_bundle(theirs.read_bytes())
    assert bundle.manifest.revision == "r2"
    assert bundle.policies.data == read_policies(ours).data
    assert [source.text for source in bundle.policies.sources] == [TREE["acme/rules.rego"]]


def test_where_no_signature_is_required_one_that_is_there_must_still_verify() -> None:
    files = {"a.rego": b"package a\n"}
    by = Verification("a shared secret of some length....", "HS256")
    assert read_bundle(build_bundle(files), by, required=False).signature is None
    whole = build_bundle(files, sign(files, by.key, algorithm="HS256"))
    assert read_bundle(whole, by, required=False).signature is not None
    with pytest.raises(SignatureError):
        read_bundle(whole, Verification("another secret of some length.....", "HS256"), required=False)
