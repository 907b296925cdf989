"""Every term and every line of a module's rules and statements."""

from __future__ import annotations

from collections.abc import Iterator

from doorward_dsl.syntax import Body, Literal, Module, Rule, Statement, Term
from doorward_dsl.walk import deep_nodes, head_terms, rule_chain, statement_terms

__all__ = ["Part", "nodes"]

Part = Rule | Statement


def nodes(module: Module) -> Iterator[tuple[Part, Term | Literal]]:
    """The nodes with what they stand in, a term before its parts."""
    for part in (*module.rules, *module.statements):
        heads: list[Term]
        bodies: list[Body]
        if isinstance(part, Rule):
            heads = [term for link in rule_chain(part) for term in head_terms(link.head)]
            bodies = [link.body for link in rule_chain(part)]
        else:
            heads, bodies = statement_terms(part), [body for body in (part.when, part.unless) if body]
        for node in deep_nodes(*heads, bodies=bodies):
            yield part, node
