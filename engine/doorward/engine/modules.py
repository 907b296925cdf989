"""Parsed modules, kept from one revision to the next: a change of one file parses one file."""

from __future__ import annotations

from collections.abc import Iterable

from doorward_dsl.diagnostics import Diagnostic, ParseError
from doorward_dsl.parse import parse_module
from doorward_dsl.source import Source
from doorward_dsl.syntax import Module

__all__ = ["ModuleCache"]


class ModuleCache:
    """Remembers the modules of the last sources that it parsed. Threads may share it."""

    __slots__ = ("_latest",)

    def __init__(self) -> None:
        # One object, replaced as a whole: whoever reads it meanwhile has the old one or the new.
        self._latest: dict[tuple[str, str], Module] = {}

    def parse(self, sources: Iterable[Source]) -> list[Module]:
        """The modules of the sources. Raises ParseError with what is wrong in any of them."""
        known, latest = self._latest, {}
        problems: list[Diagnostic] = []
        for source in sources:
            key = (source.name, source.text)
            module = known.get(key)
            try:
                latest[key] = parse_module(source) if module is None else module
            except ParseError as error:
                problems.extend(error.diagnostics)
        if problems:
            raise ParseError(problems)
        self._latest = latest
        return list(latest.values())
