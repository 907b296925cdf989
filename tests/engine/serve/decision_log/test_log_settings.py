"""Settings of the log that make no sense are refused, and a secret in them is not shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from doorward.serve.decision_log.settings import DecisionLogSettings, OtlpSettings, RotationSettings


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("log.txt", "must end in `.jsonl`"),
        ({"file": "stdout", "required": True}, "`required` needs a file"),
        ({"file": "stdout", "otlp": {"endpoint": "http://a:1"}}, "are fed from a file"),
        ({"file": "a.jsonl", "otlp": {"endpoint": "http://a:1/v1"}}, "has no path"),
        ({"file": "a.jsonl", "otlp": {"endpoint": "http://u:p@a:1"}}, "endpoint"),
        ({"file": "a.jsonl", "postgres": {"conninfo": "host=a password=x"}}, "does not belong"),
        ({"file": "a.jsonl", "postgres": {"conninfo": "postgres://u:canary@a/b"}}, "does not belong"),
        ({"file": "a.jsonl", "postgres": {"conninfo": "host=a", "table": "a; drop"}}, "table"),
        ({"file": "a.jsonl", "rotate": 1}, "rotate"),
    ],
)
def test_settings_that_make_no_sense_are_refused(told: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said) as refused:
        DecisionLogSettings.model_validate(told)
    assert "canary" not in str(refused.value)


def test_a_token_is_not_sent_in_the_clear(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("x")
    with pytest.raises(ValidationError, match="in the clear"):
        OtlpSettings(endpoint="http://collector:4317", token_file=tmp_path / "token")


def test_a_path_may_stand_alone() -> None:
    told = DecisionLogSettings.model_validate("decisions.jsonl")
    assert (told.file, told.required, told.rotation) == (Path("decisions.jsonl"), False, RotationSettings())
    assert DecisionLogSettings.model_validate("stdout").to_stdout
