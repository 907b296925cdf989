"""Calls: of functions that exist, with as many arguments as they take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from doorward_dsl.capabilities import Capabilities
from doorward_dsl.check.tree import RuleTree
from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.parse_habits import FUNCTIONS
from doorward_dsl.signatures import OPERATORS, Signature, signatures
from doorward_dsl.source import Span
from doorward_dsl.suggest import nearest
from doorward_dsl.syntax import Call, Term

__all__ = ["check_calls", "disallowed"]

_NOT_FUNCTIONS = frozenset({"eq", "assign"})
"""Known by name for the sake of other tools; the language writes them `=` and `:=`."""


def check_calls(
    terms: Iterable[Term], tree: RuleTree, allowed: Capabilities | None = None
) -> Iterator[Diagnostic]:
    """What is wrong with the calls among `terms`; `allowed`, where given, says which built-ins may be called."""
    known = signatures()
    for term in terms:
        if not isinstance(term, Call):
            continue
        if term.name[0] == "data":
            found = _user_call(term, tree)
        else:
            signature = known.get(".".join(term.name))
            if signature is not None and allowed is not None and not allowed.allows(signature.name):
                yield disallowed(signature.name, term.name_span)
                continue
            found = _unknown(term, tree) if signature is None else _builtin_call(term, signature)
        if found is not None:
            yield found


def disallowed(name: str, span: Span) -> Diagnostic:
    """The error for a built-in that the capabilities do not hold."""
    written = f"the operator `{OPERATORS[name]}`" if name in OPERATORS else f"the built-in `{name}`"
    hint = f"{written} is there, but `builtins` of the capabilities does not hold `{name}`"
    return Diagnostic("rego_type_error", f"undefined function `{name}`", span, hint=hint)


def _user_call(call: Call, tree: RuleTree) -> Diagnostic | None:
    rule = tree.function(call)
    if rule is None or rule.head.args is None:
        return _unknown(call, tree)
    arity = len(rule.head.args)
    if arity == len(call.args):
        return None
    name = ".".join(call.name)
    message = f"function `{name}` has arity {arity}, got {_count(len(call.args))}"
    notes = ((f"`{name}` is defined here", rule.head.span),)
    return Diagnostic("rego_type_error", message, call.span, notes=notes)


def _builtin_call(call: Call, signature: Signature) -> Diagnostic | None:
    name = signature.name
    if signature.deprecated:
        message = f"`{name}` is deprecated and not part of Rego v1"
        return Diagnostic("rego_type_error", message, call.name_span)
    arity = signature.arity
    if arity is None or arity == len(call.args):
        return None
    written = f"`{name}({', '.join(map(str, signature.type.args))})`"
    message = f"`{name}`: arity mismatch: takes {_count(arity)}, got {len(call.args)}"
    return Diagnostic("rego_type_error", message, call.span, hint=f"write it as {written}")


def _unknown(call: Call, tree: RuleTree) -> Diagnostic:
    name = ".".join(call.name)
    if call.name[0] == "data":
        node = tree.find_names(call.name[1:-1])
        siblings = [] if node is None else [key for (_, key), child in node.children.items() if child.rules]
        near = nearest(call.name[-1], map(str, siblings))
        hint = f"did you mean `{'.'.join((*call.name[:-1], near))}`?" if near else None
        found = tree.find_names(call.name[1:])
        if found is not None and found.rules:
            notes = ((f"`{name}` is defined here, without arguments", found.rules[0].head.span),)
            return Diagnostic("rego_type_error", f"undefined function `{name}`", call.name_span, notes=notes)
        return Diagnostic("rego_type_error", f"undefined function `{name}`", call.name_span, hint=hint)
    candidates = [known for known in signatures() if known not in OPERATORS and known not in _NOT_FUNCTIONS]
    near = FUNCTIONS.get(name) or nearest(name, candidates, 0.7)
    hint = f"did you mean `{near}`?" if near else None
    return Diagnostic("rego_type_error", f"undefined function `{name}`", call.name_span, hint=hint)


def _count(number: int) -> str:
    return f"{number} argument{'' if number == 1 else 's'}"
