"""Hover and signature help: what the name at the cursor is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lsprotocol.types import (
    Hover,
    MarkupContent,
    MarkupKind,
    ParameterInformation,
    SignatureHelp,
    SignatureInformation,
)

from doorward.author.lsp.context import call_at, context_at, statement_tokens
from doorward.author.lsp.describe import (
    argument_texts,
    builtin_text,
    code,
    data_text,
    field_text,
    package_text,
    rules_text,
    signature_text,
)
from doorward.author.lsp.fields import find_field
from doorward.author.lsp.positions import Positions
from doorward.author.lsp.view import File
from doorward.author.lsp.words import (
    DETECTOR_WORDS,
    EXPECTED,
    KEYWORD_WORDS,
    MASKER_WORDS,
    STATEMENT_WORDS,
    TEST_WORDS,
)
from doorward.decide.decision import decision_schema
from doorward_dsl.lex import Token
from doorward_dsl.lex_ahead import SOFT_WORDS
from doorward_dsl.occurrences import DECISION, Alias, BuiltIn, Occurrence, Variable
from doorward_dsl.resolve.globals import import_name
from doorward_dsl.signatures import signatures
from doorward_dsl.syntax import Rule

__all__ = ["hover", "signature_help"]


def hover(file: File, offset: int, positions: Positions) -> Hover | None:
    """What stands at a place; None where it is nothing that could be told about."""
    found = file.at(offset)
    if found is not None:
        text = _meaning_text(file, found)
        return None if text is None else _hover(text, positions, found.span.start, found.span.end)
    token = next((one for one in file.lexed.tokens if one.start <= offset <= one.end and _wordy(one)), None)
    if token is None:
        return None
    word = _word_text(file, token)
    if word is not None:
        return _hover(f"**`{token.text}`**\n\n{word}", positions, token.start, token.end)
    return None


def signature_help(file: File, offset: int) -> SignatureHelp | None:
    """The signature of the function whose arguments the cursor stands in."""
    tokens = [token for token in file.lexed.tokens if token.start < offset]
    call = call_at(statement_tokens(file.source.text, tokens), offset)
    if call is None:
        return None
    signature = signatures().get(".".join(call.name))
    if signature is not None:
        label, arguments, text = signature_text(signature), argument_texts(signature), builtin_text(signature)
    else:
        rules = _rules_called(file, call.name)
        function = next((rule for rule in rules if rule.head.args is not None), None)
        if function is None:
            return None
        label = function.head.span.text.split("\n", 1)[0]
        arguments = [arg.span.text for arg in function.head.args or ()]
        text = next(
            (str(one.document["title"]) for one in function.annotations if "title" in one.document), ""
        )
    parameters, at = [], label.find("(") + 1
    for argument in arguments:
        at = label.find(argument, at)
        end = at + len(argument)
        parameters.append(ParameterInformation((_utf16(label[:at]), _utf16(label[:end]))))
        at = end
    active = min(call.argument, max(0, len(parameters) - 1))
    information = SignatureInformation(
        label, MarkupContent(MarkupKind.Markdown, text) if text else None, parameters
    )
    return SignatureHelp([information], active_signature=0, active_parameter=active)


def _utf16(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _rules_called(file: File, name: tuple[str, ...]) -> tuple[Rule, ...]:
    module = file.module
    if module is None:
        return ()
    path = ("data", *module.package, *name)
    if name[0] == "data":
        path = name
    for imported in module.imports:
        if import_name(imported) == name[0]:
            path = (*imported.ref.span.text.split("."), *name[1:])
    return file.view.rules.get(path, ())


def _hover(text: str, positions: Positions, start: int, end: int) -> Hover:
    return Hover(MarkupContent(MarkupKind.Markdown, text), positions.range(start, end))


def _meaning_text(file: File, found: Occurrence) -> str | None:
    meaning = found.meaning
    if isinstance(meaning, Variable):
        places = [one for one in file.occurrences if one.meaning == meaning]
        kind = None if file.module is None else file.view.inferred.variable(file.module, places)
        return code(f"{found.span.text}: {kind}" if kind else found.span.text) + "\n\nVariable."
    if isinstance(meaning, BuiltIn):
        signature = signatures().get(meaning.name)
        if signature is None:
            return None
        return code(signature_text(signature)) + "\n\n" + builtin_text(signature)
    if isinstance(meaning, Alias):
        text = _document_text(file, meaning.path)
        said = f"`{meaning.name}` stands for `{'.'.join(meaning.path)}`."
        return said if text is None else f"{said}\n\n{text}"
    return _document_text(file, meaning.path)


def _document_text(file: File, path: tuple[str | None, ...]) -> str | None:
    if path[0] == "input":
        if len(path) == 1:
            return "The request: what is asked for, by whom, on what, and the facts of its kind."
        field = find_field(file.schemas, path[1:])
        if field is None:
            return None
        name = ".".join("[…]" if part is None else part for part in path[1:])
        return code(f"{name}: {field.type}") + "\n\n" + field_text(field)
    if path[0] == DECISION[0]:
        if len(path) == 1:
            return "The decision that the latest `when` asked for; `doorward schema decision` describes it."
        field = find_field({"": decision_schema()}, path[1:])
        return None if field is None else code(f"{field.name}: {field.type}") + f"\n\n{field.description}"
    constant = tuple(part for part in path if part is not None)
    if len(constant) < len(path):
        return None
    view = file.view
    if constant in view.rules:
        return rules_text(constant, view.rules[constant], view.inferred.document(constant))
    if constant in view.packages:
        return package_text(constant, view.packages[constant])
    value: Any = view.data
    for name in constant[1:]:
        if not isinstance(value, Mapping) or name not in value:
            inner = any(package[: len(constant)] == constant for package in view.packages)
            return f"`{'.'.join(constant)}`: packages" if inner else None
        value = value[name]
    return data_text(constant, value)


# --- keywords -----------------------------------------------------------------------------------------------------


def _wordy(token: Token) -> bool:
    return token.text.isidentifier()


def _word_text(file: File, token: Token) -> str | None:
    """What a word of the language means where it stands."""
    comments = [(one.span.start, one.span.end) for one in file.lexed.comments]
    context = context_at(file.source.text, file.lexed.tokens, comments, token.start)
    word = token.text
    match context.place:
        case "top":
            return STATEMENT_WORDS.get(word) or TEST_WORDS.get(word)
        case "masker":
            return MASKER_WORDS.get(word)
        case "detector":
            return DETECTOR_WORDS.get(word)
        case "test":
            return TEST_WORDS.get(word)
        case "expect":
            return EXPECTED.get(word) or MASKER_WORDS.get(word)
        case "governs" | "kind":
            return f"Requests of kind `{word}`." if word in file.view.checked.schemas else None
        case "statement" if word in SOFT_WORDS.get(context.verb, {}):
            return KEYWORD_WORDS.get(word)
    return (KEYWORD_WORDS.get(word) or None) if token.kind != "IDENT" or word == "unless" else None
