"""The engine as a library: policies in, decisions out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Self

from doorward.bundle import PolicySet, policies_from, read_policies
from doorward.compile import Compiled
from doorward.decide.decision import Decision
from doorward.decide.evaluate import Decider
from doorward.decide.explain import Explainer, Explanation
from doorward.decide.request import AccessRequest
from doorward.engine.documents import check_documents, schemas_in
from doorward.engine.granted import granted_to_decisions, may_wait, revision_under
from doorward.engine.kinds import kinds_of
from doorward.engine.modules import ModuleCache
from doorward.engine.prepared import PreparedQuery
from doorward.facts.postgres import AnalysisCache, Catalogue
from doorward.run.budget import Limits
from doorward.run.effects import Effect
from doorward.run.values import UNDEFINED
from doorward_dsl.capabilities import Capabilities
from doorward_dsl.compile import compile_query
from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.parse import parse_module, parse_query
from doorward_dsl.program import Program
from doorward_dsl.source import Source

__all__ = ["Engine", "compile_policies"]

_DEFAULT_LIMITS: Final = Limits()
_REMEMBERED: Final = 256
"""How many queries an engine keeps compiled."""


def compile_policies(
    policies: PolicySet,
    *,
    strict: bool = False,
    modules: ModuleCache | None = None,
    capabilities: Capabilities | None = None,
) -> Program:
    """Parse, resolve and check every module, under `capabilities` if there are any.

    Raises PolicyError with the diagnostics of all of them.
    """
    modules = ModuleCache() if modules is None else modules
    check_documents(policies)
    parsed = modules.parse(policies.sources)
    return modules.check(
        parsed,
        policies.data,
        schemas=schemas_in(policies),
        strict=strict,
        capabilities=capabilities,
    )


def _document(request: AccessRequest | Mapping[str, Any]) -> Any:
    if type(request) is dict:
        return request
    if isinstance(request, AccessRequest):
        return request.model_dump()
    return dict(request) if isinstance(request, Mapping) else request


class Engine:
    """One revision of policies and data, compiled. Immutable; any number of threads may decide with it
    at once.

    `capabilities` say what policies and queries may use, and what they may ask of the world. Without any, all of the
    language and every built-in is there, but decisions may use no built-in whose answer differs each time, and nothing
    may reach the network: such a call fails, and in a decision restricts.

    `revision` is the content hash of policies, data and capabilities, in hexadecimal. `waits` says whether decisions
    may have to wait for another host. `warnings` are what the compiler noticed but did not refuse. `limits` bound each
    evaluation; they are no part of the revision, for within them all engines of one revision decide the same.
    """

    __slots__ = (
        "_capabilities",
        "_compiled",
        "_decider",
        "_explainer",
        "_limits",
        "_prepared",
        "_program",
        "policies",
        "revision",
        "waits",
        "warnings",
    )

    def __init__(
        self,
        policies: PolicySet,
        *,
        strict: bool = False,
        limits: Limits = _DEFAULT_LIMITS,
        analyses: AnalysisCache | None = None,
        modules: ModuleCache | None = None,
        capabilities: Capabilities | None = None,
    ) -> None:
        """Compile. Raises PolicyError with every diagnostic there is; `strict` makes warnings errors.

        `analyses` and `modules` are kept from an earlier revision: what a statement does, no policy changes,
        and what a change leaves as it was is not parsed, checked or compiled again.
        """
        self.policies = policies
        self.revision = revision_under(policies.revision, capabilities)
        self._limits = limits
        self._capabilities = capabilities
        modules = ModuleCache() if modules is None else modules
        self._program = compile_policies(policies, strict=strict, modules=modules, capabilities=capabilities)
        self.warnings: tuple[Diagnostic, ...] = self._program.warnings
        self._compiled: Compiled = modules.compile(self._program, policies.data)
        self._prepared: dict[tuple[str, bool, str], PreparedQuery] = {}
        analyses = AnalysisCache() if analyses is None else analyses
        grants = granted_to_decisions(capabilities)
        self.waits = may_wait(grants)
        kinds = kinds_of(policies)
        self._decider = Decider(
            self._compiled, self.revision, limits=limits, analyses=analyses, grants=grants, kinds=kinds
        )
        self._explainer = Explainer(
            self._compiled, self.revision, limits=limits, analyses=analyses, grants=grants, kinds=kinds
        )

    @classmethod
    def from_path(
        cls,
        path: str | os.PathLike[str],
        *,
        strict: bool = False,
        limits: Limits = _DEFAULT_LIMITS,
        capabilities: Capabilities | None = None,
    ) -> Self:
        """The engine of a directory of policies and data, or of one file. Raises PolicyError, OSError."""
        return cls(read_policies(Path(path)), strict=strict, limits=limits, capabilities=capabilities)

    @classmethod
    def from_sources(
        cls,
        sources: Mapping[str, str],
        data: Mapping[str, Any] | None = None,
        *,
        strict: bool = False,
        limits: Limits = _DEFAULT_LIMITS,
        capabilities: Capabilities | None = None,
    ) -> Self:
        """The engine of texts by file name (`{"p.rego": "package p …"}`) and data. Raises PolicyError."""
        return cls(policies_from(sources, data), strict=strict, limits=limits, capabilities=capabilities)

    @property
    def program(self) -> Program:
        """The checked program, for what looks at policies rather than asks them."""
        return self._program

    @property
    def statements(self) -> int:
        """How many statements and governed rules take part in decisions."""
        return sum(map(len, self._program.governing))

    def decide(
        self,
        request: AccessRequest | Mapping[str, Any],
        *,
        catalogue: Catalogue | None = None,
        now_ns: int | None = None,
        replaying: Iterable[Effect] | None = None,
    ) -> Decision:
        """The decision on one access request.

        `catalogue` is what the operation is read against: without one, every name in it is unknown.
        `now_ns` fixes the clock (nanoseconds since 1970). `replaying` are the effects of an earlier
        decision: with them and the clock of then, the decision is that of then, and nothing is asked of
        the world. Raises InvalidRequest; everything else that may go wrong is a block.
        """
        return self._decider.decide(_document(request), catalogue, now_ns, replaying)

    def explain(
        self,
        request: AccessRequest | Mapping[str, Any],
        *,
        catalogue: Catalogue | None = None,
        now_ns: int | None = None,
        replaying: Iterable[Effect] | None = None,
        nearest: bool = True,
    ) -> Explanation:
        """The truth about one request: the decision, what became of every statement and why, and the nearest allow.

        Takes what `decide` takes, and decides as it does. Without `nearest` no changed requests are decided in search
        of one that is allowed. Takes milliseconds to seconds, within bounds. Raises InvalidRequest.
        """
        return self._explainer.explain(_document(request), catalogue, now_ns, replaying, search=nearest)

    def query(
        self,
        query: str,
        input: Any = UNDEFINED,  # noqa: A002 - the name it has in Rego
        *,
        input_term: str | None = None,
        strict_builtin_errors: bool = False,
        now_ns: int | None = None,
        recording: list[Effect] | None = None,
        replaying: Iterable[Effect] | None = None,
        within: str = "",
    ) -> list[dict[str, Any]]:
        """Every answer to a Rego query such as `data.acme.analyst = x`, as the values of its variables.

        `input_term` gives the input as a Rego term instead of a JSON value. Sets come as sorted lists;
        no answer is `[]`. A built-in that fails makes its expression undefined, or with
        `strict_builtin_errors` the query fail. `recording` takes what non-deterministic built-ins answered; given as
        `replaying`, it is answered again. `within` is the head of a module, `package p` and perhaps imports, in which
        the query stands. Raises PolicyError for the query, EvaluationError from its evaluation.
        """
        prepared = self.prepare(query, strict_builtin_errors=strict_builtin_errors, within=within)
        if input_term is not None:
            term = compile_query(
                parse_query(f"value = {input_term}"), self._program, capabilities=self._capabilities
            )
            input = self._compiled.query(term)[0]["value"]  # noqa: A001
        return prepared(input, now_ns=now_ns, recording=recording, replaying=replaying)

    def prepare(self, query: str, *, strict_builtin_errors: bool = False, within: str = "") -> PreparedQuery:
        """The query, compiled, to be asked many times; see `query`. Raises PolicyError."""
        key = (query, strict_builtin_errors, within)
        prepared = self._prepared.get(key)
        if prepared is None:
            prepared = PreparedQuery(
                query,
                self._compiled,
                self._limits,
                strict=strict_builtin_errors,
                capabilities=self._capabilities,
                within=parse_module(Source("query", within)) if within else None,
            )
            if len(self._prepared) >= _REMEMBERED:
                self._prepared.clear()
            self._prepared[key] = prepared
        return prepared
