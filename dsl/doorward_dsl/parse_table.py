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
    actions: dict[int, dict[str, int | Reduction]]
    """By state and kind of token: the state to go to, or what to reduce."""
    gotos: dict[int, dict[str, int]]
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
    methods: dict[str, int] = {}
    actions: dict[int, dict[str, int | Reduction]] = {}
    gotos: dict[int, dict[str, int]] = {}
    for state, row in configurations[starts[0]].states.items():
        actions[state] = {}
        gotos[state] = {}
        for symbol, (action, argument) in row.items():
            if action is not Shift:
                method = methods.setdefault(argument.alias, len(methods)) if argument.alias else -1
                actions[state][symbol] = (len(argument.expansion), argument.origin.name, method)
            elif symbol.isupper() or symbol == END:
                actions[state][symbol] = argument
            else:
                gotos[state][symbol] = argument
    return _Table(
        actions,
        gotos,
        {start: conf.start_state for start, conf in configurations.items()},
        {start: conf.end_state for start, conf in configurations.items()},
        tuple(methods),
    )


def _acceptable(table: _Table, states: Sequence[int]) -> frozenset[str]:
    """The kinds of token that could be shifted from here; a row alone also names those of other contexts."""
    return frozenset(kind for kind in table.actions[states[-1]] if _shifts(table, list(states), kind))


def _shifts(table: _Table, states: list[int], kind: str) -> bool:
    while True:
        action = table.actions[states[-1]].get(kind)
        if action is None:
            return False
        if isinstance(action, int):
            return True
        size, made, _method = action
        del states[len(states) - size :]
        following = table.gotos[states[-1]].get(made)
        if following is None or (kind == END and following in table.ends.values()):
            return following is not None
        states.append(following)


def bind(builder: object) -> list[Callable[..., Any]]:
    """The builder's methods in the order of the table; made once a source and given to every `run`."""
    return [getattr(builder, name) for name in _table().methods]


def run(tokens: Sequence[Token], end: Token, start: str, methods: Sequence[Callable[..., Any]]) -> Any:
    """The value of `start` for `tokens`, made by the builder's `methods`.

    `end` stands for the end of the statement, of kind `$END`. Raises `Unexpected` where the text leaves the language,
    and whatever the methods raise.
    """
    table = _table()
    actions, gotos = table.actions, table.gotos
    end_state = table.ends[start]
    state = table.starts[start]
    states = [state]
    values: list[Any] = []
    for token in (*tokens, end):
        kind = token.kind
        while True:
            action = actions[state].get(kind)
            if action.__class__ is int:
                states.append(action)  # type: ignore[arg-type]
                values.append(token)
                state = action  # type: ignore[assignment]
                break
            if action is None:
                raise Unexpected(token, _acceptable(table, states))
            size, made, method = action  # type: ignore[misc]
            if method < 0:
                state = gotos[states[-2]][made]
                states[-1] = state
                continue
            if size == 1:
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
                state = gotos[states[-1]][made]
                states.append(state)
            if state == end_state:
                return values[-1]
    raise AssertionError("the end token always ends the parse")
