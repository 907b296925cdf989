"""What rules and statements refer to beyond themselves: the edges of every graph of dependencies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from doorward_dsl.check.changes import BELOW, DEEPEST, SOMEWHERE, Key
from doorward_dsl.check.tree import Constant, constant, is_global
from doorward_dsl.finite import Known, also_known, narrowed
from doorward_dsl.syntax import Body, Call, Literal, Ref, Rule, Statement, Term, Var
from doorward_dsl.walk import deep_nodes, head_terms, rule_chain, statement_terms

__all__ = ["Read", "keys_of", "names_input", "reads_of"]


@dataclass(frozen=True, slots=True)
class Read:
    """A reference to `data` with `path` after it, or a call of the function there."""

    path: tuple[Constant | None, ...]
    """None where anything may stand."""
    call: bool = False
    replaced: bool = False
    """What `with` puts something else in the place of."""


def reads_of(part: Rule | Statement) -> tuple[Read, ...]:
    """The different references to `data` in a resolved rule or statement, in the order of the text.

    Its bodies must not be in the order of their evaluation yet: what a line tells of a variable, it tells to those that
    the author wrote after it.
    """
    found: dict[Read, None] = {}
    if isinstance(part, Rule):
        for link in rule_chain(part):
            known = _body(link.body, {}, found)
            found.update(dict.fromkeys(_reads(deep_nodes(*head_terms(link.head)), known)))
    else:
        known = _body(part.when or (), {}, found)
        found.update(dict.fromkeys(_reads(deep_nodes(*statement_terms(part)), known)))
        _body(part.unless or (), known, found)
    return tuple(found)


def names_input(part: Rule | Statement, field: str) -> bool:
    """Whether a resolved rule or statement may read a field of `input`: it names it, or the whole of `input`, or a part of
    `input` that is not known.
    """
    if isinstance(part, Rule):
        links = list(rule_chain(part))
        terms = [term for link in links for term in head_terms(link.head)]
        bodies: list[Body] = [link.body for link in links]
    else:
        terms, bodies = list(statement_terms(part)), [part.when or (), part.unless or ()]
    whole = (
        0  # times that `input` stands for itself, and not at the beginning of a reference to another field
    )
    for node in deep_nodes(*terms, bodies=bodies):
        if isinstance(node, Ref) and is_global(node, "input"):
            first = constant(node.path[0]) if node.path else None
            if first is not None and first != ("str", field):
                whole -= 1  # its head comes by itself
        elif isinstance(node, Var) and node.name == "input":
            whole += 1
        elif isinstance(node, Literal) and any(is_global(one.target, "input") for one in node.withs):
            return True
    return whole > 0


def _body(body: Body, known: Known, found: dict[Read, None]) -> Known:
    """Add what the lines of a body refer to; what is known after them."""
    for literal in body:
        found.update(dict.fromkeys(_reads(deep_nodes(bodies=[(literal,)]), known)))
        known = also_known(literal, known)
    return known


def _reads(nodes: Iterable[Term | Literal], known: Known) -> Iterator[Read]:
    roots: set[Term] = set()
    for node in nodes:
        if isinstance(node, Ref):
            if is_global(node):
                roots.add(node.head)
                for path in narrowed(node.path, known):
                    yield Read(path)
        elif isinstance(node, Call):
            if node.name[0] == "data":
                yield Read(tuple([("str", name) for name in node.name[1:]]), call=True)
        elif isinstance(node, Var):
            if node.name == "data" and node not in roots:
                yield Read(())
        elif isinstance(node, Literal):
            for modifier in node.withs:
                if is_global(modifier.target):
                    target = modifier.target.path if isinstance(modifier.target, Ref) else ()
                    yield Read(tuple(map(constant, target)), replaced=True)


def keys_of(reads: Iterable[Read]) -> frozenset[Key]:
    """The keys of all places whose change may change the meaning of what reads them."""
    keys: set[Key] = set()
    for read in reads:
        names: list[str] = []
        for key in read.path[:DEEPEST]:
            if key is None:
                break
            names.append(str(key[1]))
        keys.update(tuple(names[:length]) for length in range(len(names) + 1))
        if len(names) == len(read.path) or len(names) == DEEPEST:
            keys.add((*names, BELOW))
        elif read.replaced:
            keys.add(SOMEWHERE)
    return frozenset(keys)
