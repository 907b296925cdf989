"""Asking policies by hand: queries with the value of each expression, and an interactive session."""

from __future__ import annotations

from doorward.author.repl.answers import Answer, Expression, ask, why_not

__all__ = ["Answer", "Expression", "ask", "why_not"]
