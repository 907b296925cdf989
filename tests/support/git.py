"""Git repositories for tests, and a server of them over HTTP: git's own `http-backend`."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.web import Asked, answer

__all__ = ["Repository", "http_backend"]


class Repository:
    """A bare repository that is committed to."""

    def __init__(self, path: Path, *config: str) -> None:
        """`config` are settings, `name=value`, for the commits."""
        self.path = path
        self._config = [part for one in config for part in ("-c", one)]
        self._work = path.with_name(path.name + ".work")
        self._run("init", "--bare", "--quiet", "--initial-branch=main", str(path))
        self._run("clone", "--quiet", str(path), str(self._work))

    @property
    def url(self) -> str:
        """For git on this machine."""
        return f"git+file://{self.path}"

    def commit(self, files: Mapping[str, str], *, branch: str = "main") -> str:
        """Change files and push; the commit's name."""
        self.git("checkout", "--quiet", "-B", branch)
        for name, text in files.items():
            path = self._work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "a change")
        self.git("push", "--quiet", "--force", "origin", f"HEAD:refs/heads/{branch}")
        return self.git("rev-parse", "HEAD")

    def git(self, *arguments: str) -> str:
        """What git says of the work tree."""
        return self._run("-C", str(self._work), *self._config, *arguments)

    def _run(self, *arguments: str) -> str:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            **{
                f"GIT_{who}_{what}": "a@example.org"
                for who in ("AUTHOR", "COMMITTER")
                for what in ("NAME", "EMAIL")
            },
        }
        ran = subprocess.run(
            ["git", *arguments], env=environment, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()


async def http_backend(root: Path, asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Answer one request as a web server with git's CGI program would."""
    path, _, query = asked.target.partition("?")
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_PROJECT_ROOT": str(root),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REQUEST_METHOD": asked.method,
        "CONTENT_TYPE": asked.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(asked.body)),
        "HTTP_CONTENT_ENCODING": asked.headers.get("content-encoding", ""),
        "GIT_PROTOCOL": asked.headers.get("git-protocol", ""),
    }
    backend = await asyncio.create_subprocess_exec(
        "git",
        "http-backend",
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    said, _ = await backend.communicate(asked.body)
    head, _, body = said.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    status = headers.pop("Status", "200 OK")
    writer.write(answer(body, status, **headers))
