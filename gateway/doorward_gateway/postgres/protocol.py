"""Names of the PostgreSQL frontend/backend protocol 3.x, and the error for those who do not keep to it.

Source: PostgreSQL documentation, "Frontend/Backend Protocol", message formats and error fields.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from doorward_gateway.errors import GatewayError

__all__ = ["Authentication", "Backend", "Frontend", "ProtocolViolation", "Request", "SqlState"]


class ProtocolViolation(GatewayError):
    """What came over the wire is not the protocol, or not in this place. The connection cannot go on."""


class Frontend(IntEnum):
    """First byte of what a client sends after start-up."""

    BIND = 0x42
    CLOSE = 0x43
    COPY_DATA = 0x64
    COPY_DONE = 0x63
    COPY_FAIL = 0x66
    DESCRIBE = 0x44
    EXECUTE = 0x45
    FLUSH = 0x48
    FUNCTION_CALL = 0x46
    PARSE = 0x50
    PASSWORD = 0x70
    QUERY = 0x51
    SYNC = 0x53
    TERMINATE = 0x58


class Backend(IntEnum):
    """First byte of what a server sends."""

    AUTHENTICATION = 0x52
    BACKEND_KEY_DATA = 0x4B
    BIND_COMPLETE = 0x32
    CLOSE_COMPLETE = 0x33
    COMMAND_COMPLETE = 0x43
    COPY_BOTH_RESPONSE = 0x57
    COPY_DATA = 0x64
    COPY_DONE = 0x63
    COPY_IN_RESPONSE = 0x47
    COPY_OUT_RESPONSE = 0x48
    DATA_ROW = 0x44
    EMPTY_QUERY_RESPONSE = 0x49
    ERROR_RESPONSE = 0x45
    FUNCTION_CALL_RESPONSE = 0x56
    NEGOTIATE_PROTOCOL_VERSION = 0x76
    NO_DATA = 0x6E
    NOTICE_RESPONSE = 0x4E
    NOTIFICATION_RESPONSE = 0x41
    PARAMETER_DESCRIPTION = 0x74
    PARAMETER_STATUS = 0x53
    PARSE_COMPLETE = 0x31
    PORTAL_SUSPENDED = 0x73
    READY_FOR_QUERY = 0x5A
    ROW_DESCRIPTION = 0x54


class Request(IntEnum):
    """What stands where a version number would, in the first packet of a connection."""

    CANCEL = 80877102
    SSL = 80877103
    GSSENC = 80877104


class Authentication(IntEnum):
    """What an Authentication message asks for."""

    OK = 0
    CLEARTEXT_PASSWORD = 3
    MD5_PASSWORD = 5
    SASL = 10
    SASL_CONTINUE = 11
    SASL_FINAL = 12


class SqlState:
    """The SQLSTATEs that the gateway itself sends.

    `ENGINE_UNAVAILABLE` and `RECORD_UNAVAILABLE` are of class 58 (system error): nothing is wrong with the
    statement, and it may be tried again.
    """

    CONNECTION_FAILURE: Final = "08006"
    PROTOCOL_VIOLATION: Final = "08P01"
    NOT_SUPPORTED: Final = "0A000"
    INVALID_PARAMETER: Final = "22023"
    BAD_ENCODING: Final = "22021"
    UNKNOWN_STATEMENT: Final = "26000"
    INVALID_PASSWORD: Final = "28P01"  # noqa: S105
    INVALID_AUTHORIZATION: Final = "28000"
    UNKNOWN_PORTAL: Final = "34000"
    BLOCKED: Final = "42501"
    TOO_MANY_CONNECTIONS: Final = "53300"
    LIMIT_EXCEEDED: Final = "54000"
    QUERY_CANCELED: Final = "57014"
    ADMIN_SHUTDOWN: Final = "57P01"
    CANNOT_CONNECT_NOW: Final = "57P03"
    ENGINE_UNAVAILABLE: Final = "58000"
    RECORD_UNAVAILABLE: Final = "58030"
