"""`with` modifiers: what they may replace, and by what."""

from __future__ import annotations

from collections.abc import Iterator

from doorward_dsl.capabilities import Capabilities
from doorward_dsl.check.calls import disallowed
from doorward_dsl.check.tree import RuleTree, constant, is_global
from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.signatures import Signature, signatures
from doorward_dsl.syntax import Ref, Scalar, Term, Var, With

__all__ = ["check_with", "function_name"]

_FIXED = frozenset({"eq", "rego.metadata.chain", "rego.metadata.rule"})


def function_name(term: Term) -> tuple[str, ...] | None:
    """The dotted name that a term is, if it is one: of a function that stands where a document could."""
    if isinstance(term, Var):
        return (term.name,)
    if not isinstance(term, Ref) or not isinstance(term.head, Var):
        return None
    parts = [part.value for part in term.path if isinstance(part, Scalar) and isinstance(part.value, str)]
    return (term.head.name, *parts) if len(parts) == len(term.path) else None


def check_with(modifier: With, tree: RuleTree, allowed: Capabilities | None = None) -> Iterator[Diagnostic]:
    """What is wrong with one modifier; `allowed`, where given, says which built-ins it may name."""
    target = modifier.target
    for term in (target, modifier.value):
        named = ".".join(function_name(term) or ())
        if allowed is not None and named in signatures() and not allowed.allows(named):
            yield disallowed(named, term.span)
            return
    if is_global(target):
        found = list(_check_document(modifier, tree))
        if found:
            yield from found
            return
    if is_global(target, "input") or is_global(target):
        step = next((step for step in _path(target) if not _is_text(step)), None)
        if step is not None:
            what = f"var `{step.name}` is unsafe: " if isinstance(step, Var) else ""
            code = "rego_unsafe_var_error" if what else "rego_type_error"
            message = f"{what}the target of `with` must be a path of constant strings"
            yield Diagnostic(code, message, step.span)
        return
    name = function_name(target)
    signature = None if name is None else signatures().get(".".join(name))
    if signature is None:
        message = "with keyword target must reference existing `input`, `data`, or a function"
        yield Diagnostic("rego_type_error", message, target.span)
        return
    reason = _irreplaceable(signature)
    if reason is not None:
        message = f"`{signature.name}` cannot be replaced: {reason}"
        yield Diagnostic("rego_compile_error", message, target.span)
        return
    yield from _check_arity(modifier, signature.name, signature.arity, tree)


def _path(target: Term) -> tuple[Term, ...]:
    return target.path if isinstance(target, Ref) else ()


def _is_text(term: Term) -> bool:
    return isinstance(term, Scalar) and isinstance(term.value, str)


def _check_document(modifier: With, tree: RuleTree) -> Iterator[Diagnostic]:
    path = _path(modifier.target)
    node = tree.root
    for index, term in enumerate(path):
        key = constant(term)
        child = None if key is None else node.children.get(key)
        if child is None:
            return
        if child.rules and index < len(path) - 1:
            message = "with keyword cannot partially replace virtual documents"
            notes = ((f"`{'.'.join(child.path)}` is defined here", child.rules[0].head.span),)
            yield Diagnostic("rego_compile_error", message, modifier.target.span, notes=notes)
            return
        node = child
    args = next((rule.head.args for rule in node.rules if rule.head.args is not None), None)
    if args is not None:
        yield from _check_arity(modifier, ".".join(node.path), len(args), tree)


def _check_arity(modifier: With, replaced: str, arity: int | None, tree: RuleTree) -> Iterator[Diagnostic]:
    """A function may stand for another only if it takes as many arguments."""
    name = function_name(modifier.value)
    if name is None or arity is None:
        return
    if name[0] == "data":
        node = tree.find_names(name[1:])
        rules = [] if node is None else node.rules
        other = next((len(rule.head.args) for rule in rules if rule.head.args is not None), None)
    else:
        signature = signatures().get(".".join(name))
        other = None if signature is None else signature.arity
    if other is not None and other != arity:
        message = f"`{replaced}`: arity mismatch: takes {arity}, its replacement `{'.'.join(name)}` {other}"
        yield Diagnostic("rego_type_error", message, modifier.value.span)


def _irreplaceable(signature: Signature) -> str | None:
    if signature.name in _FIXED:
        return "its answer is part of the program"
    if signature.name.startswith("internal."):
        return "it is internal"
    if signature.relation:
        return "it has any number of answers"
    return "it gives no value" if signature.type.result is None else None
