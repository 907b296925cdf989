"""Base documents that schemas describe, as references meet them: where rules define something, theirs is what counts."""

from __future__ import annotations

from doorward_dsl.check.tree import Node, RuleTree, constant
from doorward_dsl.check.typeops import select
from doorward_dsl.syntax import Scalar, Term
from doorward_dsl.types import ANY, STRING, AnyType, ObjectType, Type

__all__ = ["described", "is_described", "laid_over", "reached", "within"]


def within(data: Type, part: Term) -> Type:
    """The type of the base document one constant further on; `any` where only rules can have put something."""
    found = select(data, part.value) if isinstance(part, Scalar) else None
    return ANY if found is None else found


def described(node: Node, data: Type, part: Term) -> Type:
    """The type of the base document at a node in which `part`, at which there is no node, is looked up.

    `any` where rules may have their say: those of the node, and those below it for a key that is not known.
    """
    if node.rules or (node.children and constant(part) is None):
        return ANY
    return data


def reached(tree: RuleTree, data: Type, path: tuple[Term, ...]) -> tuple[Type, int]:
    """The type of what is at the start of a path that rules have a part in, and how long that start is."""
    node = tree.root
    for index, part in enumerate(path):
        key = constant(part)
        child = None if key is None else node.children.get(key)
        if child is None:
            return described(node, data, part), index
        node, data = child, within(data, part)
    return ANY, len(path)


def laid_over(data: Type, extent: Type, node: Node) -> Type:
    """The type of a whole document: what rules define at and below a node, and the base document there."""
    if node.rules:
        return extent
    if not node.children:
        return data
    if not isinstance(data, ObjectType) or not isinstance(extent, ObjectType):
        return extent
    fields = {**dict(data.fields), **dict(extent.fields)}
    return ObjectType(tuple(sorted(fields.items())), extent.rest or (STRING, ANY))


def is_described(data: Type, path: tuple[Term, ...]) -> bool:
    """Whether something of what is at a path, or around it, is described."""
    kind: Type | None = data
    for part in path:
        if kind is None or isinstance(kind, AnyType):
            break
        kind = select(kind, part.value) if isinstance(part, Scalar) else ANY
    return not isinstance(kind, AnyType)
