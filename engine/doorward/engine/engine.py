"""The engine as a library: policies in, decisions out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from doorward.compile import Compiled, compile_program
from doorward.decide.decision import Decision
from doorward.decide.evaluate import Decider
from doorward.decide.request import AccessRequest, document_schemas
from doorward.engine.modules import ModuleCache
from doorward.engine.policies import PolicySet, policies_from, read_policies
from doorward.engine.prepared import PreparedQuery
from doorward.facts.postgres import AnalysisCache, Catalogue
from doorward.run.budget import Limits
from doorward.run.values import UNDEFINED
from doorward_dsl.compile import compile_modules, compile_query
from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.parse import parse_query
from doorward_dsl.program import Program

__all__ = ["Engine", "compile_policies"]

_DEFAULT_LIMITS: Final = Limits()
_REMEMBERED: Final = 256
"""How many queries an engine keeps compiled."""


def compile_policies(
    policies: PolicySet, *, strict: bool = False, modules: ModuleCache | None = None
) -> Program:
    """Parse, resolve and check every module. Raises PolicyError with the diagnostics of all of them."""
    parsed = (ModuleCache() if modules is None else modules).parse(policies.sources)
    return compile_modules(parsed, schemas=document_schemas(), strict=strict, data=policies.data)


class Engine:
    """One revision of policies and data, compiled. Immutable; any number of threads may decide with it
    at once.

    `warnings` are what the compiler noticed but did not refuse. `limits` bound each evaluation.
    """

    __slots__ = ("_compiled", "_decider", "_limits", "_prepared", "_program", "policies", "warnings")

    def __init__(
        self,
        policies: PolicySet,
        *,
        strict: bool = False,
        limits: Limits = _DEFAULT_LIMITS,
        analyses: AnalysisCache | None = None,
        modules: ModuleCache | None = None,
    ) -> None:
        """Compile. Raises PolicyError with every diagnostic there is; `strict` makes warnings errors.

        `analyses` and `modules` are kept from an earlier revision: what a statement does, no policy changes,
        and a file that is as it was is not parsed again.
        """
        self.policies = policies
        self._limits = limits
        self._program = compile_policies(policies, strict=strict, modules=modules)
        self.warnings: tuple[Diagnostic, ...] = self._program.warnings
        self._compiled: Compiled = compile_program(self._program, policies.data)
        self._prepared: dict[tuple[str, bool], PreparedQuery] = {}
        self._decider = Decider(
            self._compiled,
            policies.revision,
            limits=limits,
            analyses=AnalysisCache() if analyses is None else analyses,
        )

    @classmethod
    def from_path(
        cls, path: str | os.PathLike[str], *, strict: bool = False, limits: Limits = _DEFAULT_LIMITS
    ) -> Self:
        """The engine of a directory of policies and data, or of one file. Raises PolicyError, OSError."""
        return cls(read_policies(Path(path)), strict=strict, limits=limits)

    @classmethod
    def from_sources(
        cls,
        sources: Mapping[str, str],
        data: Mapping[str, Any] | None = None,
        *,
        strict: bool = False,
        limits: Limits = _DEFAULT_LIMITS,
    ) -> Self:
        """The engine of texts by file name (`{"p.rego": "package p …"}`) and data. Raises PolicyError."""
        return cls(policies_from(sources, data), strict=strict, limits=limits)

    @property
    def revision(self) -> str:
        """Content hash of policies and data, in hexadecimal."""
        return self.policies.revision

    @property
    def statements(self) -> int:
        """How many statements and governed rules take part in decisions."""
        return len(self._program.statements) + len(self._program.governed_rules)

    def decide(
        self,
        request: AccessRequest | Mapping[str, Any],
        *,
        catalogue: Catalogue | None = None,
        now_ns: int | None = None,
    ) -> Decision:
        """The decision on one access request.

        `catalogue` is what the operation is read against: without one, every name in it is unknown.
        `now_ns` fixes the clock (nanoseconds since 1970). Raises InvalidRequest; everything else that
        may go wrong is a block.
        """
        document: Any = request
        if isinstance(request, AccessRequest):
            document = request.model_dump()
        elif type(request) is not dict and isinstance(request, Mapping):
            document = dict(request)
        return self._decider.decide(document, catalogue, now_ns)

    def query(
        self,
        query: str,
        input: Any = UNDEFINED,  # noqa: A002 - the name it has in Rego
        *,
        input_term: str | None = None,
        strict_builtin_errors: bool = False,
        now_ns: int | None = None,
    ) -> list[dict[str, Any]]:
        """Every answer to a Rego query such as `data.acme.analyst = x`, as the values of its variables.

        `input_term` gives the input as a Rego term instead of a JSON value. Sets come as sorted lists;
        no answer is `[]`. A built-in that fails makes its expression undefined, or with
        `strict_builtin_errors` the query fail. Raises PolicyError for the query, EvaluationError from
        its evaluation.
        """
        prepared = self.prepare(query, strict_builtin_errors=strict_builtin_errors)
        if input_term is not None:
            term = compile_query(parse_query(f"value = {input_term}"), self._program)
            input = self._compiled.query(term)[0]["value"]  # noqa: A001
        return prepared(input, now_ns=now_ns)

    def prepare(self, query: str, *, strict_builtin_errors: bool = False) -> PreparedQuery:
        """The query, compiled, to be asked many times; see `query`. Raises PolicyError."""
        key = (query, strict_builtin_errors)
        prepared = self._prepared.get(key)
        if prepared is None:
            prepared = PreparedQuery(query, self._compiled, self._limits, strict=strict_builtin_errors)
            if len(self._prepared) >= _REMEMBERED:
                self._prepared.clear()
            self._prepared[key] = prepared
        return prepared
