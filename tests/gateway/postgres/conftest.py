"""The running parts that the tests of the data path share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.gateway import Shop, open_shop


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The parts that most tests share; nobody may stop them."""
    opened = open_shop(tmp_path_factory.mktemp("shop"))
    yield opened
    opened.stop()


@pytest.fixture
def own_shop(tmp_path: Path) -> Iterator[Shop]:
    """Parts of one's own, to be stopped and broken."""
    opened = open_shop(tmp_path)
    yield opened
    opened.stop()
