"""No change of the wire contract breaks those who speak it: compared by buf with `proto/released`, the contract as it was
last given out.

A change that has to break is a decision: it comes with a new package (`doorward.v2`), not with a new baseline.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

PROTO = Path(__file__).parents[2] / "proto"
FILE = Path("doorward_proto/v1/decision.proto")

_installed = PROTO / "node_modules/.bin/buf"
BUF = str(_installed) if _installed.exists() else shutil.which("buf")

pytestmark = pytest.mark.skipif(BUF is None, reason="buf is not there: `npm install --prefix proto`")

RULES = '{"version": "v2", "breaking": {"use": ["FILE", "WIRE_JSON"]}}'
"""What has to stay: generated code, the bytes, and JSON."""


def broken(now: str, folder: Path) -> str:
    """What buf says of a contract against the released one; empty where nothing breaks."""
    assert BUF is not None
    changed = folder / FILE
    changed.parent.mkdir(parents=True)
    changed.write_text(now)
    ran = subprocess.run(
        [BUF, "breaking", str(folder), "--config", RULES, "--against", str(PROTO / "released")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode in (0, 100), ran.stderr
    return ran.stdout


def test_nothing_of_the_released_contract_is_broken(tmp_path: Path) -> None:
    assert broken((PROTO / FILE).read_text(), tmp_path) == ""


BREAKS = {
    "a number": ("string revision = 2;", "string revision = 99;"),
    "a type": ("  uint32 keep_last = 3;", "  string keep_last = 3;"),
    "a name": ("bool single_use = 2;", "bool once = 2;"),
    "a field gone": ("  bool cacheable = 11;", "  //"),
    "one becomes many": ("  Credential credential = 6;", "  repeated Credential credential = 6;"),
    "the number of a verdict": ("VERDICT_ALLOW = 3;", "VERDICT_ALLOW = 4;"),
    "the name of a verdict": ("VERDICT_APPROVE = 2;", "VERDICT_ASK = 2;"),
    "a call gone": ("  rpc GetRevision(GetRevisionRequest) returns (GetRevisionResponse);", ""),
    "a call that streams": ("returns (DecideResponse);", "returns (stream DecideResponse);"),
    "another package": ("package doorward.v1;", "package doorward.v2;"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_the_check_sees(name: str, tmp_path: Path) -> None:
    released = (PROTO / "released" / FILE).read_text()
    before, after = BREAKS[name]
    assert before in released
    assert broken(released.replace(before, after, 1), tmp_path) != ""


def test_what_is_only_added_breaks_nothing(tmp_path: Path) -> None:
    released = (PROTO / "released" / FILE).read_text()
    more = released.replace("  bool cacheable = 11;", "  bool cacheable = 11;\n  string added = 500;", 1)
    assert more != released
    assert broken(more + "\nmessage Added {}\n", tmp_path) == ""
