"""Asking policies by hand: queries with the value of each expression, and an interactive session."""

from __future__ import annotations

from doorward.author.repl.answers import Answer, Expression, ask, why_not
from doorward.author.repl.completion import Suggestion, suggestions
from doorward.author.repl.session import Reply, Session
from doorward.author.repl.terminal import on_pipe, on_terminal

__all__ = [
    "Answer",
    "Expression",
    "Reply",
    "Session",
    "Suggestion",
    "ask",
    "on_pipe",
    "on_terminal",
    "suggestions",
    "why_not",
]
