"""The LALR(1) table of the grammar, and the loop that runs it.

This is the only file that knows lark: lark reads `grammar/ward.lark` and computes the table. The loop here is ours, because
policy trees of a hundred thousand lines are loaded at once: it knows what lark's general one has to ask for, makes no
tokens with line counters, and passes single-child productions through without a call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, TypeAlias

from lark import Lark
from lark.lexer import Lexer
from lark.parsers.lalr_analysis import Shift

from doorward_dsl.lex import Token

__all__ = ["Unexpected", "bind", "run"]

END = "$END"

Reduction: TypeAlias = "tuple[int, str, int]"
"""How many values a production takes, what it makes, and the index of its builder method (-1: hand the child on)."""


class Unexpected(Exception):
    """The table has no action for `token`; `expected` names the kinds of token that would have done."""

    def __init__(self, token: Token, expected: frozenset[str]) -> None:
        super().__init__(token.kind)
        self.token = token
        self.expected = expected


class _NoLexer(Lexer):
    """The table is fed by our own lexer; lark only needs to be told not to make one."""

    def __init__(self, lexer_conf: object) -> None:
        pass

    def lex(self, lexer_state: Any, parser_state: Any = None) -> Any:
        return iter(())


@dataclass(frozen=True, slots=True)
class _Table:
    """Rows by number of state."""

    shifts: list[dict[str, int]]
    """By kind of token: the state to go to."""
    reductions: list[dict[str, Reduction]]
    """By kind of token: what to make first."""
    gotos: list[dict[str, int]]
    """By what was made: the state to go to."""
    starts: dict[str, int]
    ends: dict[str, int]
    methods: tuple[str, ...]
    """Names of the builder's methods, by index."""


@cache
def _table() -> _Table:
    grammar = files("doorward_dsl").joinpath("grammar/ward.lark").read_text(encoding="utf-8")
    starts = ["statement", "query"]
    lark = Lark(grammar, parser="lalr", lexer=_NoLexer, start=starts)
    configurations = {start: lark.parse_interactive("", start).parser_state.parse_conf for start in starts}
    rows = configurations["statement"].states
    table = _Table(
        [{} for _ in rows],
        [{} for _ in rows],
        [{} for _ in rows],
        {start: configuration.start_state for start, configuration in configurations.items()},
        {start: configuration.end_state for start, configuration in configurations.items()},
        tuple(sorted({rule.alias for rule in lark.rules if rule.alias})),
    )
    numbers = {name: number for number, name in enumerate(table.methods)}
    for state, row in rows.items():
        for name, (action, argument) in row.items():
            symbol = str(name)  # lark's own names are slow to compare
            if action is not Shift:
                method = numbers[argument.alias] if argument.alias else -1
                table.reductions[state][symbol] = len(argument.expansion), str(argument.origin.name), method
            elif symbol.isupper():
                table.shifts[state][symbol] = argument
            else:
                table.gotos[state][symbol] = argument
    return table


def bind(builder: object) -> list[Callable[..., Any]]:
    """The builder's methods in the order of the table; made once a source and given to every `run`."""
    return [getattr(builder, name) for name in _table().methods]


def run(tokens: Sequence[Token], end: Token, start: str, methods: Sequence[Callable[..., Any]]) -> Any:
    """The value of `start` for `tokens`, made by the builder's `methods`.

    `end` stands for the end of the statement, of kind `$END`. Raises `Unexpected` where the text leaves the language,
    and whatever the methods raise.
    """
    table = _table()
    shifts, reductions, gotos = table.shifts, table.reductions, table.gotos
    state = table.starts[start]
    states = [state]
    values: list[Any] = []
    for token in (*tokens, end):
        kind = token.kind
        while (reduction := reductions[state].get(kind)) is not None:
            size, made, method = reduction
            if size == 1:
                if method >= 0:
                    values[-1] = methods[method](values[-1])
                state = gotos[states[-2]][made]
                states[-1] = state
            elif size:
                value = methods[method](*values[-size:])
                del values[-size:], states[-size:]
                values.append(value)
                state = gotos[states[-1]][made]
                states.append(state)
            else:
                values.append(methods[method]())
                state = gotos[state][made]
                states.append(state)
        following = shifts[state].get(kind)
        if following is None:
            if token is end and state == table.ends[start]:
                break
            raise Unexpected(token, _acceptable(table, states))
        state = following
        states.append(state)
        values.append(token)
    return values[-1]


def _acceptable(table: _Table, states: Sequence[int]) -> frozenset[str]:
    """The kinds of token that could be shifted from here; a row alone also names those of other contexts."""
    state = states[-1]
    kinds = {*table.shifts[state], *table.reductions[state]}
    return frozenset(kind for kind in kinds if _shifts(table, list(states), kind))


def _shifts(table: _Table, states: list[int], kind: str) -> bool:
    while True:
        state = states[-1]
        if kind in table.shifts[state] or (kind == END and state in table.ends.values()):
            return True
        reduction = table.reductions[state].get(kind)
        if reduction is None:
            return False
        size, made, _method = reduction
        del states[len(states) - size :]
        states.append(table.gotos[states[-1]][made])
