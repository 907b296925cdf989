"""Policies as one file to hand over: `build` a bundle, `sign` it, `inspect` what is in one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doorward.cli.output import CAPABILITIES_HELP, USAGE, fail, print_json, read_allowed, reported

if TYPE_CHECKING:
    from doorward.bundle import Bundle, Verification

__all__ = ["build", "inspect", "register", "sign"]

_KEY_HELP = "File with the private key in PEM, or with the secret for the HS algorithms."
_SigningKey = Annotated[
    Path | None, typer.Option("--signing-key", help=_KEY_HELP, envvar="DOORWARD_SIGNING_KEY")
]
_SigningAlgorithm = Annotated[str, typer.Option("--signing-alg", help="RS256, ES256, PS256, HS256, …")]
_Claims = Annotated[
    Path | None,
    typer.Option("--claims-file", help="JSON object to join the signature's payload: keyid, scope, …"),
]


def register(app: typer.Typer) -> None:
    """Adds `build`, `sign` and `inspect`."""
    app.command()(build)
    app.command()(sign)
    app.command()(inspect)


def build(
    policies: Annotated[Path, typer.Argument(help="Directory of policies and data, or one file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")] = Path("bundle.tar.gz"),
    revision: Annotated[
        str,
        typer.Option(
            "--revision", "-r", help="Name of the revision; else the git commit, else the content's hash."
        ),
    ] = "",
    root: Annotated[
        list[str] | None,
        typer.Option("--root", help="Path below data that the bundle alone fills; several are allowed."),
    ] = None,
    signing_key: _SigningKey = None,
    signing_algorithm: _SigningAlgorithm = "RS256",
    claims: _Claims = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings are errors.")] = False,
    allowed: Annotated[Path | None, typer.Option("--capabilities", help=CAPABILITIES_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Build a bundle in OPA's layout: policies and data as one file, the same bytes from the same tree.

    What does not pass `check` is not built. `serve`, `decide` and the other commands take a bundle where they take a
    directory.
    """
    from doorward.bundle import Manifest, build_bundle, bundle_files, git_commit, policies_of, read_files
    from doorward.bundle import sign as signature_of
    from doorward.bundle.signatures import read_key
    from doorward.engine import Engine

    with reported(as_json=as_json):
        tree = read_files(policies)
        commit = git_commit(policies)
        policy_set = policies_of(sorted(tree.items()), commit)
        engine = Engine(policy_set, strict=strict, capabilities=read_allowed(allowed))
        clean = commit if not commit.endswith("-dirty") else ""
        manifest = Manifest(
            revision=revision or clean or policy_set.revision,
            roots=tuple(sorted(root or [""])),
            metadata={"git_commit": commit} if commit else {},
        )
        files = bundle_files(tree, manifest)
        signatures = None
        if signing_key is not None:
            signatures = signature_of(
                files,
                read_key(signing_key, signing_algorithm),
                algorithm=signing_algorithm,
                claims=_read_claims(claims),
            )
        content = build_bundle(files, signatures)
        _written_whole(output, content)
    summary = {
        "bundle": str(output),
        "bytes": len(content),
        "revision": manifest.revision,
        "modules": len(policy_set.sources),
        "statements": engine.statements,
        "signed": signatures is not None,
    }
    if as_json:
        print_json(summary)
    else:
        state = f"signed with {signing_algorithm}" if signatures is not None else "not signed"
        typer.echo(
            f"{output}: {len(policy_set.sources)} modules, revision {manifest.revision}, {state}, {len(content)} bytes"
        )


def sign(
    bundle: Annotated[Path, typer.Argument(help="Bundle to sign.")],
    signing_key: Annotated[
        Path, typer.Option("--signing-key", help=_KEY_HELP, envvar="DOORWARD_SIGNING_KEY")
    ],
    signing_algorithm: _SigningAlgorithm = "RS256",
    claims: _Claims = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; else the bundle itself is replaced.")
    ] = None,
) -> None:
    """Sign a bundle, in place of any signature that it has."""
    from doorward.bundle import build_bundle, read_bundle
    from doorward.bundle import sign as signature_of
    from doorward.bundle.signatures import read_key

    with reported():
        files = dict(read_bundle(bundle.read_bytes()).files)
        signatures = signature_of(
            files,
            read_key(signing_key, signing_algorithm),
            algorithm=signing_algorithm,
            claims=_read_claims(claims),
        )
        _written_whole(output or bundle, build_bundle(files, signatures))
    typer.echo(f"{output or bundle}: signed with {signing_algorithm}")


def inspect(
    bundle: Annotated[Path, typer.Argument(help="Bundle, directory of policies, or one file.")],
    verification_key: Annotated[
        Path | None,
        typer.Option(
            help="File with the public key or certificate in PEM, or with the secret: the bundle must be signed by it."
        ),
    ] = None,
    verification_algorithm: Annotated[
        str, typer.Option("--verification-alg", help="Algorithm of that key.")
    ] = "RS256",
    scope: Annotated[str | None, typer.Option(help="Scope that the signature must be for.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show what is in a bundle: its manifest, signature, packages, kinds of request and data."""
    from doorward.bundle import Verification, is_bundle, read_bundle, read_policies
    from doorward.bundle.signatures import read_key
    from doorward_dsl import parse_module

    with reported(as_json=as_json):
        by: Verification | None = None
        if verification_key is not None:
            by = Verification(
                read_key(verification_key, verification_algorithm), verification_algorithm, scope
            )
        opened = read_bundle(bundle.read_bytes(), by) if by is not None or is_bundle(bundle) else None
        policies = opened.policies if opened is not None else read_policies(bundle)
        modules = [parse_module(source) for source in policies.sources]
    packages: dict[str, list[str]] = {}
    kinds: dict[str, int] = {}
    for module in modules:
        packages.setdefault("data." + ".".join(module.package), []).append(module.span.source.name)
        for kind in module.governs:
            kinds[kind] = kinds.get(kind, 0) + len(module.statements)
    summary: dict[str, Any] = {
        "content": policies.revision,
        **(_of_bundle(opened) if opened is not None else {}),
        "packages": packages,
        "statements": kinds,
        "data": sorted(f"data.{key}" for key in policies.data),
    }
    if as_json:
        print_json(summary)
    else:
        _show(summary)


def _of_bundle(opened: Bundle) -> dict[str, Any]:
    from doorward.bundle.signatures import SIGNATURES

    manifest, signature = opened.manifest, opened.signature
    state = (
        "verified"
        if signature is not None
        else "present, not verified"
        if SIGNATURES in opened.files
        else "none"
    )
    claims = {name: value for name, value in (signature or {}).items() if name != "files"}
    return {
        "revision": manifest.revision,
        "roots": list(manifest.roots),
        "metadata": manifest.metadata,
        "signature": state,
        **({"claims": claims} if claims else {}),
    }


def _show(summary: Mapping[str, Any]) -> None:
    for name in ("revision", "content", "signature"):
        if name in summary:
            typer.echo(f"{name:<10} {summary[name]}")
    if summary.get("roots", [""]) != [""]:
        typer.echo(f"{'roots':<10} {', '.join(summary['roots'])}")
    for name in ("metadata", "claims"):
        for key, value in summary.get(name, {}).items():
            typer.echo(f"{key:<10} {value if isinstance(value, str) else json.dumps(value)}")
    typer.echo("packages")
    for package, files in sorted(summary["packages"].items()):
        typer.echo(f"  {package:<32} {', '.join(files)}")
    typer.echo("statements")
    for kind, number in sorted(summary["statements"].items()):
        typer.echo(f"  {kind:<32} {number}")
    typer.echo("data")
    for path in summary["data"]:
        typer.echo(f"  {path}")


def _read_claims(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        claims = json.loads(path.read_bytes())
    except ValueError as error:
        raise fail(f"`{path}` is not JSON: {error}", USAGE) from None
    if not isinstance(claims, dict):
        raise fail(f"`{path}` does not hold a JSON object", USAGE)
    return claims


def _written_whole(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever reads half of it."""
    half = path.with_name(f".{path.name}.new")
    try:
        half.write_bytes(content)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
