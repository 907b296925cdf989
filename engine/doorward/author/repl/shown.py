"""Answers as a person reads them: one value as JSON, several bindings as a table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from doorward.author.profile.text import table
from doorward.author.repl.answers import Answer

__all__ = ["answers_text"]

_MOST_ROWS = 200


def answers_text(answers: Sequence[Answer], width: int) -> str:
    """The answers; `undefined` where there are none."""
    if not answers:
        return "undefined"
    if len(answers) == 1 or not answers[0].bindings:
        return "\n".join(_json(answer.plain, width) if answer.plain != {} else "true" for answer in answers)
    names = sorted({name for answer in answers for name in answer.bindings})
    room = max(8, (width - 2 * len(names)) // len(names))
    rows = [
        [_cut(_flat(answer.bindings.get(name)), room) for name in names] for answer in answers[:_MOST_ROWS]
    ]
    text = table(names, rows)
    more = len(answers) - len(rows)
    return f"{text}\n… and {more} more" if more > 0 else text


def _json(value: Any, width: int) -> str:
    flat = _flat(value)
    return (
        flat
        if len(flat) <= width
        else json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, default=float)
    )


def _flat(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=float)


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"
