"""What one revision of the policies leaves to the next: a change of one file is work for one file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from doorward.compile import Compiled, ProgramCode, compile_program
from doorward_dsl.capabilities import Capabilities
from doorward_dsl.compile import Compiler
from doorward_dsl.diagnostics import Diagnostic, ParseError
from doorward_dsl.parse import parse_module
from doorward_dsl.program import Program
from doorward_dsl.schemas import JsonSchema
from doorward_dsl.source import Source
from doorward_dsl.syntax import Module

__all__ = ["ModuleCache"]


class ModuleCache:
    """Remembers the last revision: its modules as parsed, the products of the checks, and the code.

    Whatever comes out is the same as without it. Threads may share it; it is of most use where one builds revisions of
    the same files one after the other.
    """

    __slots__ = ("_code", "_compiler", "_latest")

    def __init__(self) -> None:
        # Each is one object, replaced as a whole: whoever reads it meanwhile has the old one or the new.
        self._latest: dict[tuple[str, str], Module] = {}
        self._compiler: Compiler | None = None
        self._code: ProgramCode | None = None

    def parse(self, sources: Iterable[Source]) -> list[Module]:
        """The modules of the sources. Raises ParseError with what is wrong in any of them."""
        known = self._latest
        latest: dict[tuple[str, str], Module] = {}
        problems: list[Diagnostic] = []
        for source in sources:
            key = (source.name, source.text)
            if key in known:
                latest[key] = known[key]
                continue
            try:
                latest[key] = parse_module(source)
            except ParseError as error:
                problems.extend(error.diagnostics)
        self._latest = latest
        if problems:
            raise ParseError(problems)
        return list(latest.values())

    def check(
        self,
        modules: Iterable[Module],
        data: Mapping[str, Any],
        *,
        schemas: Mapping[str, JsonSchema],
        strict: bool = False,
        capabilities: Capabilities | None = None,
    ) -> Program:
        """The program of parsed modules (see `compile_modules`). Raises CompileError with every error found."""
        compiler = self._compiler
        wanted = (schemas, strict, capabilities)
        if compiler is None or (compiler.schemas, compiler.strict, compiler.capabilities) != wanted:
            compiler = Compiler(schemas=schemas, strict=strict, capabilities=capabilities)
            self._compiler = compiler
        return compiler.compile(modules, data)

    def compile(self, program: Program, data: dict[str, Any]) -> Compiled:
        """The code of a program."""
        compiled = compile_program(program, data, earlier=self._code)
        self._code = compiled.code
        return compiled
