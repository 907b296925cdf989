"""Rules beside statements that nothing refers to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import takewhile

from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.program import Program
from doorward_dsl.resolve.globals import static_path
from doorward_dsl.syntax import Module

__all__ = ["unused_rules"]


def unused_rules(program: Program, parsed: Iterable[Module]) -> Iterator[Diagnostic]:
    """Rules of files that govern something which nobody reads: a misspelt name looks just like this.

    A package of plain Rego is asked from outside, and so are test rules; nothing is said of them.
    """
    read: set[tuple[str, ...]] = set()
    for module in program.modules:
        for part in (*module.rules, *module.statements):
            for one in program.references(part):
                known = takewhile(lambda name: name is not None and isinstance(name[1], str), one.path)
                path = tuple(str(name[1]) for name in known if name is not None)
                read.update(path[:length] for length in range(1, len(path) + 1))
    tested = " ".join(text for module in parsed for text in _tested(module))
    said: set[tuple[str, ...]] = set()
    for module in program.modules:
        for rule in module.rules if module.governs else ():
            place = static_path(rule.head.ref)[1:]
            name = place[-1]
            if (
                place in read
                or place in said
                or _is_test(name)
                or re.search(rf"\b{re.escape(name)}\b", tested)
            ):
                continue
            said.add(place)
            yield Diagnostic(
                "ward_lint", f"nothing refers to `{name}`", rule.head.span, "warning", rule="unused-rule"
            )


def _tested(module: Module) -> Iterator[str]:
    """What tests say: that they hold a name is enough to say nothing of it."""
    yield from (block.span.text for block in module.tests)
    yield from (given.span.text for given in module.givens)


def _is_test(name: str) -> bool:
    return name.startswith(("test_", "todo_test_"))
