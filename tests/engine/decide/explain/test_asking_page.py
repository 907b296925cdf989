"""The explanation on the documentation's page is the one that is given."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from doorward import Engine

PAGE = Path(__file__).resolve().parents[4] / "docs" / "asking.md"


def test_the_page_shows_what_is_said() -> None:
    page = PAGE.read_text()
    policy = re.search(r"^```ward\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    shown = re.search(
        r"^\$ doorward explain shop.ward request.json\n(.*?)^```", page, re.MULTILINE | re.DOTALL
    )
    assert policy is not None
    assert shown is not None
    request = {
        "principal": {"id": "eve", "groups": ["sales"]},
        "action": {"name": "query"},
        "resource": {"kind": "postgres"},
        "postgres": {"statement": "select 1"},
    }
    evening = int(datetime(2026, 11, 20, 21, tzinfo=UTC).timestamp()) * 1_000_000_000
    told = Engine.from_sources({"shop.ward": policy[1]}).explain(request, now_ns=evening)
    assert told.to_text() + "\n" == shown[1]
