"""The protocol without input or output: framing, messages, start-up packets, rows."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward_gateway.postgres import messages
from doorward_gateway.postgres.framing import BACKEND_KINDS, FRONTEND_KINDS, Framer
from doorward_gateway.postgres.messages import Bind, Execute, Parse
from doorward_gateway.postgres.protocol import ProtocolViolation
from doorward_gateway.postgres.reports import Report, parse_report, without_values
from doorward_gateway.postgres.rows import Field, encode_shape, parse_shape, row_masker, row_values
from doorward_gateway.postgres.startup import (
    Cancel,
    Encryption,
    Startup,
    StartupRefused,
    parse_first_packet,
    vet,
)

names = st.binary(max_size=40).filter(lambda text: b"\0" not in text)
texts = st.text(max_size=40).filter(lambda text: "\0" not in text)
oids = st.integers(0, 0xFFFFFFFF)
values = st.none() | st.binary(max_size=60)
formats = st.lists(st.sampled_from((0, 1)), max_size=1).map(tuple)
shapes = st.lists(
    st.builds(
        Field,
        names,
        oids,
        st.integers(-8, 1600),
        oids,
        st.integers(-2, 64),
        st.integers(-1, 99),
        st.sampled_from((0, 1)),
    ),
    max_size=5,
).map(tuple)


def data_row(row: list[bytes | None]) -> bytes:
    parts = [struct.pack("!i", -1) if v is None else struct.pack("!i", len(v)) + v for v in row]
    return messages.frame(ord("D"), struct.pack("!H", len(row)) + b"".join(parts))


@given(st.lists(names, max_size=6), st.data())
def test_framing_does_not_depend_on_how_bytes_arrive(bodies: list[bytes], data: st.DataObject) -> None:
    whole = [messages.query(body) for body in bodies]
    stream = b"".join(whole)
    framer = Framer(FRONTEND_KINDS, 1000)
    found: list[bytes] = []
    while stream:
        count = data.draw(st.integers(1, len(stream)))
        framer.feed(stream[:count])
        stream = stream[count:]
        found += framer.messages()
    assert found == whole
    assert len(framer) == 0


@given(st.binary(max_size=300))
def test_random_bytes_are_messages_or_a_violation(data: bytes) -> None:
    for kinds in (FRONTEND_KINDS, BACKEND_KINDS):
        framer = Framer(kinds, 200)
        framer.feed(data)
        try:
            for message in framer.messages():
                assert message[0] in kinds
                assert len(message) <= 201
        except ProtocolViolation:
            pass


DECODERS = (
    messages.parse_query,
    messages.parse_parse,
    messages.parse_bind,
    messages.parse_describe,
    messages.parse_close,
    messages.parse_execute,
    messages.parse_parameter_status,
    messages.parse_parameter_description,
    messages.command_tag,
    parse_shape,
    parse_report,
    row_values,
)


@given(st.sampled_from(DECODERS), st.binary(max_size=80))
def test_decoders_take_any_body_or_refuse_it(decode: object, body: bytes) -> None:
    assert callable(decode)
    with suppress(ProtocolViolation):
        decode(messages.frame(ord("X"), body))


@given(names, names, st.lists(oids, max_size=4).map(tuple))
def test_parse_round_trip(name: bytes, statement: bytes, types: tuple[int, ...]) -> None:
    parse = Parse(name, statement, types)
    assert messages.parse_parse(parse.encode()) == parse


@given(names, names, formats, st.lists(values, max_size=4).map(tuple), formats)
def test_bind_round_trip(
    portal: bytes,
    statement: bytes,
    parameter_formats: tuple[int, ...],
    parameters: tuple[bytes | None, ...],
    result_formats: tuple[int, ...],
) -> None:
    bind = Bind(portal, statement, parameter_formats, parameters, result_formats)
    assert messages.parse_bind(bind.encode()) == bind


@given(names, st.integers(-(2**31), 2**31 - 1))
def test_execute_round_trip(portal: bytes, limit: int) -> None:
    assert messages.parse_execute(Execute(portal, limit).encode()) == Execute(portal, limit)


@given(shapes)
def test_shape_round_trip(shape: tuple[Field, ...]) -> None:
    assert parse_shape(encode_shape(shape)) == shape


@given(st.dictionaries(st.sampled_from("SVCMDHPWF"), texts))
def test_report_round_trip(fields: dict[str, str]) -> None:
    assert parse_report(Report(fields).encode()).fields == fields


@given(st.dictionaries(st.sampled_from("SVCMDHPWqstcdnF"), st.just("123-45-6789") | st.just("numutils.c")))
def test_reports_lose_what_could_be_a_value(fields: dict[str, str]) -> None:
    kept = without_values(Report({**fields, "F": "numutils.c"})).fields
    assert set(kept) <= {"S", "V", "C", "P", "F", "M"}
    assert "6789" not in kept["M"]


@given(st.lists(st.tuples(values, st.booleans()), max_size=6))
def test_only_masked_values_change(row: list[tuple[bytes | None, bool]]) -> None:
    mask = row_masker([(lambda value: b"*") if masked else None for _, masked in row])
    changed = row_values(mask(data_row([value for value, _ in row])))
    assert changed == [b"*" if masked else value for value, masked in row]


@given(st.binary(max_size=60))
def test_rows_that_do_not_fit_are_refused(body: bytes) -> None:
    mask = row_masker([lambda value: b"*", None])
    try:
        row = row_values(mask(messages.frame(ord("D"), body)))
    except ProtocolViolation:
        return
    assert row[0] == b"*"
    assert len(row) == 2


# --- start-up ---


@given(st.binary(max_size=120))
def test_any_first_packet_is_understood_or_refused(body: bytes) -> None:
    try:
        packet = parse_first_packet(body)
    except ProtocolViolation:
        return
    assert isinstance(packet, Startup | Cancel | Encryption)


def startup(**parameters: str) -> Startup:
    return Startup(3 << 16, {"user": "ada", **parameters})


@pytest.mark.parametrize(
    ("parameters", "passed"),
    [
        ({"application_name": "x"}, {"application_name": "x"}),
        ({"DateStyle": "ISO"}, {"datestyle": "ISO"}),
        ({"client_encoding": "'utf-8'"}, {}),
        (
            {"options": "-c statement_timeout=5 --lock-timeout=7"},
            {"statement_timeout": "5", "lock_timeout": "7"},
        ),
        ({"options": r"-csearch_path=a\ b"}, {"search_path": "a b"}),
        ({"replication": "false"}, {}),
    ],
)
def test_harmless_parameters_are_passed_on(parameters: dict[str, str], passed: dict[str, str]) -> None:
    assert vet(startup(**parameters))[0] == {**passed, "client_encoding": "UTF8"}


@pytest.mark.parametrize(
    "parameters",
    [
        {"role": "postgres"},
        {"options": "-c role=postgres"},
        {"options": "-c session_authorization=postgres"},
        {"options": "-c standard_conforming_strings=off"},
        {"options": "-c local_preload_libraries=x"},
        {"options": "-d 5"},
        {"options": "-c"},
        {"options": "-c 'role'=postgres"},
        {"client_encoding": "SJIS"},
        {"replication": "database"},
        {"session_preload_libraries": "x"},
    ],
)
def test_other_parameters_are_refused(parameters: dict[str, str]) -> None:
    with pytest.raises(StartupRefused):
        vet(startup(**parameters))


def test_labels_come_from_options_and_application_name() -> None:
    _, labels = vet(
        startup(options="-c doorward.run=r1 -c doorward.step=3", application_name="agent branch=b2,step=9")
    )
    assert labels.document() == {"run": "r1", "step": "3", "branch": "b2"}


def test_a_database_name_may_follow_the_resource() -> None:
    assert (startup(database="shop/app").resource, startup(database="shop/app").database) == ("shop", "app")
    assert startup().resource == "ada"
