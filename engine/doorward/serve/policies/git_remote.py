"""Policies from a git remote: one reference of it, fetched without its history by the `git` program.

What comes from a remote is hostile. Git runs with nothing of the user's or the machine's configuration, asks nobody for
anything, runs no hook, speaks one protocol, follows no redirect, and writes no file larger than was allowed. Nothing is
ever checked out.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from doorward.bundle import SignatureError
from doorward.bundle.git_objects import GitError, resolved, run_git, tree_files
from doorward.serve.policies.pace import Pace
from doorward.serve.policies.settings import PolicySettings
from doorward.serve.policies.source import Arrived, SourceError, Tree
from doorward_dsl.source import Source

__all__ = ["GitRemote"]

_NEWEST: Final = "refs/doorward/newest"

_FETCHES: Final = 100
"""Commits after which the repository is begun anew: without history, what is old is never cleared away."""

_BLOCK: Final = 512
"""Bytes of a block, as `ulimit` counts."""

_SAID: Final = 16 << 10
"""Bytes that are looked at of what git says."""

_HELPER: Final = '!f() { test "$1" = get && echo "username=$DOORWARD_GIT_USERNAME" && echo "password=$DOORWARD_GIT_TOKEN"; }; f'
"""A credential helper that gives the token, and only where the server asks for one."""


class GitRemote:
    """A source that fetches a branch, tag or commit, and takes a folder of it."""

    def __init__(self, settings: PolicySettings) -> None:
        self.name = settings.name
        self._settings = settings
        self._pace = Pace(settings.min_delay_seconds, settings.max_delay_seconds)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._fetched = 0
        self._given = ""
        self._contents: dict[str, bytes] = {}
        self._known: dict[str, tuple[bytes, Source]] = {}

    async def fetch(self) -> Arrived | None:
        """See `PolicySource`."""
        self._pace.failed()  # until it has not
        try:
            repository = await self._repository()
            await self._fetch(repository)
            object_id = await asyncio.to_thread(resolved, repository, _NEWEST, self._environment(repository))
            if object_id == self._given:
                self._pace.answered()
                return None
            arrived = await asyncio.to_thread(self._read, repository)
        except TimeoutError:
            raise SourceError(
                f"`{self.name}` was not fetched within {self._settings.timeout_seconds:g} s"
            ) from None
        except (GitError, OSError, ValueError) as error:
            raise SourceError(f"the policies cannot be fetched from `{self.name}`: {error}") from None
        self._pace.answered()
        self._given = object_id
        self._fetched += 1
        return arrived

    async def wait(self) -> None:
        """See `PolicySource`."""
        await asyncio.sleep(self._pace.delay())

    async def close(self) -> None:
        """See `PolicySource`."""
        if self._folder is not None:
            folder, self._folder = self._folder, None
            await asyncio.to_thread(folder.cleanup)

    async def _repository(self) -> Path:
        """An empty repository, or the one that was fetched into before."""
        if self._folder is not None and self._fetched < _FETCHES:
            return Path(self._folder.name)
        await self.close()
        folder = tempfile.TemporaryDirectory(prefix="doorward-git-")
        repository = Path(folder.name)
        command = ["init", "--bare", "--quiet", "--template="]
        try:
            await asyncio.to_thread(run_git, repository, command, environment=self._environment(repository))
        except BaseException:
            folder.cleanup()
            raise
        self._folder, self._fetched = folder, 0
        return repository

    async def _fetch(self, repository: Path) -> None:
        """Make `_NEWEST` what the remote has. Raises GitError, TimeoutError, and what `_environment` does."""
        said = repository / "said"
        command = [
            *("/bin/sh", "-c", 'ulimit -f "$0" && exec git "$@"', str(self._settings.max_bytes // _BLOCK)),
            *("-C", str(repository), "fetch", "--quiet", "--force", "--depth=1", "--no-tags"),
            *("--no-recurse-submodules", "--end-of-options", self._settings.url),
            f"+{self._settings.ref}:{_NEWEST}",
        ]
        environment = await asyncio.to_thread(self._environment, repository)
        # started from a thread: an event loop of libuv copies the tables of all memory for it, which decisions wait for
        running = _Running(command, environment, said)
        fetching = asyncio.create_task(asyncio.to_thread(running.to_its_end, self._settings.timeout_seconds))
        try:
            status = await asyncio.shield(fetching)
        finally:
            if not fetching.done():
                running.kill()
                await fetching
        if status:
            raise GitError(_reason(said, status))

    def _read(self, repository: Path) -> Tree:
        environment = self._environment(repository)
        commit = resolved(repository, f"{_NEWEST}^{{commit}}", environment)
        if self._settings.signers is not None:
            self._verify(repository, environment)
        place = f"{commit}:{self._settings.folder}"
        files = tree_files(repository, place, known=self._contents, environment=environment)
        self._known = {name: self._known[name] for name, _ in files if name in self._known}
        return Tree(files, commit, self._known)

    def _verify(self, repository: Path, environment: Mapping[str, str]) -> None:
        """Raises SignatureError unless one of those who may has signed the commit, or the tag that was asked for."""
        kind = run_git(repository, ["cat-file", "-t", _NEWEST], environment=environment).decode().strip()
        try:
            run_git(repository, [f"verify-{kind}", _NEWEST], environment=environment)
        except GitError as error:
            raise SignatureError(
                f"the {kind} that `{self.name}` stands for is not signed by one of `{self._settings.signers}`: {error}"
            ) from None

    def _environment(self, repository: Path) -> dict[str, str]:
        """All that git knows of the world. Raises OSError, ValueError for a token that cannot be read."""
        settings = self._settings
        configuration = {
            "core.hooksPath": os.devnull,
            "gc.auto": "0",
            "maintenance.auto": "false",
            "fetch.fsckObjects": "true",
            "http.followRedirects": "false",
            "http.proxy": settings.proxy or "",
            "credential.helper": settings.credential_helper or "",
        }
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(repository),
            "XDG_CONFIG_HOME": str(repository),
            "LC_ALL": "C",
            "GIT_ALLOW_PROTOCOL": urlsplit(settings.url).scheme,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS_REQUIRE": "never",
            "GIT_SSH_COMMAND": self._ssh(),
        }
        token = settings.token()
        if token is not None:
            configuration["credential.helper"] = _HELPER
            environment |= {"DOORWARD_GIT_USERNAME": settings.username, "DOORWARD_GIT_TOKEN": token}
        files = {
            "http.sslCAInfo": settings.ca,
            "http.sslCert": settings.client_cert,
            "http.sslKey": settings.client_key,
            "gpg.ssh.allowedSignersFile": settings.signers,
        }
        configuration |= {name: str(path) for name, path in files.items() if path is not None}
        if "SSH_AUTH_SOCK" in os.environ:
            environment["SSH_AUTH_SOCK"] = os.environ["SSH_AUTH_SOCK"]
        environment["GIT_CONFIG_COUNT"] = str(len(configuration))
        for number, (name, value) in enumerate(configuration.items()):
            environment |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
        return environment

    def _ssh(self) -> str:
        options = ["-F", os.devnull, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]
        if self._settings.ssh_key is not None:
            options += [
                "-i",
                str(self._settings.ssh_key),
                "-o",
                "IdentitiesOnly=yes",
                "-o",
                "IdentityAgent=none",
            ]
        if self._settings.ssh_known_hosts is not None:
            options += ["-o", f"UserKnownHostsFile={self._settings.ssh_known_hosts}"]
        return shlex.join(["ssh", *options])


class _Running:
    """One run of git, with all that it starts."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], said: Path) -> None:
        """`said` is the file for what it says: bounded there as everything that it writes."""
        self._command = command
        self._environment = environment
        self._said = said
        self._process: subprocess.Popen[bytes] | None = None
        self._unwanted = False

    def to_its_end(self, seconds: float) -> int:
        """The exit status. Raises OSError, TimeoutError."""
        with self._said.open("wb") as errors:
            self._process = subprocess.Popen(  # noqa: S603
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=self._environment,
                start_new_session=True,
            )
        if self._unwanted:
            self.kill()
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
            raise TimeoutError from None

    def kill(self) -> None:
        """End it at once, and the helpers that speak to the remote."""
        self._unwanted = True
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _reason(said: Path, status: int) -> str:
    """The last thing that git said; what a server says beside it comes as `remote:`."""
    with said.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - _SAID))
        lines = file.read().decode(errors="replace").splitlines()
    own = [line.strip() for line in lines if line.strip() and not line.startswith("remote:")]
    telling = [line for line in own if line.startswith(("fatal:", "error:"))] or own
    if telling:
        return f"git: {telling[0][:500]}"
    return "git was ended for writing too much" if status == -signal.SIGXFSZ else f"git ended with {status}"
