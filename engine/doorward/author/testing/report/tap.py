"""A run in the Test Anything Protocol, version 14."""

from __future__ import annotations

import json

from doorward.author.testing.report.words import failure_text, plain
from doorward.author.testing.results import TestRun

__all__ = ["tap"]


def tap(run: TestRun) -> str:
    """A line a test; what failed follows in a YAML block."""
    lines = ["TAP version 14", f"1..{len(run.results)}"]
    for number, result in enumerate(run.results, 1):
        name = " ".join(plain(result.id).split()).replace("\\", "\\\\").replace("#", "\\#")
        passed = result.outcome in ("passed", "skipped")
        skipped = " # SKIP" if result.outcome == "skipped" else ""
        lines.append(f"{'ok' if passed else 'not ok'} {number} - {name}{skipped}")
        if not passed:
            place = result.failures[0].place if result.failures else result.test.place
            lines += [
                "  ---",
                f"  message: {json.dumps(result.failures[0].message if result.failures else '')}",
            ]
            lines += [f"  severity: {'fail' if result.outcome == 'failed' else 'error'}"]
            lines += [f"  at: {json.dumps(str(place))}", "  details: |"]
            lines += [f"    {line}" for line in plain(failure_text(result)).split("\n")]
            lines.append("  ...")
    return "\n".join(lines) + "\n"
