"""Messages about policy text: what is wrong, where, what was expected, and the near miss.

DoorwardError                 every error this product raises on purpose
└── PolicyError               one or more diagnostics about policy text
    ├── ParseError            the text is not in the language
    └── CompileError          it is, but means nothing that could be run
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from doorward_dsl.source import Span

__all__ = ["CompileError", "Diagnostic", "DoorwardError", "ParseError", "PolicyError", "Severity"]

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One message.

    `code` is the stable class (OPA's own where OPA has one: `rego_parse_error`, `rego_unsafe_var_error`,
    `rego_type_error`, `rego_recursion_error`, `rego_compile_error`; ours start with `ward_`). `message` is one sentence in
    lower case with the user's words in backticks. `hint` says what was expected or suggests the near miss; `notes` point at
    other places that matter.
    """

    code: str
    message: str
    span: Span
    severity: Severity = "error"
    hint: str | None = None
    notes: tuple[tuple[str, Span], ...] = ()
    rule: str = ""
    """Of what only lint finds: the rule's stable id, by which it is configured and ignored; see `doorward_dsl.lint`."""

    def __str__(self) -> str:
        return f"{self.span}: {self.severity}: {self.message} [{self.rule or self.code}]"


class DoorwardError(Exception):
    """Base of every error that Doorward raises on purpose."""


class PolicyError(DoorwardError):
    """Policy text was refused. `diagnostics` are sorted by place; `code` is the first one's."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        ordered = sorted(diagnostics, key=lambda d: (d.span.source.name, d.span.start, d.code, d.message))
        self.diagnostics: tuple[Diagnostic, ...] = tuple(ordered)
        super().__init__("\n".join(str(d) for d in self.diagnostics))

    @property
    def code(self) -> str:
        """The class of the first diagnostic."""
        return self.diagnostics[0].code if self.diagnostics else "rego_compile_error"


class ParseError(PolicyError):
    """The text is not in the language."""


class CompileError(PolicyError):
    """The text parses, but cannot be given a meaning: unsafe variables, recursion, types, conflicts, …"""
