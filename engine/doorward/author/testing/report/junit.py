"""A run as JUnit XML, in the dialect that CI servers agree on: a suite a file, a case a test."""

from __future__ import annotations

import re
from itertools import groupby
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from doorward.author.testing.report.words import failure_text
from doorward.author.testing.results import TestResult, TestRun

__all__ = ["junit"]

_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document may hold, however they are written."""


def junit(run: TestRun) -> str:
    """The run; times are in seconds."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append(
        f'<testsuites name="doorward" {_counts(list(run.results))} time="{run.duration_ns / 1e9:.6f}">'
    )
    for file, group in groupby(run.results, key=lambda result: result.test.place.file):
        results = list(group)
        seconds = sum(result.duration_ns for result in results) / 1e9
        lines.append(
            f'  <testsuite name={_quoted(file)} file={_quoted(file)} {_counts(results)} time="{seconds:.6f}">'
        )
        for result in results:
            lines += _case(result)
        lines.append("  </testsuite>")
    lines.append("</testsuites>")
    return "\n".join(lines) + "\n"


def _counts(results: list[TestResult]) -> str:
    def count(outcome: str) -> int:
        return sum(result.outcome == outcome for result in results)

    return f'tests="{len(results)}" failures="{count("failed")}" errors="{count("error")}" skipped="{count("skipped")}"'


def _case(result: TestResult) -> list[str]:
    place = result.test.place
    name = f"{result.test.name} [{result.case}]" if result.case else result.test.name
    start = (
        f"    <testcase name={_quoted(name)} classname={_quoted(result.test.package)} file={_quoted(place.file)}"
        f' line="{place.line}" time="{result.duration_ns / 1e9:.6f}"'
    )
    if result.outcome == "passed":
        return [f"{start}/>"]
    if result.outcome == "skipped":
        return [f"{start}>", "      <skipped/>", "    </testcase>"]
    tag = "failure" if result.outcome == "failed" else "error"
    message = result.failures[0].message if result.failures else result.outcome
    text = escape(_NOT_XML.sub("\ufffd", failure_text(result)))
    return [
        f"{start}>",
        f"      <{tag} message={_quoted(message)} type={_quoted(tag)}>{text}</{tag}>",
        "    </testcase>",
    ]


def _quoted(text: str) -> str:
    return quoteattr(_NOT_XML.sub("\ufffd", text), {"\n": "&#10;"})
