"""On Rego, the canonical form is that of `opa fmt`, where it is installed: on its own cases, and on files with comments."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from random import Random

import pytest
from tests.conformance.cases import FOLDER, load_cases

from doorward_dsl import ParseError, Source
from doorward_dsl.format import format_source

from .disturb import disturb

_OPA = shutil.which("opa")
_MODULES = sorted({module for case in load_cases() for module in case.modules})
_CASES = Path(__file__).parent / "cases"

pytestmark = pytest.mark.skipif(_OPA is None, reason="no `opa` on the PATH")


def _agreeing(texts: list[str], folder: Path) -> float:
    """The share of texts that OPA formats to the same bytes, of those that it formats."""
    files = [folder / f"{number}.rego" for number in range(len(texts))]
    for path, text in zip(files, texts, strict=True):
        path.write_bytes(text.encode())
    together = subprocess.run([str(_OPA), "fmt", "-w", str(folder)], check=False, capture_output=True)
    compared = []
    for path, text in zip(files, texts, strict=True):
        if together.returncode:
            alone = subprocess.run([str(_OPA), "fmt", "-w", str(path)], check=False, capture_output=True)
            if alone.returncode:
                continue  # what it makes of its own cannot be parsed
        compared.append(path.read_bytes().decode() == format_source(Source("m.rego", text)))
    return sum(compared) / len(compared)


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the conformance cases are not there")
def test_conformance_modules(tmp_path: Path) -> None:
    assert _agreeing(_MODULES, tmp_path) >= 0.99


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the conformance cases are not there")
def test_conformance_modules_with_comments(tmp_path: Path) -> None:
    random = Random(20261120)
    texts = []
    for text in random.sample(_MODULES, 100):
        disturbed = disturb(text, "m.rego", random, inside=False)
        try:
            format_source(Source("m.rego", disturbed))
        except ParseError:
            continue
        texts.append(disturbed)
    assert (
        _agreeing(texts, tmp_path) >= 0.9
    )  # the rest is comments that OPA moves to what they did not stand by


@pytest.mark.parametrize("path", sorted(_CASES.glob("*.rego")), ids=lambda path: path.stem)
def test_files_with_comments(path: Path, tmp_path: Path) -> None:
    text = path.read_text("utf-8")
    assert format_source(Source(path.name, text)) == text
    assert _agreeing([text, f"\n\n{text}\n\n\n".replace("\t", "        ")], tmp_path) == 1
