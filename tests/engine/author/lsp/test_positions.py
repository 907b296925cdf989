"""Offsets and the protocol's positions, for every text and each way of counting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol.types import Position

from doorward.author.lsp.positions import Positions

ENCODINGS = {"utf-8": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}
TEXTS = st.text(st.sampled_from("ab\t\r\n\x0b\x0c\x85\u2028é𝄞🦀"), max_size=30)


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(text=TEXTS)
def test_positions_lead_back(encoding: str, text: str) -> None:
    positions = Positions(text, encoding)
    for offset in range(len(text) + 1):
        if text[offset - 1 : offset + 1] != "\r\n":  # no client stands between the two
            assert positions.offset(positions.position(offset)) == offset


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(text=TEXTS)
def test_columns_count_code_units_after_the_last_line_end(encoding: str, text: str) -> None:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    end = Positions(text, encoding).position(len(text))
    unit = len("a".encode(ENCODINGS[encoding]))
    assert end == Position(len(lines) - 1, len(lines[-1].encode(ENCODINGS[encoding])) // unit)


@given(text=TEXTS, line=st.integers(0, 40), character=st.integers(0, 100))
def test_whatever_a_client_says_is_in_the_text(text: str, line: int, character: int) -> None:
    assert 0 <= Positions(text).offset(Position(line, character)) <= len(text)
