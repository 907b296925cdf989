"""Comments that ignore findings: `# doorward: ignore unused-import, shadowing`.

Behind code such a comment is about its line, and on a line of its own about the next line of code. Only what lint finds
can be ignored: an error of the language is one whatever a comment says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.lint.rules import RULES
from doorward_dsl.source import Span
from doorward_dsl.suggest import nearest
from doorward_dsl.syntax import Module

__all__ = ["apply_ignores"]

_COMMENT: Final = re.compile(r"#+\s*doorward:\s*ignore\b[:\s]*(.*)")
_ID: Final = re.compile(r"[A-Za-z][\w-]*")


@dataclass(frozen=True, slots=True, eq=False)
class _Ignore:
    rule: str
    line: int
    span: Span


def apply_ignores(modules: Iterable[Module], findings: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The findings that no comment ignores, and what is wrong with the comments."""
    ignores = [ignore for module in modules for ignore in _ignores(module)]
    at: dict[tuple[str, int, str], list[_Ignore]] = {}
    for ignore in ignores:
        at.setdefault((ignore.span.source.name, ignore.line, ignore.rule), []).append(ignore)
    used: set[_Ignore] = set()
    left = []
    for finding in findings:
        matching = (
            at.get((finding.span.source.name, finding.span.line, finding.rule), []) if finding.rule else []
        )
        used.update(matching)
        if not matching:
            left.append(finding)
    return [*left, *(_idle(ignore) for ignore in ignores if ignore not in used)]


def _ignores(module: Module) -> Iterator[_Ignore]:
    source = module.span.source
    lines = source.text.splitlines()
    for comment in module.comments:
        found = _COMMENT.fullmatch(comment.span.text.rstrip())
        if found is None:
            continue
        line = comment.span.line
        if lines[line - 1][: comment.span.column - 1].strip() == "":
            line = next(
                (at for at in range(line + 1, len(lines) + 1) if lines[at - 1].strip()[:1] not in ("", "#")),
                line,
            )
        for name in _ID.finditer(found[1]):
            start = comment.span.start + found.start(1) + name.start()
            yield _Ignore(name[0], line, Span(source, start, start + len(name[0])))


def _idle(ignore: _Ignore) -> Diagnostic:
    if ignore.rule in RULES:
        message, hint = f"there is no `{ignore.rule}` to ignore here", None
    else:
        near = nearest(ignore.rule, RULES)
        message = f"there is no rule `{ignore.rule}`"
        hint = f"did you mean `{near}`?" if near else "`doorward check --rules` lists them"
    return Diagnostic("ward_lint", message, ignore.span, "warning", hint, rule="unused-ignore")
