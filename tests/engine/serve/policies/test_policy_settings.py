"""What can be said of where policies come from, and what is refused before anything is asked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from doorward.serve.configuration.load import load
from doorward.serve.policies.git_remote import GitRemote
from doorward.serve.policies.http_bundle import HttpBundle
from doorward.serve.policies.settings import PolicySettings, SignatureSettings
from doorward.serve.policies.sources import source_of
from doorward.serve.policies.watched import Watched
from doorward.serve.settings import ServeSettings


def told(value: Any) -> PolicySettings:
    return PolicySettings.model_validate(value)


@pytest.mark.parametrize(
    ("source", "kind", "name"),
    [
        ("policies/", Watched, "policies"),
        ("/etc/doorward/bundle.tar.gz", Watched, "/etc/doorward/bundle.tar.gz"),
        ("https://host/b.tar.gz", HttpBundle, "https://host/b.tar.gz"),
        ("https://host/b.tar.gz?sig=secret", HttpBundle, "https://host/b.tar.gz?…"),
        ("http://127.0.0.1:9/b.tar.gz", HttpBundle, "http://127.0.0.1:9/b.tar.gz"),
        ("http://[::1]:9/b.tar.gz", HttpBundle, "http://[::1]:9/b.tar.gz"),
        ("git+https://host/repo.git#main:prod", GitRemote, "git+https://host/repo.git#main:prod"),
        ("git+ssh://git@host/repo", GitRemote, "git+ssh://host/repo"),
        ("git+file:///srv/repo.git", GitRemote, "git+file:///srv/repo.git"),
    ],
)
def test_a_source_is_known_by_its_form(source: str, kind: type, name: str) -> None:
    settings = told(source)
    assert settings == told({"source": source})
    assert isinstance(source_of(settings), kind)
    assert settings.name == source_of(settings).name == name


@pytest.mark.parametrize(
    ("source", "url", "ref", "folder"),
    [
        ("git+https://host/repo", "https://host/repo", "HEAD", ""),
        ("git+https://host/repo#v1", "https://host/repo", "v1", ""),
        ("git+https://host/repo#refs/heads/a:b/c/", "https://host/repo", "refs/heads/a", "b/c"),
        ("git+https://host/repo#:b", "https://host/repo", "HEAD", "b"),
    ],
)
def test_a_git_remote_names_a_place(source: str, url: str, ref: str, folder: str) -> None:
    settings = told(source)
    assert (settings.url, settings.ref, settings.folder) == (url, ref, folder)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"source": ""}, "at least 1"),
    ({"source": "ftp://host/b.tar.gz"}, "policies come from"),
    ({"source": "git+git://host/repo"}, "policies come from"),
    ({"source": "git+ext://sh -c whoami"}, "policies come from"),
    ({"source": "git+/srv/repo"}, "policies come from"),
    ({"source": "https:///b.tar.gz"}, "names no host"),
    ({"source": "https://user:secret@host/b"}, "credentials do not belong"),
    ({"source": "https://token@host/b"}, "credentials do not belong"),
    ({"source": "git+https://user:secret@host/b"}, "credentials do not belong"),
    ({"source": "https://host/b#main"}, "means something only"),
    ({"source": "http://host/b"}, "whoever is on the way"),
    ({"source": "git+http://host/b"}, "whoever is on the way"),
    ({"source": "git+https://host/b#--upload-pack=x"}, "no name of a git reference"),
    ({"source": "https://host/b", "min_delay_seconds": 30}, "more than `max_delay_seconds`"),
    ({"source": "https://host/b", "client_cert": __file__}, "go together"),
    ({"source": "https://host/b", "token_env": "A", "token_file": __file__}, "exclude each other"),
    ({"source": "https://host/b", "ssh_key": __file__}, "`ssh_key` says nothing of a bundle from a URL"),
    ({"source": "https://host/b", "signers": __file__}, "`signers` says nothing"),
    ({"source": "policies", "token_env": "A"}, "`token_env` says nothing of a path"),
    ({"source": "policies", "min_delay_seconds": 1}, "says nothing of a path"),
    (
        {"source": "git+https://host/b", "signatures": {"keys": [{"file": __file__}]}},
        "`signatures` says nothing of a git remote",
    ),
    ({"source": "https://host/b", "token_file": "nowhere"}, "there is no file"),
    ({"source": "https://host/b", "signatures": {"keys": []}}, "at least 1"),
    (
        {"source": "https://host/b", "signatures": {"keys": [{"file": __file__, "algorithm": "none"}]}},
        "RS256",
    ),
    ({"source": "https://host/b", "proxy": "socks5://host"}, "pattern"),
    ({"source": "https://host/b", "tokn_file": "x"}, "not permitted"),
]


@pytest.mark.parametrize(("value", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_what_cannot_be_meant_is_refused(value: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        told(value)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_plain_http_may_be_meant() -> None:
    assert told({"source": "http://bundles/b.tar.gz", "allow_plaintext": True}).kind == "bundle"


def test_paths_are_from_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    context = {"directory": tmp_path}
    assert PolicySettings.model_validate("policies", context=context).source == str(tmp_path / "policies")
    remote = PolicySettings.model_validate(
        {"source": "https://host/b", "token_file": "token"}, context=context
    )
    assert remote.token_file == tmp_path / "token"
    assert remote.token() == "t"


def test_keys_are_read_when_they_are_needed(tmp_path: Path) -> None:
    secret, public = tmp_path / "secret", tmp_path / "public.pem"
    secret.write_text("s3cret\n")
    public.write_text("-----BEGIN PUBLIC KEY-----\n")
    settings = SignatureSettings.model_validate(
        {
            "keys": [
                {"file": secret, "algorithm": "HS256", "keyid": "old"},
                {"file": public, "algorithm": "ES256"},
            ],
            "scope": "prod",
        }
    )
    first, second = settings.verifications()
    assert (first.key, first.algorithm, first.scope, first.keyid) == ("s3cret", "HS256", "prod", "old")
    assert (second.key, second.keyid) == ("-----BEGIN PUBLIC KEY-----\n", None)
    secret.write_text("another\n")
    assert settings.verifications()[0].key == "another"


PAGE = Path(__file__).resolve().parents[4] / "docs/service.md"
EXAMPLES = re.findall(
    r"^```yaml\n(.*?)^```",
    re.split("^## ", PAGE.read_text().partition("## How policies arrive")[2], flags=re.M)[0],
    re.M | re.S,
)


@pytest.mark.parametrize("text", EXAMPLES)
def test_what_the_documentation_shows_can_be_said(tmp_path: Path, text: str) -> None:
    for name in ("bundle.token", "internal-ca.pem", "engine.pem", "engine.key", "allowed-signers"):
        (tmp_path / name).write_text("content")
    for name in ("release.pem", "release-next.pem"):
        (tmp_path / name).write_text("key")
    (tmp_path / "doorward.yaml").write_text(text)
    settings = load(ServeSettings, file=tmp_path / "doorward.yaml", environment={}, flags={})
    assert settings.policies.kind in ("bundle", "git")
    assert len(EXAMPLES) == 3
