"""The starter set in `policies/`, as a company would adopt it. `make policies` checks, formats and tests it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from doorward import Engine
from doorward.bundle import Manifest, build_bundle, bundle_files, read_bundle, read_files, read_policies
from doorward.decide.request import DOCUMENTS
from doorward_dsl import Source, parse_module
from doorward_dsl.syntax import Module

POLICIES = Path(__file__).resolve().parents[2] / "policies"
FILES = sorted(POLICIES.rglob("*.ward"))
RULES = [path for path in FILES if not path.stem.endswith("_test")]


def parsed(path: Path) -> Module:
    return parse_module(Source(path.name, path.read_text()))


def test_every_kind_of_request_is_governed() -> None:
    governed = {kind for path in RULES for kind in parsed(path).governs}
    assert governed == {"*", *DOCUMENTS}


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.relative_to(POLICIES).as_posix())
def test_every_file_has_a_title_and_its_test_beside_it(path: Path) -> None:
    assert re.match(r"# METADATA\n# title: \S", path.read_text())
    assert path.with_name(f"{path.stem}_test.ward").is_file()


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.relative_to(POLICIES).as_posix())
def test_every_statement_says_why(path: Path) -> None:
    assert [str(s.span) for s in parsed(path).statements if s.reason is None] == []


def test_every_folder_is_in_the_readme() -> None:
    shown = (POLICIES / "README.md").read_text()
    folders = sorted(path.name for path in POLICIES.iterdir() if path.is_dir())
    assert [name for name in folders if f"| [{name}](" not in shown] == []


def test_a_bundle_has_the_revision_of_the_folder(tmp_path: Path) -> None:
    copy = tmp_path / "policies"  # outside of git, whose commit would be part of a revision
    shutil.copytree(POLICIES, copy)
    bundle = read_bundle(build_bundle(bundle_files(read_files(copy), Manifest(revision="1"))))
    assert Engine(bundle.policies).revision == Engine(read_policies(copy)).revision


def test_data_names_who_and_what_once() -> None:
    """A list in which something stands twice is one that two people edit differently."""
    for path in POLICIES.rglob("data.json"):
        lists = [json.loads(path.read_text())]
        for value in lists:
            if isinstance(value, dict):
                lists += value.values()
            elif isinstance(value, list):
                assert len(value) == len({json.dumps(item) for item in value}), path
