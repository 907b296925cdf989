"""What is suspicious in policies that compile: findings of rules with stable ids, which comments and settings rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from doorward_dsl.diagnostics import CompileError, Diagnostic
from doorward_dsl.lint.constants import constant_conditions
from doorward_dsl.lint.ignores import apply_ignores
from doorward_dsl.lint.rules import RULES, LintRule, LintSeverity
from doorward_dsl.lint.statements import doubtful_statements, unreachable_statements
from doorward_dsl.lint.unused import unused_rules
from doorward_dsl.lint.values import impossible_values
from doorward_dsl.program import Program
from doorward_dsl.schemas import JsonSchema
from doorward_dsl.syntax import Module

__all__ = ["RULES", "LintRule", "LintSeverity", "lint"]


def lint(
    program: Program,
    modules: Sequence[Module],
    *,
    schemas: Mapping[str, JsonSchema],
    severities: Mapping[str, LintSeverity] | None = None,
    warnings: Iterable[Diagnostic] | None = None,
) -> tuple[Diagnostic, ...]:
    """The findings, sorted by place, the compiler's own warnings among them.

    `modules` are those of the program, as parsed, with their comments and tests. `severities` say by rule what differs
    from `RULES`. `warnings` are the compiler's, if not those of the program alone, as where tests were compiled too.
    """
    found = chain(
        program.warnings if warnings is None else warnings,
        constant_conditions(program),
        doubtful_statements(program),
        impossible_values(program, schemas),
        unreachable_statements(program),
        unused_rules(program, modules),
    )
    judged = []
    for one in apply_ignores(modules, found):
        severity = _severity(one, severities or {})
        if severity != "off":
            judged.append(one if severity == one.severity else replace(one, severity=severity))
    return CompileError(judged).diagnostics


def _severity(finding: Diagnostic, severities: Mapping[str, LintSeverity]) -> LintSeverity:
    if not finding.rule:
        return finding.severity
    return severities.get(finding.rule, RULES[finding.rule].severity)
