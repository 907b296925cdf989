"""Everything the demo starts: a PostgreSQL server, the engine, the gateway, and the files they need."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc
import httpx
import yaml

from doorward_gateway.demo.certificates import Certificates, make_certificates
from doorward_gateway.demo.embedded_postgres import PostgresServer, free_port
from doorward_proto.v1 import decision_pb2 as pb
from doorward_proto.v1 import decision_pb2_grpc as rpc

__all__ = ["IDENTITIES", "RESOURCE", "Done", "World", "policy_directory"]

RESOURCE = "warehouse"
"""The name of the demo's database in policies and in the gateway's configuration."""

IDENTITIES: dict[str, dict[str, Any]] = {
    "ana": {"kind": "human", "groups": ["analysts"]},
    "agent-refunds": {"kind": "agent", "groups": ["agents"]},
    "ci-northwind": {"kind": "ci", "groups": ["importers", "contractors"]},
    "dora": {"kind": "human", "groups": ["dba"]},
    "omar": {"kind": "human", "groups": ["dba"]},
}
"""The people, the agent and the job of the story."""

_UPSTREAM_ROLES = ("reader", "importer", "maintainer")
_READY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Done:
    """A program that has run: its exit status, and what it wrote."""

    status: int
    out: str
    err: str


def policy_directory() -> Path:
    """The policies of the repository, or the copy of them that a wheel carries."""
    packaged = Path(str(resources.files("doorward_gateway.demo"))) / "policies"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[3] / "policies"


@dataclass
class World:
    """The running parts. A context manager: leaving it stops them and removes their files."""

    root: Path
    postgres: PostgresServer
    certificates: Certificates
    engine_port: int
    gateway_port: int
    control_port: int
    upstream_passwords: Mapping[str, str]
    tokens: Mapping[str, str]
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @classmethod
    def start(cls, *, durable: bool = True) -> World:
        """Makes the files, and starts PostgreSQL, the engine and the gateway, in this order.

        Not `durable`: the gateway's record is left to the system to write when it likes.
        """
        postgres = PostgresServer.start()
        root = Path(tempfile.mkdtemp(prefix="doorward-demo-"))
        world = cls(
            root=root,
            postgres=postgres,
            certificates=make_certificates(root / "tls"),
            engine_port=free_port(),
            gateway_port=free_port(),
            control_port=free_port(),
            upstream_passwords={role: secrets.token_urlsafe(24) for role in _UPSTREAM_ROLES},
            tokens={name: secrets.token_urlsafe(24) for name in IDENTITIES},
        )
        try:
            shutil.copytree(policy_directory(), world.policies)
            world._load_shop()
            world._write_gateway_config(durable=durable)
            world.start_engine()
            world._start("gateway", "gateway", "--config", str(world.config))
            world.wait_until("the gateway is ready", world._gateway_is_ready)
        except BaseException:
            world.stop()
            raise
        return world

    @property
    def policies(self) -> Path:
        """The policy directory that the engine watches."""
        return self.root / "policies"

    @property
    def record(self) -> Path:
        """Where the gateway writes its record."""
        return self.root / "record"

    @property
    def config(self) -> Path:
        """The gateway's configuration file."""
        return self.root / "gateway.yaml"

    @property
    def control_url(self) -> str:
        """The gateway's control API."""
        return f"http://127.0.0.1:{self.control_port}"

    def start_engine(self) -> None:
        """Starts the engine on its port and waits until a policy revision is in force."""
        self._start("engine", "serve", str(self.policies), "--listen", f"127.0.0.1:{self.engine_port}")
        self.wait_until("the engine is ready", lambda: bool(self.revision().revision))

    def kill_engine(self) -> None:
        """Ends the engine as a crash would."""
        process = self._processes.pop("engine")
        process.kill()
        process.wait()

    def revision(self) -> pb.GetRevisionResponse:
        """What the engine says of its policies; an empty answer while it cannot be reached."""
        with grpc.insecure_channel(f"127.0.0.1:{self.engine_port}") as channel:
            try:
                stub = rpc.DecisionServiceStub(channel)  # type: ignore[no-untyped-call]
                answer: pb.GetRevisionResponse = stub.GetRevision(
                    pb.GetRevisionRequest(), timeout=2, wait_for_ready=True
                )
            except grpc.RpcError:
                return pb.GetRevisionResponse()
            return answer

    def doorward(self, *arguments: str, caller: str | None = None, columns: int = 100) -> Done:
        """Runs the `doorward` command to its end, with the token of `caller`, on `columns` columns."""
        token = {"DOORWARD_TOKEN": self.tokens[caller]} if caller else {}
        return self._run([*_doorward(), *arguments], {**token, "COLUMNS": str(columns)})

    def issue(self, caller: str, purpose: str, **attribution: str) -> dict[str, Any]:
        """A gateway credential for `caller`; raises when it is refused."""
        done = self.request_credential(caller, purpose, **attribution)
        if done.status != 0:
            raise RuntimeError(f"no credential for {caller}: {done.err.strip() or done.out.strip()}")
        document: dict[str, Any] = json.loads(done.out)
        return document

    def request_credential(self, caller: str, purpose: str, **attribution: str) -> Done:
        """Runs `doorward credential issue` as `caller`, with its answer as JSON."""
        options = [
            argument
            for name, value in attribution.items()
            for argument in (f"--{name.replace('_', '-')}", value)
        ]
        return self.doorward(
            *("credential", "issue", "--gateway", self.control_url, "--resource", RESOURCE),
            *("--purpose", purpose, *options, "--json"),
            caller=caller,
        )

    def psql(self, secret: str, user: str, *statements: str, application: str = "psql") -> Done:
        """Runs the embedded psql through the gateway, with a gateway credential as its password.

        That psql is built without TLS, so it uses the loopback listener in the clear; psycopg uses TLS.
        """
        commands = [argument for statement in statements for argument in ("-c", statement)]
        return self._run(
            [
                str(self.postgres.binaries / "psql"),
                "-X",
                *commands,
                self.conninfo(user, application, tls=False),
            ],
            {"PGPASSWORD": secret, "PGCONNECT_TIMEOUT": "10"},
        )

    def start_psql(self, secret: str, user: str, statement: str) -> subprocess.Popen[str]:
        """Starts the embedded psql on a statement that will have to wait."""
        return subprocess.Popen(
            [str(self.postgres.binaries / "psql"), "-X", "-c", statement, self.conninfo(user, tls=False)],
            env={**_environment(), "PGPASSWORD": secret},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def conninfo(self, user: str, application: str = "", *, tls: bool = True) -> str:
        """Where clients connect; the password is never part of it."""
        where = f"host=127.0.0.1 port={self.gateway_port} dbname={RESOURCE} user={user}"
        name = f" application_name={application}" if application else ""
        if not tls:
            return f"{where}{name} sslmode=disable"
        return f"{where}{name} sslmode=verify-full sslrootcert={self.certificates.authority}"

    def wait_until(self, what: str, holds: Callable[[], bool], seconds: float = _READY_SECONDS) -> None:
        """Waits until `holds`, or raises after `seconds`, or as soon as one of our processes has ended."""
        deadline = time.monotonic() + seconds
        while not holds():
            for name, process in self._processes.items():
                if process.poll() is not None:
                    log = (self.root / f"{name}.log").read_text(errors="replace")
                    raise RuntimeError(f"`doorward {name}` ended with status {process.returncode}:\n{log}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {seconds:.0f} s until {what}")
            time.sleep(0.05)

    def log(self, name: str) -> str:
        """What `engine` or `gateway` has logged so far."""
        return (self.root / f"{name}.log").read_text(errors="replace")

    def stop(self) -> None:
        """Stops everything and removes the files."""
        for process in reversed(self._processes.values()):
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()
        self.postgres.stop()
        shutil.rmtree(self.root, ignore_errors=True)

    def __enter__(self) -> World:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _load_shop(self) -> None:
        script = resources.files("doorward_gateway.demo").joinpath("shop.sql").read_text()
        variables = "".join(
            f"\\set {role}_password '{password}'\n" for role, password in self.upstream_passwords.items()
        )
        self.postgres.psql("create database shop")
        self.postgres.psql(variables + script, "shop")

    def _write_gateway_config(self, *, durable: bool) -> None:
        """The gateway's configuration, with each secret in a file of its own."""

        def secret_file(name: str, secret: str) -> str:
            path = self.root / "secrets" / name
            path.parent.mkdir(mode=0o700, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(secret)
            return str(path)

        def account(role: str) -> dict[str, str]:
            return {"user": role, "password_file": secret_file(role, self.upstream_passwords[role])}

        document = {
            "node": "demo",
            "postgres": {
                "listen": f"127.0.0.1:{self.gateway_port}",
                "tls": {"certificate": str(self.certificates.certificate), "key": str(self.certificates.key)},
                "allow_plaintext": True,
            },
            "engine": {"target": f"127.0.0.1:{self.engine_port}"},
            "control": {"listen": f"127.0.0.1:{self.control_port}"},
            "state": {"directory": str(self.root / "state")},
            "recording": {"directory": str(self.record), "durable": durable},
            "identities": [
                {"id": name, **identity, "token_file": secret_file(f"{name}.token", self.tokens[name])}
                for name, identity in IDENTITIES.items()
            ],
            "resources": {
                RESOURCE: {
                    "kind": "postgres",
                    "environment": "production",
                    "upstream": {
                        "host": self.postgres.host,
                        "port": self.postgres.port,
                        "database": "shop",
                        **account("reader"),
                        "tls": "disable",
                        "roles": {role: account(role) for role in _UPSTREAM_ROLES},
                    },
                }
            },
        }
        self.config.write_text(yaml.safe_dump(document, sort_keys=False))

    def _gateway_is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.control_url}/readyz", timeout=2).is_success
        except httpx.HTTPError:
            return False

    def _start(self, name: str, *arguments: str) -> None:
        with (self.root / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [*_doorward(), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
            )

    def _run(self, command: Sequence[str], environment: Mapping[str, str]) -> Done:
        done = subprocess.run(
            command,
            env={**_environment(), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)


def _doorward() -> list[str]:
    return [sys.executable, "-m", "doorward"]


def _environment() -> dict[str, str]:
    """Ours, without whatever would steer the clients or the gateway from outside."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "DOORWARD_"))}
