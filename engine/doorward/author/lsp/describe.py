"""What things are, in Markdown: for hover, completion and signature help."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from doorward.author.lsp.fields import Field
from doorward_dsl.signatures import Signature
from doorward_dsl.syntax import Annotations, Module, Rule

__all__ = [
    "argument_texts",
    "builtin_text",
    "code",
    "data_text",
    "field_text",
    "package_text",
    "rules_text",
    "signature_text",
]

_MOST_RULES: Final = 4
_MOST_LINES: Final = 12
_LONGEST: Final = 600


def code(text: str, language: str = "ward") -> str:
    """A block of code, whatever the text holds."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}"


def signature_text(signature: Signature) -> str:
    """`count(collection) => number`, with types for names."""
    result = "" if signature.type.result is None else f" => {signature.type.result}"
    return f"{signature.name}({', '.join(argument_texts(signature))}){result}"


def argument_texts(signature: Signature) -> list[str]:
    """The types of the arguments, as they are shown."""
    texts = [str(arg) for arg in signature.type.args]
    if signature.type.variadic and texts:
        texts[-1] += ", …"
    return texts


def builtin_text(signature: Signature) -> str:
    """What a built-in does."""
    notes = []
    if not signature.deterministic:
        notes.append("The answer may differ each time: decisions may call it only where capabilities say so.")
    if signature.relation:
        notes.append("It has any number of answers, one after another.")
    return "\n\n".join([signature.description, *notes])


def field_text(field: Field) -> str:
    """What a field of the request holds."""
    parts = []
    if field.description:
        parts.append(field.description[:1].upper() + field.description[1:])
    if field.values:
        parts.append("One of " + ", ".join(f"`{value}`" for value in field.values) + ".")
    if field.kinds:
        parts.append("Of requests of kind " + ", ".join(f"`{kind}`" for kind in field.kinds) + ".")
    return "\n\n".join(parts)


def rules_text(path: Sequence[str], rules: Sequence[Rule], kind: str | None) -> str:
    """The definitions of a rule: their heads, their type, and what their metadata says."""
    heads = "\n".join(_head(rule) for rule in rules[:_MOST_RULES])
    if len(rules) > _MOST_RULES:
        heads += f"\n# and {len(rules) - _MOST_RULES} more"
    parts = [code(heads), f"`{'.'.join(path)}`" + (f": `{kind}`" if kind else "")]
    parts += _metadata(one for rule in rules for one in rule.annotations)
    return "\n\n".join(parts)


def package_text(path: Sequence[str], modules: Sequence[Module]) -> str:
    """A package: its files, and what their metadata says."""
    parts = [code(f"package {'.'.join(path[1:])}")]
    parts += _metadata(one for module in modules for one in module.annotations)
    files = ", ".join(f"`{module.span.source.name}`" for module in modules[:_MOST_RULES])
    if files:
        parts.append(f"In {files}" + (" and others." if len(modules) > _MOST_RULES else "."))
    return "\n\n".join(parts)


def data_text(path: Sequence[str], value: Any) -> str:
    """A base document."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    lines = text[:_LONGEST].split("\n")
    if len(lines) > _MOST_LINES or len(text) > _LONGEST:
        lines = [*lines[:_MOST_LINES], "…"]
    return f"`{'.'.join(path)}`: base data\n\n" + code("\n".join(lines), "json")


def _head(rule: Rule) -> str:
    head = rule.head.span.text.split("\n", 1)[0]
    words = "default " if rule.default else ""
    return f"{words}{head}" + (" if …" if rule.body else "")


def _metadata(annotations: Iterable[Annotations]) -> list[str]:
    """Titles and descriptions, each once."""
    found: dict[str, None] = {}
    for one in annotations:
        document: Mapping[str, Any] = one.document
        title, description = document.get("title"), document.get("description")
        if title:
            found[f"**{title}**"] = None
        if description:
            found[str(description)] = None
    return list(found)
