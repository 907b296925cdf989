"""What detectors find, and what only looks like it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward_dsl.parse_ward import DETECTORS as NAMES
from doorward_gateway.content import DETECTORS, Scanner

FOUND = [
    ("card_number", "pay with 4556737586899855 now", "4556737586899855"),
    ("card_number", "4556-7375-8689-9855", "4556-7375-8689-9855"),
    ("card_number", "4556 7375 8689 9855 12/29", "4556 7375 8689 9855"),
    ("card_number", "no 17 4556 7375 8689 9855", "4556 7375 8689 9855"),
    ("card_number", "amex 378282246310005.", "378282246310005"),
    ("card_number", "{4556737586899855}", "4556737586899855"),
    ("email", "to ada.lovelace+x@acme.example, today", "ada.lovelace+x@acme.example"),
    ("email", "<jürgen@münchen.example>", "jürgen@münchen.example"),
    ("iban", "to DE89 3704 0044 0532 0130 00 by friday", "DE89 3704 0044 0532 0130 00"),
    ("iban", "GB82WEST12345698765432", "GB82WEST12345698765432"),
    ("ip_address", "from 192.168.17.4:5432", "192.168.17.4"),
    ("ip_address", "from [2001:db8::17]:80", "2001:db8::17"),
    ("ip_address", "::ffff:10.0.0.1", "::ffff:10.0.0.1"),
    (
        "jwt",
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.c2ln",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.c2ln",
    ),
    ("phone", "call +49 30 901820", "+49 30 901820"),
    ("phone", "call (415) 555-2671", "(415) 555-2671"),
    ("secret_key", "key AKIAIOSFODNN7EXAMPLE!", "AKIAIOSFODNN7EXAMPLE"),
    ("secret_key", "password: hunter2-and-more", "password: hunter2-and-more"),
    ("secret_key", '{"api_key": "0123456789abcdef"}', 'api_key": "0123456789abcdef'),
    ("secret_key", "postgresql://app:s3cret@db/x", "postgresql://app:s3cret@"),
    (
        "secret_key",
        "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----",
    ),
    ("secret_key", "-----BEGIN PRIVATE KEY-----\nMII cut off", "-----BEGIN PRIVATE KEY-----\nMII cut off"),
    ("ssn", "her number is 536-22-8841", "536-22-8841"),
]

PASSED_OVER = [
    ("card_number", "4556737586899856"),
    ("card_number", "1234567890123"),
    ("card_number", "order 45567375868998551234567890"),
    ("card_number", "1556737586899855"),
    ("email", "@acme a@b user@"),
    ("iban", "DE89 3704 0044 0532 0130 01"),
    ("ip_address", "version 1.2.3, 999.1.1.1, 12:30:45"),
    ("jwt", "eyJ.eyJ"),
    ("phone", "12 34 56"),
    ("secret_key", "the password is forgotten; sk-short"),
    ("ssn", "000-12-3456 666-12-3456 900-12-3456 123-00-4567 123-45-0000 1123-45-67890"),
]


def test_every_detector_of_the_language_is_there() -> None:
    assert set(DETECTORS) == set(NAMES)


@pytest.mark.parametrize(("name", "text", "found"), FOUND)
def test_it_is_found(name: str, text: str, found: str) -> None:
    assert [text[begin:end] for begin, end in DETECTORS[name](text)] == [found]


@pytest.mark.parametrize(("name", "text"), PASSED_OVER)
def test_it_is_passed_over(name: str, text: str) -> None:
    assert list(DETECTORS[name](text)) == []


@given(st.lists(st.sampled_from([text for _, text, _ in FOUND]) | st.text(max_size=20), max_size=6))
def test_spans_stand_in_order_and_what_is_masked_is_gone(parts: list[str]) -> None:
    text = " | ".join(parts)
    for detector in DETECTORS.values():
        spans = list(detector(text))
        assert all(0 <= begin < end <= len(text) for begin, end in spans)
        assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))
    scanner = Scanner([(detector, lambda _found: "#") for detector in DETECTORS.values()])
    masked = scanner.mask(text)
    assert (masked == text) == (not scanner.finds(text))
    for _, whole, found in FOUND:
        if whole in parts:
            assert found not in masked


def test_what_overlaps_is_masked_by_the_first_and_whole() -> None:
    stars, cross = (lambda found: "*" * len(found)), (lambda found: "x" * len(found))
    text = "a password: ada@acme.example here"
    emails_first = Scanner([(DETECTORS["email"], stars), (DETECTORS["secret_key"], cross)])
    assert emails_first.mask(text) == "a " + "*" * len("password: ada@acme.example") + " here"
