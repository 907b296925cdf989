"""A PostgreSQL server, an engine and a gateway, each a process of its own, in front of a small shop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import orjson
import psycopg
import yaml
from tests.support.postgres import PostgresServer, bin_dir, free_port

from doorward_proto.v1 import decision_pb2 as pb
from doorward_proto.v1.decision_pb2_grpc import DecisionServiceStub

__all__ = ["Shop", "open_shop"]

POLICY = """
package tests.shop

governs postgres

reading if sql.read_only

allow "credentials for everybody" if action.name == "issue_credential"
credential ttl 10m single_use if principal.kind == "agent"
credential ttl 10m if principal.kind == "human"

allow "transaction control" if sql.transaction
allow "readers read" if { "readers" in principal.groups; reading }
allow "writers write" if "writers" in principal.groups

block "tables are not dropped" if "drop_table" in sql.statements
block "no roles" if sql.changes_roles

mask customers.ssn with partial(4) if "masked" in principal.groups
mask customers.email with hash if "masked" in principal.groups
mask customers.card with redact if "masked" in principal.groups
mask customers.balance with redact if "masked" in principal.groups
mask customers.phone with format_preserving if "masked" in principal.groups
mask customers.born with null if "masked" in principal.groups
mask customers.points with replace("many") if "masked" in principal.groups

approve "somebody has to look" by "dba" within 30s if {
    "careful" in principal.groups
    sql.writes
}
approve "somebody has to look soon" by "dba" within 500ms if {
    "hasty" in principal.groups
    sql.writes
}
"""

SCHEMA = """
create table customers (
    id int primary key, name text not null, ssn text, email varchar(40) unique, card char(19), balance numeric(10, 2),
    phone text, born date, points int
);
insert into customers values
    (1, 'Ada',   '536-22-8841', 'ada@example.org',   '4556737586899855', 120.50, '+49 30 1234', '1980-01-02', 7),
    (2, 'Bruno', '219-09-9999', 'bruno@example.org', '4024007161530188', -3.25,  '+49 40 5678', '1975-05-06', 900000),
    (3, 'Chloe', null,          null,                null,               null,   null,          null,         null);
create view vip as select id, name, ssn as number from customers where points > 100;
create table orders (id int primary key, customer_id int references customers, total numeric(10, 2));
create table ledger (id int);
insert into orders select n, 1 + n % 3, n * 1.5 from generate_series(1, 500) n;
"""

PEOPLE: dict[str, dict[str, Any]] = {
    "ada": {"kind": "human", "groups": ["readers"]},
    "mia": {"kind": "human", "groups": ["readers", "masked"]},
    "agent-7": {"kind": "agent", "groups": ["readers", "masked"]},
    "wes": {"kind": "human", "groups": ["readers", "writers"]},
    "mallory": {"kind": "human", "groups": ["readers", "writers", "masked"]},
    "carl": {"kind": "human", "groups": ["readers", "writers", "careful"]},
    "hal": {"kind": "human", "groups": ["readers", "writers", "hasty"]},
    "dora": {"kind": "human", "groups": ["dba"]},
}


@dataclass
class Shop:
    """The running parts, and how to use them as somebody."""

    root: Path
    server: PostgresServer
    engine_port: int
    port: int
    control_port: int
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    # --- processes ---

    def start_engine(self) -> None:
        self._start(
            "engine", "serve", str(self.root / "policies"), "--listen", f"127.0.0.1:{self.engine_port}"
        )

    def put_in_force(self, name: str, text: str) -> None:
        """Writes a policy file and waits until the engine decides by it."""
        with grpc.insecure_channel(f"127.0.0.1:{self.engine_port}") as channel:
            engine = DecisionServiceStub(channel)

            def revision() -> str:
                answer = engine.GetRevision(pb.GetRevisionRequest(), timeout=10, wait_for_ready=True)
                return str(answer.revision)

            before = revision()
            (self.root / "policies" / name).write_text(text)
            self.until("the changed policy is in force", lambda: revision() != before)

    def start_gateway(self) -> None:
        self._write_config()
        self._start("gateway", "gateway", "--config", str(self.root / "gateway.yaml"))
        self.until("the gateway is ready", self._ready)

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        process = self.processes.pop(name)
        process.send_signal(number)
        return process.wait(20)

    def until(self, what: str, holds: Callable[[], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise RuntimeError(f"the {name} ended: {(self.root / f'{name}.log').read_text()}")
            if time.monotonic() > deadline:
                raise TimeoutError(what)
            time.sleep(0.02)

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait(10)
        self.server.stop()

    # --- use ---

    def credential(self, who: str, **wanted: Any) -> str:
        """A fresh one-time credential of that person."""
        answer = self._call(
            who, "POST", "/v1/credentials", {"resource": "shop", "purpose": "tests", **wanted}
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["secret"])

    def dsn(self, who: str, **wanted: Any) -> str:
        return (
            f"host=127.0.0.1 port={self.port} dbname=shop user={who} password={self.credential(who, **wanted)} "
            "connect_timeout=20 sslmode=prefer"
        )

    def connect(self, who: str, *, autocommit: bool = True, **wanted: Any) -> psycopg.Connection[Any]:
        return psycopg.connect(self.dsn(who, **wanted), autocommit=autocommit)

    def psql(self, who: str, *arguments: str, script: str = "") -> subprocess.CompletedProcess[str]:
        """Runs the real psql through the gateway."""
        environment = {**os.environ, "PGPASSWORD": self.credential(who)}
        target = ["-h", "127.0.0.1", "-p", str(self.port), "-U", who, "-d", "shop"]
        return subprocess.run(
            [str(bin_dir() / "psql"), "-X", *target, *arguments],
            input=script,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def waiting(self, who: str = "dora") -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self._call(who, "GET", "/v1/approvals").json()["approvals"]
        return listed

    def decide(self, approval_id: str, verb: str, who: str = "dora") -> httpx.Response:
        return self._call(who, "POST", f"/v1/approvals/{approval_id}/{verb}", {})

    def sessions(self, who: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self._call(who, "GET", "/v1/sessions").json()["sessions"]
        return listed

    def end_session(self, who: str, session_id: str) -> None:
        answer = self._call(who, "POST", f"/v1/sessions/{session_id}/kill", {"reason": "enough"})
        assert answer.is_success, answer.text

    def records(self, kind: str = "", session: str = "") -> list[dict[str, Any]]:
        """What has been recorded so far, oldest first."""
        lines = [
            orjson.loads(line)
            for path in sorted((self.root / "record").glob("segment-*.jsonl"))
            for line in path.read_bytes().splitlines()
        ]
        return [
            line
            for line in lines
            if (not kind or line["kind"] == kind) and (not session or line["session"] == session)
        ]

    # --- inside ---

    def _call(
        self, who: str, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        return httpx.request(
            method,
            f"http://127.0.0.1:{self.control_port}{path}",
            headers={"Authorization": f"Bearer token-of-{who}"},
            json=body,
            timeout=20,
        )

    def _ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.control_port}/readyz", timeout=5).is_success
        except httpx.HTTPError:
            return False

    def _start(self, name: str, *arguments: str) -> None:
        with (self.root / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "doorward", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _write_config(self) -> None:
        (self.root / "upstream.password").write_text(self.server.password)
        for who in PEOPLE:
            (self.root / f"{who}.token").write_text(f"token-of-{who}")
        document = {
            "node": "test-node",
            "postgres": {"listen": f"127.0.0.1:{self.port}", "allow_plaintext": True},
            "engine": {"target": f"127.0.0.1:{self.engine_port}"},
            "control": {"listen": f"127.0.0.1:{self.control_port}"},
            "state": {"directory": "state"},
            "recording": {"directory": "record", "durable": False},
            "identities": [
                {"id": who, **person, "token_file": f"{who}.token"} for who, person in PEOPLE.items()
            ],
            "resources": {
                "shop": {
                    "kind": "postgres",
                    "environment": "test",
                    "upstream": {
                        "host": self.server.host,
                        "port": self.server.port,
                        "database": "postgres",
                        "user": self.server.superuser,
                        "password_file": "upstream.password",
                    },
                }
            },
        }
        for section, values in self.options.items():
            whole = isinstance(values, list)
            document[section] = values if whole else {**document.get(section, {}), **values}  # type: ignore[dict-item]
        (self.root / "gateway.yaml").write_text(yaml.safe_dump(document))


def open_shop(root: Path, **options: Any) -> Shop:
    """Starts everything. `options` are sections of the gateway's configuration to lay over the usual ones."""
    (root / "policies").mkdir()
    (root / "policies" / "shop.ward").write_text(POLICY)
    shop = Shop(root, PostgresServer.start(), free_port(), free_port(), free_port(), options=options)
    try:
        shop.server.psql(SCHEMA)
        shop.start_engine()
        shop.start_gateway()
    except BaseException:
        shop.stop()
        raise
    return shop
