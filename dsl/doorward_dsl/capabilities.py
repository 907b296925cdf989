"""What policies may use: a document as OPA's `capabilities.json`, and ours.

A document names the built-in functions that policies may call, the features of the language and the newer keywords
they may use, and under `allow_net` the hosts they may reach. Policies are compiled against it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from doorward_dsl.diagnostics import Diagnostic, DoorwardError
from doorward_dsl.signatures import OPERATORS, stated_signatures
from doorward_dsl.syntax import Import, Module, Ref, Scalar, Template, Term, Var
from doorward_dsl.walk import deep_terms, head_terms, rule_chain, statement_terms

__all__ = [
    "Capabilities",
    "CapabilitiesError",
    "capabilities_document",
    "check_features",
    "read_capabilities",
]

_REQUIRED: Final = "rego_v1"
_KEYWORDS_IN_REFS: Final = "keywords_in_refs"
_TEMPLATES: Final = "template_strings"
_V2_IMPORT: Final = "rego_v2_import"
_FEATURES: Final = (_KEYWORDS_IN_REFS, _REQUIRED, _V2_IMPORT, _TEMPLATES)
_FUTURE: Final = ("and", "not", "or")
_KEYWORDS: Final = frozenset(
    {"as", "contains", "default", "else", "every", "false", "if", "import", "in"}
    | {"not", "null", "package", "some", "true", "with"}
)


class CapabilitiesError(DoorwardError):
    """A capabilities document that cannot be taken."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a capabilities document says, as far as this version knows of it."""

    builtins: frozenset[str]
    """Names of the built-in functions that policies may call, those of operators among them."""
    features: frozenset[str]
    future_keywords: frozenset[str]
    allow_net: frozenset[str]
    """Hosts that `http.send` and `net.lookup_ip_addr` may reach, in lower case. None where the document has no
    `allow_net`: OPA then lets them reach every host, Doorward none.
    """

    def allows(self, name: str) -> bool:
        """Whether policies may call a built-in."""
        return name in self.builtins or (name == "internal.print" and "print" in self.builtins)


def read_capabilities(text: str | bytes) -> Capabilities:
    """The capabilities that a JSON document states. Raises CapabilitiesError.

    Built-ins, features and keywords that this version does not know are passed over: the document may be another's.
    """
    try:
        stated = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CapabilitiesError(f"the capabilities are not JSON: {error}") from None
    if not isinstance(stated, dict):
        raise CapabilitiesError("the capabilities must be an object")
    features = _texts(stated, "features")
    if _REQUIRED not in features:
        raise CapabilitiesError(
            f"`features` of the capabilities must hold `{_REQUIRED}`: it is all there is to read"
        )
    return Capabilities(
        frozenset(_names(stated)),
        features,
        _texts(stated, "future_keywords"),
        frozenset(host.lower().rstrip(".") for host in _texts(stated, "allow_net")),
    )


def _names(stated: Mapping[str, Any]) -> Iterator[str]:
    entries = stated.get("builtins", [])
    if not isinstance(entries, list):
        raise CapabilitiesError("`builtins` of the capabilities must be an array")
    for entry in entries:
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            raise CapabilitiesError(
                "every one of `builtins` of the capabilities must be an object with a `name`"
            )
        yield name


def _texts(stated: Mapping[str, Any], field: str) -> frozenset[str]:
    entries = stated.get(field, [])
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise CapabilitiesError(f"`{field}` of the capabilities must be an array of strings")
    return frozenset(entries)


# --- ours ---


def capabilities_document() -> dict[str, Any]:
    """All that this version can do, as OPA writes it: a document to take things out of."""
    return {
        "builtins": [_builtin(name, entry) for name, entry in sorted(stated_signatures().items())],
        "future_keywords": list(_FUTURE),
        "features": list(_FEATURES),
        "allow_net": [],
    }


def _builtin(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    args = [_type(arg) for arg in entry["args"]]
    declared: dict[str, Any] = {}
    if entry["variadic"]:
        declared["variadic"] = args.pop()
    if args:
        declared["args"] = args
    if entry["result"] is not None:
        declared["result"] = _type(entry["result"])
    found = {"name": name, "description": entry["description"], "decl": {**declared, "type": "function"}}
    infix = {"eq": "=", "assign": ":=", **OPERATORS}.get(name)
    if infix is not None:
        found["infix"] = infix
    if not entry["deterministic"]:
        found["nondeterministic"] = True
    return found | {flag: True for flag in ("relation", "deprecated") if entry.get(flag)}


def _type(stated: Any) -> dict[str, Any]:
    """A type of `builtins.json` as OPA writes it."""
    if isinstance(stated, str):
        return {"type": stated}
    ((form, inner),) = stated.items()
    if form == "array":
        return {"dynamic": _type(inner), "type": "array"}
    if form == "tuple":
        return {"static": [_type(item) for item in inner], "type": "array"}
    if form == "any":
        return {"of": [_type(member) for member in inner], "type": "any"}
    if form == "set":
        return {"of": _type(inner), "type": "set"}
    if "fields" not in inner:
        return {"dynamic": {"key": _type(inner["key"]), "value": _type(inner["value"])}, "type": "object"}
    fields = [{"key": key, "value": _type(value)} for key, value in sorted(inner["fields"].items())]
    if inner.get("rest") is None:
        return {"static": fields, "type": "object"}
    return {
        "dynamic": {"key": _type("any"), "value": _type(inner["rest"])},
        "static": fields,
        "type": "object",
    }


# --- checking ---


def check_features(modules: Iterable[Module], allowed: Capabilities) -> Iterator[Diagnostic]:
    """Uses of features and keywords that the capabilities do not hold, in modules as parsed."""
    for module in modules:
        for one in module.imports:
            yield from _check_import(one, allowed)
        terms = list(_terms(module))
        if _TEMPLATES not in allowed.features:
            for term in terms:
                if isinstance(term, Template):
                    yield _lacking(
                        "rego_compile_error", "template strings are not supported", _TEMPLATES, term
                    )
        if _KEYWORDS_IN_REFS not in allowed.features:
            heads = (link.head.ref for rule in module.rules for link in rule_chain(rule))
            refs = (term.path for term in terms if isinstance(term, Ref))
            for part in (part for path in (*heads, *refs) for part in path):
                if isinstance(part, Scalar | Var) and part.span.text in _KEYWORDS:
                    message = f"unexpected keyword `{part.span.text}` in a reference"
                    yield _lacking("rego_parse_error", message, _KEYWORDS_IN_REFS, part)


def _check_import(one: Import, allowed: Capabilities) -> Iterator[Diagnostic]:
    if not isinstance(one.ref, Ref):
        return
    path = [part.value for part in one.ref.path if isinstance(part, Scalar)]
    head = one.ref.head.span.text
    if head == "future" and len(path) == 2 and path[1] in _FUTURE and path[1] not in allowed.future_keywords:
        known = sorted({"contains", "every", "if", "in"} | (allowed.future_keywords & set(_FUTURE)))
        message = f"unexpected keyword `{path[1]}`, must be one of {', '.join(known)}"
        hint = f"`future_keywords` of the capabilities does not hold `{path[1]}`"
        yield Diagnostic("rego_parse_error", message, one.ref.span, hint=hint)
    if head == "rego" and path == ["v2"] and _V2_IMPORT not in allowed.features:
        yield _lacking("rego_parse_error", "invalid import `rego.v2`", _V2_IMPORT, one.ref)


def _lacking(code: str, message: str, feature: str, term: Term) -> Diagnostic:
    return Diagnostic(
        code, message, term.span, hint=f"`features` of the capabilities does not hold `{feature}`"
    )


def _terms(module: Module) -> Iterator[Term]:
    for rule in module.rules:
        for link in rule_chain(rule):
            yield from deep_terms(*head_terms(link.head), bodies=[link.body])
    for statement in module.statements:
        bodies = [body for body in (statement.when, statement.unless) if body]
        yield from deep_terms(*statement_terms(statement), bodies=bodies)
