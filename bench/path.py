"""PostgreSQL's own benchmark through the gateway, beside a direct connection and pgbouncer."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.measure import Contestant, Question, Settings
from doorward_gateway.demo.embedded_postgres import free_port
from doorward_gateway.demo.world import RESOURCE, World

__all__ = ["questions"]

_SECONDS = 2
_CLIENTS = (8, 32, 64)
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
def questions(settings: Settings) -> Iterator[Sequence[Question]]:
    """pgbench's SELECT-only script, as simple queries and prepared, by clients; the first round warms up and is not counted."""
    seconds, numbers = (1, _CLIENTS[:1]) if settings.quick else (_SECONDS, _CLIENTS)
    with World.start() as durable, World.start(durable=False) as relaxed:
        for world in (durable, relaxed):
            _prepare(world)
        direct = durable.postgres.dsn("shop")
        with _pgbouncer(durable) as (bouncer, absent):

            def contestants(mode: str, clients: int) -> list[Contestant]:
                work = (mode, clients, seconds)
                return [
                    Contestant("direct", _round(durable, direct, *work)),
                    Contestant("pgbouncer", _round(durable, bouncer, *work), absent=absent, peer="pgbouncer"),
                    Contestant("doorward, record on the disk first", _through_the_gateway(durable, *work)),
                    Contestant("doorward, record left to the system", _through_the_gateway(relaxed, *work)),
                ]

            yield [
                Question(
                    f"pgbench SELECT-only, {mode}, {clients} clients",
                    "tps",
                    contestants(mode, clients),
                    "SELECT on one row by key, a decision and a record for each; everything on one machine",
                    seconds=30,
                )
                for mode in ("simple", "prepared")
                for clients in numbers
            ]


def _prepare(world: World) -> None:
    """pgbench's tables, and a policy that lets one of the demo's people read them."""
    (world.policies / "bench.ward").write_text(_POLICY)
    (world.policies / "postgres" / "credentials.ward").unlink()
    before = world.revision().revision
    world.wait_until("the bench's policy is in force", lambda: world.revision().revision not in ("", before))
    pgbench = str(world.postgres.binaries / "pgbench")
    command = [pgbench, "--initialize", "--quiet", world.postgres.dsn("shop")]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    world.postgres.psql("".join(f"grant select on {table} to reader;" for table in _TABLES), "shop")


def _round(
    world: World, dsn: str, mode: str, clients: int, seconds: int, password: str = ""
) -> Callable[[], float]:
    command = [str(world.postgres.binaries / "pgbench"), "--select-only", "--no-vacuum", "--protocol", mode]
    command += ["--client", str(clients), "--jobs", "1", "--time", str(seconds), "--scale", "1", dsn]

    def one_round() -> float:
        environment = {"PGPASSWORD": password}
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=120, env=environment
        )
        found = re.search(r"tps = ([0-9.]+)", done.stdout)
        if found is None:
            raise RuntimeError(f"pgbench gave no rate: {done.stdout}{done.stderr}")
        return float(found[1])

    return one_round


def _through_the_gateway(world: World, mode: str, clients: int, seconds: int) -> Callable[[], float]:
    def one_round() -> float:
        secret = world.issue("ana", "pgbench")["secret"]
        dsn = world.conninfo("ana", tls=False)
        return _round(world, dsn, mode, clients, seconds, secret)()

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
