"""PostgreSQL's own benchmark through the gateway, beside a direct connection and pgbouncer."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.measure import Contestant, Question
from doorward_gateway.demo.embedded_postgres import free_port
from doorward_gateway.demo.world import RESOURCE, World

__all__ = ["questions"]

_SECONDS = 3
_CLIENTS = 8
_TABLES = ("pgbench_accounts", "pgbench_branches", "pgbench_history", "pgbench_tellers")
_POLICY = """
package bench.path

governs postgres

allow "pgbench" if {
	sql.read_only
	every name in sql.tables {
		startswith(name, "pgbench_")
	}
}

credential "many clients" ttl 15m as "reader" if session.purpose == "pgbench"
"""


@contextmanager
def questions() -> Iterator[Sequence[Question]]:
    """pgbench's SELECT-only script, as simple queries and prepared, eight clients."""
    with World.start() as world:
        (world.policies / "bench.ward").write_text(_POLICY)
        (world.policies / "postgres" / "credentials.ward").unlink()
        before = world.revision().revision
        world.wait_until(
            "the bench's policy is in force", lambda: world.revision().revision not in ("", before)
        )
        pgbench = str(world.postgres.binaries / "pgbench")
        direct = world.postgres.dsn("shop")
        subprocess.run(
            [pgbench, "--initialize", "--quiet", direct], check=True, capture_output=True, timeout=120
        )
        world.postgres.psql("".join(f"grant select on {table} to reader;" for table in _TABLES), "shop")
        with _pgbouncer(world) as (bouncer, absent):
            yield [
                Question(
                    f"pgbench SELECT-only, {mode}, {_CLIENTS} clients",
                    "tps",
                    [
                        Contestant("direct", _round(world, mode, direct)),
                        Contestant("pgbouncer", _round(world, mode, bouncer), absent=absent),
                        Contestant("doorward, a decision on each", _through_the_gateway(world, mode)),
                    ],
                    "SELECT on one row by key; everything on one machine",
                )
                for mode in ("simple", "prepared")
            ]


def _round(world: World, mode: str, dsn: str, password: str | None = None) -> Callable[[], float]:
    command = [str(world.postgres.binaries / "pgbench"), "--select-only", "--no-vacuum", "--protocol", mode]
    command += ["--client", str(_CLIENTS), "--jobs", "1", "--time", str(_SECONDS), "--scale", "1", dsn]

    def one_round() -> float:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
            env={"PGPASSWORD": password or ""},
        )
        found = re.search(r"tps = ([0-9.]+)", done.stdout)
        if found is None:
            raise RuntimeError(f"pgbench gave no rate: {done.stdout}{done.stderr}")
        return float(found[1])

    return one_round


def _through_the_gateway(world: World, mode: str) -> Callable[[], float]:
    def one_round() -> float:
        secret = world.issue("ana", "pgbench")["secret"]
        return _round(world, mode, world.conninfo("ana", tls=False), secret)()

    return one_round


@contextmanager
def _pgbouncer(world: World) -> Iterator[tuple[str, str | None]]:
    """pgbouncer in session mode in front of the same server, where it is installed; its DSN, or why there is none."""
    program = shutil.which("pgbouncer")
    if program is None:
        yield "", "no `pgbouncer` on the PATH"
        return
    port = free_port()
    users = Path(world.root) / "bouncer-users.txt"
    users.write_text(f'"{world.postgres.superuser}" "{world.postgres.password}"\n')
    config = Path(world.root) / "bouncer.ini"
    config.write_text(
        f"[databases]\n{RESOURCE} = host={world.postgres.host} port={world.postgres.port} dbname=shop\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = scram-sha-256\n"
        f"auth_file = {users}\npool_mode = session\nunix_socket_dir =\n"
    )
    for path in (world.root, users, config):
        path.chmod(0o755 if path.is_dir() else 0o644)
    command = [program, "--quiet", "--user", "nobody", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        dsn = f"host=127.0.0.1 port={port} dbname={RESOURCE} user={world.postgres.superuser} password={world.postgres.password}"
        ready = [
            str(world.postgres.binaries / "pg_isready"),
            "--quiet",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ]
        world.wait_until("pgbouncer is ready", lambda: subprocess.run(ready, check=False).returncode == 0)
        yield dsn, None
    finally:
        process.terminate()
        process.wait(10)
