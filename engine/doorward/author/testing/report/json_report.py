"""A run as one JSON document."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from doorward.author.testing.results import TestInfo, TestResult, TestRun

__all__ = ["info_json", "json_report", "result_json"]


def info_json(info: TestInfo) -> dict[str, Any]:
    """A test."""
    return {
        "id": info.id,
        "package": info.package,
        "name": info.name,
        "kind": info.kind,
        "file": info.place.file,
        "line": info.place.line,
        "column": info.place.column,
    }


def result_json(result: TestResult) -> dict[str, Any]:
    """A result; times are in nanoseconds."""
    return {
        **info_json(result.test),
        "id": result.id,
        "case": result.case,
        "outcome": result.outcome,
        "duration_ns": result.duration_ns,
        "failures": [
            {**dataclasses.asdict(failure), "values": [{"source": s, "value": v} for s, v in failure.values]}
            for failure in result.failures
        ],
    }


def json_report(run: TestRun) -> str:
    """The run, its counts and every result; lines and columns count from 1."""
    document = {
        "passed": run.count("passed"),
        "failed": run.count("failed"),
        "errors": run.count("error"),
        "skipped": run.count("skipped"),
        "duration_ns": run.duration_ns,
        "tests": [result_json(result) for result in run.results],
        "coverage": run.coverage.to_dict() if run.coverage is not None else None,
    }
    return json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n"
