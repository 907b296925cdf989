"""A client that speaks the protocol by hand, and not always well."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from doorward_gateway.postgres import messages
from doorward_gateway.postgres.messages import (
    Bind,
    Execute,
    Parse,
    Reader,
    describe,
    flush,
    frame,
    query,
    sync,
)
from doorward_gateway.postgres.reports import parse_report

Answer = list[tuple[str, bytes]]


class Raw:
    """A connection of bytes."""

    def __init__(self, shop: Any) -> None:
        self.socket = socket.create_connection(("127.0.0.1", shop.port), timeout=20)
        self.file = self.socket.makefile("rb")

    def send(self, *parts: bytes) -> None:
        self.socket.sendall(b"".join(parts))

    def start(self, shop: Any, who: str, version: int = 3 << 16, **parameters: str) -> Answer:
        pairs = {"user": who, "database": "shop", **parameters}
        body = (
            b"".join(messages.cstring(k.encode()) + messages.cstring(v.encode()) for k, v in pairs.items())
            + b"\0"
        )
        self.send(struct.pack("!II", len(body) + 8, version), body)
        answer = self.until("R")
        self.send(messages.password(messages.cstring(shop.credential(who).encode())))
        return answer + self.until("Z")

    def read(self) -> tuple[str, bytes]:
        """The next message; the kind is empty at the end of the connection."""
        header = self.file.read(5)
        if len(header) < 5:
            return "", b""
        kind, length = struct.unpack("!cI", header)
        return kind.decode(), header + self.file.read(length - 4)

    def until(self, *kinds: str) -> Answer:
        answer: Answer = []
        while not answer or answer[-1][0] not in (*kinds, ""):
            answer.append(self.read())
        return answer

    def close(self) -> None:
        self.file.close()
        self.socket.close()


@pytest.fixture
def raw(shop: Any) -> Iterator[Raw]:
    connection = Raw(shop)
    yield connection
    connection.close()


def kinds(answer: Answer) -> str:
    return "".join(kind for kind, _ in answer if kind not in "SN")


def rows(answer: Answer) -> list[list[bytes | None]]:
    found = []
    for kind, message in answer:
        if kind == "D":
            reader = Reader(message)
            found.append([reader.value() for _ in range(reader.uint16())])
    return found


def error(answer: Answer) -> str:
    (message,) = [message for kind, message in answer if kind == "E"]
    return parse_report(message).sqlstate


SSN = b"select ssn from customers order by id"


def test_a_portal_that_nobody_described_is_masked(shop: Any, raw: Raw) -> None:
    raw.start(shop, "mia")
    for result_format in (0, 1):
        raw.send(
            Parse(b"", b"select balance, ssn from customers order by id").encode(),
            Bind(b"", b"", (), (), (result_format,)).encode(),
            Execute(b"").encode(),
            sync(),
        )
        answer = raw.until("Z")
        assert kinds(answer) == "12DDDCZ"
        assert rows(answer)[0] == [b"[redacted]", b"*******8841"]


def test_pieces_of_a_portal_are_masked(shop: Any, raw: Raw) -> None:
    raw.start(shop, "mia")
    raw.send(query(b"begin"))
    raw.until("Z")
    raw.send(
        Parse(b"s", SSN).encode(), Bind(b"p", b"s", (), (), (1,)).encode(), Execute(b"p", 1).encode(), sync()
    )
    answer = raw.until("Z")
    assert kinds(answer) == "12DsZ"
    assert rows(answer) == [[b"*******8841"]]
    raw.send(describe(b"P", b"p"), Execute(b"p", 1).encode(), Execute(b"p", 0).encode(), sync())
    answer = raw.until("Z")
    assert kinds(answer) == "TDsDCZ"
    assert rows(answer) == [[b"*******9999"], [None]]


def test_a_name_cannot_be_given_to_another_statement_behind_the_gateways_back(shop: Any, raw: Raw) -> None:
    raw.start(shop, "mallory")
    raw.send(Parse(b"s", b"select ssn || '' from customers").encode(), sync())
    assert kinds(raw.until("Z")) == "1Z"
    # The server refuses the second one, so the name still stands for the first.
    raw.send(Parse(b"s", b"select name from customers").encode(), sync())
    raw.send(Bind(b"", b"s", (), (), ()).encode(), Execute(b"").encode(), sync())
    answer = raw.until("Z") + raw.until("Z")
    assert kinds(answer) == "EZ2DDDCZ"
    assert rows(answer)[0] == [b"[redacted]"]
    # SQL gives the name to something else.
    raw.send(Parse(b"t", b"select name from customers").encode(), sync())
    raw.until("Z")
    raw.send(query(b"deallocate t"), query(b"prepare t as select ssn || '' from customers"))
    raw.until("Z")
    raw.until("Z")
    raw.send(Bind(b"", b"t", (), (), ()).encode(), Execute(b"").encode(), sync())
    answer = raw.until("Z")
    assert kinds(answer) == "EZ"
    assert error(answer) == "26000"


def test_a_cursor_cannot_take_the_place_of_a_portal(shop: Any, raw: Raw) -> None:
    raw.start(shop, "mallory")
    raw.send(query(b"begin"))
    raw.until("Z")
    raw.send(Parse(b"", b"select name from customers").encode(), Bind(b"p", b"", (), (), ()).encode(), sync())
    raw.until("Z")
    raw.send(query(b"close p"), query(b"declare p cursor for select ssn || '' from customers"))
    raw.until("Z")
    raw.until("Z")
    raw.send(Execute(b"p").encode(), sync())
    assert error(raw.until("Z")) == "34000"


def test_what_follows_an_error_is_skipped_to_the_sync(shop: Any, raw: Raw) -> None:
    raw.start(shop, "wes")
    raw.send(
        Parse(b"", b"select 1").encode(),
        Bind(b"", b"", (), (), ()).encode(),
        Execute(b"").encode(),
        Parse(b"", b"drop table orders").encode(),
        Bind(b"", b"", (), (), ()).encode(),
        Execute(b"").encode(),
        query(b"insert into orders values (4001, 1, 1)"),
        sync(),
        query(b"select 2"),
    )
    answer = raw.until("Z") + raw.until("Z")
    assert kinds(answer) == "12DCEZTDCZ"
    assert error(answer) == "42501"


def test_flush_gets_answers_without_sync(shop: Any, raw: Raw) -> None:
    raw.start(shop, "mia")
    raw.send(Parse(b"", SSN).encode(), describe(b"S", b""), flush())
    assert kinds(raw.until("T")) == "1tT"
    raw.send(Bind(b"", b"", (), (), ()).encode(), Execute(b"").encode(), flush())
    assert kinds(raw.until("C")) == "2DDDC"
    raw.send(sync())
    assert kinds(raw.until("Z")) == "Z"


def test_function_calls_are_refused(shop: Any, raw: Raw) -> None:
    raw.start(shop, "wes")
    raw.send(frame(0x46, struct.pack("!IHHH", 1598, 0, 0, 0)), query(b"select 1"))
    answer = raw.until("Z") + raw.until("Z")
    assert kinds(answer) == "EZTDCZ"
    assert error(answer) == "42501"


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00\x00\x03",
        b"\x7f\xff\xff\xff\x00\x03\x00\x00",
        b"\x00\x00\x00\x08\x00\x02\x00\x00",
        b"\x00\x00\x00\x09\x00\x03\x00\x00\x01",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    ],
)
def test_what_is_not_a_start_up_is_turned_away(shop: Any, raw: Raw, data: bytes) -> None:
    raw.send(data)
    raw.socket.shutdown(socket.SHUT_WR)
    answer = raw.until("E")
    assert answer[-1][0] in ("", "E")


@pytest.mark.parametrize(
    "data",
    [
        b"!\x00\x00\x00\x04",
        b"Q\x00\x00\x00\x03",
        b"Q\x7f\xff\xff\xff",
        b"Q\x00\x00\x00\x07abc",
        b"P\x00\x00\x00\x08a\x00b\x00",
        b"B\x00\x00\x00\x0b\x00\x00\x00\x00\xff\xff\x00",
        b"D\x00\x00\x00\x06X\x00",
        b"p\x00\x00\x00\x05\x00",
    ],
)
def test_messages_that_are_not_protocol_end_the_session(shop: Any, raw: Raw, data: bytes) -> None:
    raw.start(shop, "ada")
    raw.send(data)
    answer = raw.until("E")
    assert error(answer) == "08P01"
    assert raw.read() == ("", b"")


def test_protocol_versions_are_negotiated_and_keys_are_long(shop: Any) -> None:
    for version, wanted, length in (((3 << 16) | 2, "", 32), ((3 << 16) | 9999, "v", 32), (3 << 16, "", 4)):
        raw = Raw(shop)
        answer = raw.start(shop, "ada", version)
        assert ("v" in kinds(answer)) == bool(wanted)
        (key,) = [message for kind, message in answer if kind == "K"]
        assert len(key) - 9 == length
        raw.close()


def test_a_guessed_cancel_key_does_nothing(shop: Any, raw: Raw) -> None:
    answer = raw.start(shop, "ada")
    (key,) = [message for kind, message in answer if kind == "K"]
    guess = Raw(shop)
    guess.send(struct.pack("!II", 16, 80877102), key[5:9], bytes(byte ^ 1 for byte in key[9:]))
    assert guess.read() == ("", b"")
    guess.close()
    raw.send(query(b"select pg_sleep(0.2)"))
    assert kinds(raw.until("Z")) == "TDCZ"


def test_text_that_is_not_utf8_is_refused(shop: Any, raw: Raw) -> None:
    raw.start(shop, "wes")
    raw.send(query(b"select '\xff'"))
    assert error(raw.until("Z")) == "22021"
    raw.send(query(b"set client_encoding = 'SJIS'"))
    assert error(raw.until("E")) in ("0A000", "42501")


def test_the_gateways_own_names_are_not_for_clients(shop: Any, raw: Raw) -> None:
    raw.start(shop, "ada")
    raw.send(Parse(b"doorward:own", b"select 1").encode(), sync())
    assert error(raw.until("Z")) == "42501"
    raw.send(Bind(b"", b"doorward:own", (), (), ()).encode(), sync())
    assert error(raw.until("Z")) == "26000"
