"""What the documentation shows is true: its policies compile, its configuration loads, its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from doorward import Engine
from doorward_gateway.config import load

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "policies/README.md", *(ROOT / "docs").glob("*.md")]
)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


POLICIES = [
    (
        page,
        number,
        f"doc.{'ward' if language == 'ward' or re.search('^governs ', text, re.MULTILINE) else 'rego'}",
        text,
    )
    for page in PAGES
    for language in ("ward", "rego")
    for number, text in enumerate(blocks(page, language), 1)
]


@pytest.mark.parametrize(
    ("page", "number", "name", "text"), POLICIES, ids=[f"{p.name}-{n}" for p, n, _, _ in POLICIES]
)
def test_policies_in_the_documentation_compile(page: Path, number: int, name: str, text: str) -> None:
    data = {"directory": {"suspended": []}}
    assert Engine.from_sources({name: text}, data).warnings == ()


def test_the_configuration_in_the_documentation_loads(tmp_path: Path) -> None:
    (example,) = blocks(ROOT / "docs/gateway.md", "yaml")
    (tmp_path / "gateway.yaml").write_text(example)
    for file in ("server.crt", "server.key", "ada.token", "dan.token", "app_ro.password"):
        (tmp_path / file).write_text(f"content of {file}")
    config = load(tmp_path / "gateway.yaml", {"APP_RW_PASSWORD": "secret"})
    assert config.resources["warehouse"].upstream.roles["maintainer"].user == "app_rw"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []
