"""Types that the compiler found: of rules, and of the variables in them."""

from __future__ import annotations

from collections.abc import Sequence

from doorward_dsl.check.infer import Part
from doorward_dsl.check.terms import TermTypes
from doorward_dsl.occurrences import Occurrence
from doorward_dsl.products import Revision
from doorward_dsl.source import Span
from doorward_dsl.syntax import Module, Rule, Term, Var
from doorward_dsl.types import AnyType, Type, shown
from doorward_dsl.walk import deep_terms, head_terms, rule_chain, statement_terms

__all__ = ["Inferred"]


class Inferred:
    """What a revision knows of types; nothing where there is none."""

    def __init__(self, revision: Revision | None) -> None:
        self._revision = revision
        self._documents = None if revision is None else revision.typed.documents()

    def document(self, path: Sequence[str]) -> str | None:
        """The type of what the rules at a path define, `data` first; None where nothing is known."""
        if self._documents is None:
            return None
        node = self._documents.tree.find_names(path[1:])
        return None if node is None else _shown(self._documents.value(node))

    def variable(self, module: Module, places: Sequence[Occurrence]) -> str | None:
        """The type of the variable that stands at some places of a module as parsed."""
        if self._revision is None or self._documents is None:
            return None
        checked = self._revision.checked.get(module)
        if checked is None:
            return None
        spans = [one.span for one in places]
        for part in checked.parts:
            if any(part.span.start <= span.start < part.span.end for span in spans):
                terms = TermTypes(self._documents, checked.request, [])
                return _shown(_variable(part, spans, terms))
        return None


def _variable(part: Part, spans: Sequence[Span], terms: TermTypes) -> Type | None:
    if isinstance(part, Rule):
        for link in rule_chain(part):
            terms.clear()
            terms.body(link.body)
            heads = head_terms(link.head)
            for head in heads:
                terms.visit(head)
            found = _found(list(deep_terms(*heads, bodies=[link.body])), spans)
            if found is not None:
                return terms.kind(found)
        return None
    heads = statement_terms(part)
    bodies = [body for body in (part.when, part.unless) if body]
    for body in bodies:
        terms.body(body)
    for head in heads:
        terms.visit(head)
    found = _found(list(deep_terms(*heads, bodies=bodies)), spans)
    return None if found is None else terms.kind(found)


def _found(terms: Sequence[Term], spans: Sequence[Span]) -> Var | None:
    """The variable of a resolved tree that stands at one of some places."""
    places = {(span.start, span.end) for span in spans}
    return next(
        (term for term in terms if isinstance(term, Var) and (term.span.start, term.span.end) in places),
        None,
    )


def _shown(kind: Type | None) -> str | None:
    return None if kind is None or isinstance(kind, AnyType) else shown(kind)
