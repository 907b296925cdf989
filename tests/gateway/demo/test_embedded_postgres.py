"""The embedded server: it also runs where its own account cannot reach the installed binaries."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest

from doorward_gateway.demo import embedded_postgres
from doorward_gateway.demo.embedded_postgres import PostgresServer, bin_dir


def test_it_checks_passwords() -> None:
    with PostgresServer.start() as server:
        with psycopg.connect(server.dsn()) as connection:
            assert connection.execute("show password_encryption").fetchone() == ("scram-sha-256",)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.dsn(password="wrong"))


def test_nothing_is_left_when_it_ends() -> None:
    with PostgresServer.start() as server:
        root = server.root
        assert root.is_dir()
    assert not root.exists()


def test_binaries_out_of_reach_are_copied_with_their_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment below root's home: only root may enter it, and the server may not run as root."""
    account = "nobody" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory() as directory:
        hidden = Path(directory) / "hidden"
        hidden.mkdir(mode=0o700)
        package = bin_dir().parents[1]
        for part in (package, package.with_name(f"{package.name}.libs")):
            (hidden / part.name).symlink_to(part)
        monkeypatch.setattr(
            embedded_postgres, "bin_dir", lambda: hidden / package.name / "pginstall18" / "bin"
        )
        root = Path(directory) / "server"
        root.mkdir()
        Path(directory).chmod(0o711)
        copied = (
            embedded_postgres._usable_binaries(account, root)
            if account
            else embedded_postgres._copied(bin_dir(), root)
        )
        assert root in copied.parents
        ran = subprocess.run(
            [str(copied / "initdb"), "--version"],
            user=account,
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
        )
        assert (ran.returncode, ran.stderr) == (0, "")
