"""Policies from git: what is fetched, what it is called, and what a remote cannot make git do."""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.support.git import Repository, http_backend
from tests.support.web import Asked, answer, web

from doorward.bundle import SignatureError
from doorward.serve.policies.git_remote import GitRemote
from doorward.serve.policies.settings import PolicySettings
from doorward.serve.policies.source import SourceError, Tree, opened

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

ONE = {
    "policies/a.rego": "package a\n\nx := 1\n",
    "README.md": "not a policy",
    ".hidden/b.rego": "package b\n",
}
TWO = {"policies/a.rego": "package a\n\nx := 2\n", "policies/acme/data.json": '{"limit": 3}'}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "policies.git")


def source(url: str, **settings: Any) -> GitRemote:
    return GitRemote(PolicySettings.model_validate({"source": url, **settings}))


def names(arrived: object) -> list[str]:
    assert isinstance(arrived, Tree)
    return [name for name, _ in arrived.files]


async def test_a_commit_is_fetched_once_and_named(repository: Repository) -> None:
    remote = source(repository.url)
    first = repository.commit(ONE)
    arrived = await remote.fetch()
    assert isinstance(arrived, Tree)
    assert (names(arrived), arrived.commit) == (["policies/a.rego"], first)
    policies = opened(arrived, None)
    assert policies.git_commit == first
    assert await remote.fetch() is None
    second = repository.commit(TWO)
    changed = await remote.fetch()
    assert isinstance(changed, Tree)
    assert (names(changed), changed.commit) == (["policies/a.rego", "policies/acme/data.json"], second)
    await remote.close()


async def test_what_did_not_change_is_not_read_again(repository: Repository) -> None:
    remote = source(repository.url)
    repository.commit(ONE)
    before = await remote.fetch()
    assert before is not None
    (first,) = opened(before, None).sources
    repository.commit({"policies/other.rego": "package other\n"})
    after = await remote.fetch()
    assert after is not None
    assert opened(after, None).sources[0] is first
    await remote.close()


async def test_a_folder_is_the_top_of_the_tree(repository: Repository) -> None:
    repository.commit(TWO)
    remote = source(f"{repository.url}#main:policies")
    arrived = await remote.fetch()
    assert isinstance(arrived, Tree)
    assert names(arrived) == ["a.rego", "acme/data.json"]
    assert opened(arrived, None).data == {"acme": {"limit": 3}}
    await remote.close()


@pytest.mark.parametrize("kind", ["branch", "full name", "light tag", "annotated tag", "commit"])
async def test_whatever_names_a_commit_serves(repository: Repository, kind: str) -> None:
    commit = repository.commit(ONE, branch="release")
    repository.commit(TWO)
    repository.git("tag", "light", commit)
    repository.git("tag", "--annotate", "--message", "v1", "annotated", commit)
    repository.git("push", "--quiet", "--tags")
    ref = {
        "branch": "release",
        "full name": "refs/heads/release",
        "light tag": "light",
        "annotated tag": "annotated",
        "commit": commit,
    }[kind]
    remote = source(f"{repository.url}#{ref}")
    arrived = await remote.fetch()
    assert isinstance(arrived, Tree)
    assert arrived.commit == commit
    await remote.close()


async def test_history_that_was_written_anew_is_taken_as_it_is(repository: Repository) -> None:
    remote = source(f"{repository.url}#main:policies")
    repository.commit(TWO)
    await remote.fetch()
    repository.git("checkout", "--quiet", "--orphan", "anew")
    repository.git("rm", "-r", "--quiet", "--force", ".")
    commit = repository.commit(ONE)
    arrived = await remote.fetch()
    assert isinstance(arrived, Tree)
    assert (names(arrived), arrived.commit) == (["a.rego"], commit)
    await remote.close()


@pytest.mark.parametrize(
    ("fragment", "said"),
    [("nowhere", "nowhere"), ("main:nowhere", "nowhere"), ("main:policies/a.rego/b", "cannot be fetched")],
)
async def test_what_is_not_there_is_an_error(repository: Repository, fragment: str, said: str) -> None:
    repository.commit(ONE)
    remote = source(f"{repository.url}#{fragment}")
    for _ in range(2):
        with pytest.raises(SourceError, match=said):
            await remote.fetch()
    await remote.close()


async def test_links_and_submodules_lead_nowhere(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "outside.rego").write_text("package outside\n")
    commit = repository.commit(ONE)
    (tmp_path / "policies.git.work/policies/link.rego").symlink_to(tmp_path / "outside.rego")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{commit},policies/sub.rego")
    repository.commit({})
    remote = source(repository.url)
    assert names(await remote.fetch()) == ["policies/a.rego"]
    await remote.close()


async def test_git_writes_no_more_than_it_may(repository: Repository) -> None:
    import random

    noise = random.Random(1)
    repository.commit({"a.json": '"' + "".join(f"{noise.random()}" for _ in range(20_000)) + '"'})
    remote = source(repository.url, max_bytes=65_536)
    with pytest.raises(SourceError, match="git"):
        await remote.fetch()
    await remote.close()


async def test_nothing_of_the_users_configuration_is_looked_at(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = repository.commit(ONE)
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        f'[url "file://{tmp_path}/other.git"]\n\tinsteadOf = "file://{repository.path}"\n'
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{tmp_path}/other.git.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", f"file://{repository.path}")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    remote = source(repository.url)
    arrived = await remote.fetch()
    assert isinstance(arrived, Tree)
    assert arrived.commit == commit
    await remote.close()


# --- over HTTP ---


@pytest.mark.parametrize("by", ["a file", "a variable", "a helper"])
async def test_over_http_with_a_token_that_is_given_where_it_is_asked_for(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    first = repository.commit(ONE)
    wanted = "Basic " + base64.b64encode(b"robot:s3cret").decode()

    async def handler(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.headers.get("authorization") == wanted:
            await http_backend(repository.path.parent, asked, writer)
        else:
            writer.write(answer(b"", "401 Unauthorized", www_authenticate='Basic realm="git"'))

    token = tmp_path / "token"
    token.write_text("s3cret\n")
    monkeypatch.setenv("A_TOKEN", "s3cret")
    credentials: dict[str, Any] = {
        "a file": {"username": "robot", "token_file": token},
        "a variable": {"username": "robot", "token_env": "A_TOKEN"},
        "a helper": {
            "credential_helper": f'!f() {{ echo username=robot; echo "password=$(cat {token})"; }}; f'
        },
    }[by]
    async with web(handler) as server:
        url = f"git+{server.url}/{repository.path.name}#main:policies"
        remote = source(url, **credentials)
        arrived = await remote.fetch()
        assert isinstance(arrived, Tree)
        assert arrived.commit == first
        assert await remote.fetch() is None
        repository.commit(TWO)
        assert names(await remote.fetch()) == ["a.rego", "acme/data.json"]
        await remote.close()
        assert server.asked[0].headers.get("authorization") is None
        stranger = source(url)
        with pytest.raises(SourceError, match="could not read Username") as caught:
            await stranger.fetch()
        await stranger.close()
    assert "s3cret" not in str(caught.value)


async def test_over_ssh_nobody_is_asked_and_nothing_is_believed(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a program in the place of ssh that says how it was called, and runs what it was told to right here."""
    commit = repository.commit(ONE)
    for name in ("key", "hosts"):
        (tmp_path / name).write_text("")
    program = tmp_path / "bin/ssh"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/called\nfor last; do :; done\nexec sh -c "$last"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    remote = source(
        f"git+ssh://git@host.example.org{repository.path}",
        ssh_key=tmp_path / "key",
        ssh_known_hosts=tmp_path / "hosts",
    )
    arrived = await remote.fetch()
    await remote.close()
    assert isinstance(arrived, Tree)
    assert arrived.commit == commit
    called = (tmp_path / "called").read_text()
    for option in (
        "-F /dev/null",
        "-o BatchMode=yes",
        "-o StrictHostKeyChecking=yes",
        f"-i {tmp_path}/key",
        "-o IdentitiesOnly=yes",
        f"-o UserKnownHostsFile={tmp_path}/hosts",
        "git@host.example.org",
    ):
        assert option in called


async def test_a_remote_leads_nowhere_else(repository: Repository) -> None:
    repository.commit(ONE)

    async def other(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await http_backend(repository.path.parent, asked, writer)

    async with web(other) as leads_to:

        async def handler(asked: Asked, writer: asyncio.StreamWriter) -> None:
            writer.write(answer(b"", "301 Moved Permanently", location=leads_to.url + asked.target))

        async with web(handler) as server:
            remote = source(f"git+{server.url}/{repository.path.name}")
            with pytest.raises(SourceError, match="cannot be fetched"):
                await remote.fetch()
            await remote.close()
    assert leads_to.asked == []


async def test_a_remote_that_never_answers_is_given_up_with_all_that_was_started(
    repository: Repository,
) -> None:
    gone = asyncio.Event()

    async def handler(_: Asked, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
            while True:
                writer.write(b"0")
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            gone.set()
            raise

    async with web(handler) as server:
        remote = source(f"git+{server.url}/x.git", timeout_seconds=0.5)
        with pytest.raises(SourceError, match=r"within 0\.5 s"):
            await remote.fetch()
        await asyncio.wait_for(gone.wait(), 30)  # the helper that spoke HTTP is gone as well
        await remote.close()


# --- signed ---


@pytest.fixture(scope="session")
def ssh_keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed: signatures by SSH are not tried")
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ours", "theirs"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
        subprocess.run(command, check=True)
    (folder / "signers").write_text("a@example.org " + (folder / "ours.pub").read_text())
    return {name: folder / name for name in ("ours", "theirs", "signers")}


@pytest.mark.parametrize(("signed_by", "accepted"), [("ours", True), ("theirs", False), (None, False)])
@pytest.mark.parametrize("what", ["commit", "tag"])
async def test_only_what_is_signed_by_those_who_may_is_taken(
    tmp_path: Path, ssh_keys: dict[str, Path], what: str, signed_by: str | None, accepted: bool
) -> None:
    signing = [] if signed_by is None else ["gpg.format=ssh", f"user.signingkey={ssh_keys[signed_by]}"]
    always = ["commit.gpgsign=true"] if signed_by is not None and what == "commit" else []
    repository = Repository(tmp_path / "signed.git", *signing, *always)
    commit = repository.commit(ONE)
    if what == "tag":
        repository.git("tag", "--sign" if signed_by else "--annotate", "--message", "v1", "v1")
        repository.git("push", "--quiet", "--tags")
    remote = source(f"{repository.url}#{'v1' if what == 'tag' else 'main'}", signers=ssh_keys["signers"])
    if accepted:
        arrived = await remote.fetch()
        assert isinstance(arrived, Tree)
        assert arrived.commit == commit
    else:
        for _ in range(2):
            with pytest.raises(SignatureError, match=f"the {what} that .* is not signed by one of"):
                await remote.fetch()
    await remote.close()


async def test_without_git_it_is_said_and_with_git_all_is_well(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit(ONE)
    remote = source(repository.url)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", "/nowhere")
        with pytest.raises(SourceError, match="git is not installed"):
            await remote.fetch()
    assert names(await remote.fetch()) == ["policies/a.rego"]
    await remote.close()


async def test_many_commits_begin_the_copy_anew(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("doorward.serve.policies.git_remote._FETCHES", 2)
    remote = source(repository.url)
    for number in range(5):
        commit = repository.commit({"a.rego": f"package a{number}\n"})
        arrived = await remote.fetch()
        assert isinstance(arrived, Tree)
        assert arrived.commit == commit
        assert await remote.fetch() is None
    await remote.close()


def held(folder: Path) -> int:
    return len(list(folder.iterdir()))


async def test_nothing_stays_behind(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    repository.commit(ONE)
    remote = source(repository.url)
    await remote.fetch()
    assert held(place) == 1
    await remote.close()
    assert held(place) == 0
