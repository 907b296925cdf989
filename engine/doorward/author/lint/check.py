"""Everything there is to say of a policy tree: errors of policies and of tests, and the findings of lint."""

from __future__ import annotations

from dataclasses import dataclass

from doorward.author.lint.settings import LintSettings
from doorward.author.testing import check_tests
from doorward.bundle import PolicySet
from doorward.engine import Engine, ModuleCache
from doorward.engine.documents import schemas_in
from doorward_dsl.capabilities import Capabilities
from doorward_dsl.diagnostics import Diagnostic, PolicyError
from doorward_dsl.lint import lint

__all__ = ["Checked", "check"]


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found, sorted by place, and what was looked at."""

    diagnostics: tuple[Diagnostic, ...]
    modules: int
    statements: int
    revision: str
    """Empty where the policies have errors."""

    @property
    def errors(self) -> int:
        """How many of the diagnostics are errors."""
        return sum(one.severity == "error" for one in self.diagnostics)


def check(
    policies: PolicySet, settings: LintSettings, *, capabilities: Capabilities | None = None
) -> Checked:
    """Check policies and their tests. Nothing is raised for what is wrong with them.

    Where the language refuses them, its errors are all there is to say: what cannot be compiled has no meaning to be
    suspicious of.
    """
    modules = ModuleCache()
    number = len(policies.sources)
    try:
        # compiled all the way: what passes here is what `serve` takes
        engine = Engine(policies, modules=modules, capabilities=capabilities)
        parsed = modules.parse(policies.sources)
        check_tests(policies, capabilities=capabilities)
    except PolicyError as error:
        return Checked(error.diagnostics, number, 0, "")
    found = lint(engine.program, parsed, schemas=schemas_in(policies), severities=settings.rules)
    return Checked(found, number, engine.statements, engine.revision)
