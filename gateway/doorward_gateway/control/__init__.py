"""The control API of a node: credentials, approvals, live sessions, health.

server = await ControlServer.start(control_api(ControlParts(…)), config.control.listen)
…
await server.close()
"""

from __future__ import annotations

from doorward_gateway.control.api import control_api
from doorward_gateway.control.parts import ControlParts, Endpoint
from doorward_gateway.control.server import ControlServer

__all__ = ["ControlParts", "ControlServer", "Endpoint", "control_api"]
