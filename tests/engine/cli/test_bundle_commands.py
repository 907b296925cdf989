"""`doorward build`, `sign` and `inspect`, run as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner, Result

from doorward.cli.main import build as application

GOOD = 'package acme\n\ngoverns postgres\n\nallow "reading" if sql.read_only\n'


def run(*args: object) -> Result:
    return CliRunner().invoke(application(), [str(arg) for arg in args])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "policies"
    (root / "acme").mkdir(parents=True)
    (root / "acme/access.ward").write_text(GOOD)
    (root / "acme/data.json").write_text('{"limit": 5}')
    return root


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    private = ec.generate_private_key(ec.SECP256R1())
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    key, public = tmp_path / "key.pem", tmp_path / "public.pem"
    key.write_bytes(private.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    public.write_bytes(
        private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return key, public


def test_build_sign_inspect_decide(tree: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    bundle = tmp_path / "out.tar.gz"
    built = run("build", tree, "-o", bundle, "-r", "v7", "--root", "acme", "--json")
    assert built.exit_code == 0, built.output
    assert json.loads(built.stdout) | {"bytes": 0} == {
        "bundle": str(bundle), "bytes": 0, "revision": "v7", "modules": 1, "statements": 1, "signed": False,
    }  # fmt: skip
    unsigned = bundle.read_bytes()
    verifying = ("--verification-key", keys[1], "--verification-alg", "ES256")
    refused = run("inspect", bundle, *verifying)
    assert (refused.exit_code, "not signed" in refused.stderr) == (1, True)

    assert run("sign", bundle, "--signing-key", keys[0], "--signing-alg", "ES256").exit_code == 0
    assert bundle.read_bytes() != unsigned
    shown = json.loads(run("inspect", bundle, *verifying, "--json").stdout)
    assert shown["signature"] == "verified"
    assert shown["revision"] == "v7"
    assert shown["roots"] == ["acme"]
    assert shown["packages"] == {"data.acme": ["acme/access.ward"]}
    assert shown["statements"] == {"postgres": 1}
    assert shown["data"] == ["data.acme"]

    request = tmp_path / "request.json"
    request.write_text('{"resource": {"kind": "postgres"}, "postgres": {"statement": "select 1"}}')
    assert run("decide", bundle, request).exit_code == 0
    assert run("check", bundle).exit_code == 0


def test_the_same_tree_gives_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "1.tar.gz", tmp_path / "2.tar.gz"
    assert run("build", tree, "-o", first).exit_code == 0
    (tree / "acme/access.ward").touch()
    assert run("build", tree, "-o", second).exit_code == 0
    assert first.read_bytes() == second.read_bytes()


def test_what_does_not_pass_check_is_not_built(tree: Path, tmp_path: Path) -> None:
    (tree / "acme/access.ward").write_text(GOOD.replace("read_only", "readonly"))
    bundle = tmp_path / "out.tar.gz"
    bundle.write_text("the last good one")
    refused = run("build", tree, "-o", bundle)
    assert refused.exit_code == 1
    assert "did you mean `read_only`?" in refused.stderr
    assert bundle.read_text() == "the last good one"


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("inspect", "{tree}/acme/data.json", "--verification-key", "{public}"), 1, "not a bundle"),
        (("inspect", "{tree}/none.tar.gz"), 3, "no such file"),
        (("build", "{tree}", "-o", "{tree}/none/b.tar.gz"), 3, "no such file"),
        (
            (
                "build",
                "{tree}",
                "-o",
                "{tree}/b.tar.gz",
                "--signing-key",
                "{public}",
                "--signing-alg",
                "ES256",
            ),
            1,
            "cannot sign",
        ),
        (
            ("build", "{tree}", "-o", "{tree}/b.tar.gz", "--signing-key", "{key}", "--signing-alg", "ES999"),
            1,
            "no signing algorithm",
        ),
    ],
)
def test_mistakes_are_told_in_one_line(
    tree: Path, keys: tuple[Path, Path], arguments: tuple[str, ...], status: int, said: str
) -> None:
    result = run(*(argument.format(tree=tree, key=keys[0], public=keys[1]) for argument in arguments))
    assert result.exit_code == status, result.output
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_inspect_tells_a_person(tree: Path) -> None:
    shown = run("inspect", tree)
    assert shown.exit_code == 0
    assert "data.acme" in shown.stdout
    assert "postgres" in shown.stdout
