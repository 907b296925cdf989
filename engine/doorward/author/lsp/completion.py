"""Completion: what could stand at the cursor. Works on text that does not parse, from its words and the last tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from lsprotocol.types import (
    CompletionItem,
    CompletionItemKind,
    CompletionList,
    InsertTextFormat,
    MarkupContent,
    MarkupKind,
    TextEdit,
)

from doorward.author.lsp.context import Context, context_at
from doorward.author.lsp.describe import builtin_text, field_text, signature_text
from doorward.author.lsp.fields import fields_below
from doorward.author.lsp.positions import Positions
from doorward.author.lsp.view import File
from doorward.author.lsp.words import (
    DETECTOR_WORDS,
    EXPECTED,
    KEYWORD_WORDS,
    MASKER_WORDS,
    SNIPPETS,
    STATEMENT_WORDS,
    TEST_WORDS,
)
from doorward_dsl.lex import KEYWORDS, Token
from doorward_dsl.lex_ahead import SOFT_WORDS
from doorward_dsl.resolve.globals import ROOTS, import_name, static_path
from doorward_dsl.signatures import OPERATORS, signatures
from doorward_dsl.syntax import Import, Ref, Rule

__all__ = ["complete"]

_MOST: Final = 1000
"""Items of one answer; beyond them the client asks again with more letters."""

_HIDDEN: Final = frozenset(("eq", "assign"))


def complete(file: File, offset: int, positions: Positions, *, snippets: bool) -> CompletionList:
    """What could stand at a place. `snippets` where the client can fill in blanks."""
    comments = [(one.span.start, one.span.end) for one in file.lexed.comments]
    context = context_at(file.source.text, file.lexed.tokens, comments, offset)
    ward = file.source.dialect == "ward"
    completion = _Completion(file, context, ward=ward)
    items: dict[tuple[str, object], CompletionItem] = {}
    prefix = context.prefix.lower()
    for item in completion.items():
        if prefix in item.label.lower():
            items.setdefault((item.label, item.kind), item)
    here = positions.range(context.start, offset)
    found = sorted(items.values(), key=lambda item: (item.sort_text or "", item.label))
    for item in found[:_MOST]:
        text = item.insert_text or item.label
        item.insert_text = None
        snippet = SNIPPETS.get(item.label) if item.kind == CompletionItemKind.Keyword else None
        if snippets and snippet is not None:
            text, item.insert_text_format = snippet, InsertTextFormat.Snippet
        elif snippets and text.endswith("()"):
            text, item.insert_text_format = f"{text[:-1]}$0)", InsertTextFormat.Snippet
        elif text.endswith("()"):
            text = text[:-2]
        item.text_edit = TextEdit(here, text)
    return CompletionList(is_incomplete=len(found) > _MOST, items=found[:_MOST])


class _Completion:
    """One question for what could stand at a place."""

    def __init__(self, file: File, context: Context, *, ward: bool) -> None:
        self._file = file
        self._view = file.view
        self._context = context
        self._ward = ward

    def items(self) -> Iterator[CompletionItem]:
        """Everything that could, whatever it begins with."""
        context = self._context
        if context.path:
            if context.place not in ("none", "package"):
                yield from self._after_dot(context.path)
            return
        match context.place:
            case "top":
                yield from self._top()
            case "body":
                yield from self._expression()
            case "import":
                yield from _keywords({"as": KEYWORD_WORDS["as"]}, "2")
                yield from (
                    _item(root, CompletionItemKind.Module, "", sort="1") for root in (*ROOTS, "rego.v1")
                )
            case "governs" | "kind":
                yield from self._kinds()
            case "masker":
                yield from _keywords(MASKER_WORDS, "1")
            case "detector":
                yield from (
                    _item(name, CompletionItemKind.EnumMember, "", text, sort="1")
                    for name, text in DETECTOR_WORDS.items()
                )
            case "statement":
                yield from self._in_statement()
            case "test":
                yield from _keywords(TEST_WORDS, "1")
            case "expect":
                yield from _keywords({**EXPECTED, **MASKER_WORDS}, "1")

    # --- statements ------------------------------------------------------------------------------------------

    def _top(self) -> Iterator[CompletionItem]:
        words = (
            STATEMENT_WORDS
            if self._ward
            else {word: text for word, text in STATEMENT_WORDS.items() if word in KEYWORDS}
        )
        yield from _keywords(words, "1")
        if self._ward:
            yield from _keywords({"given": TEST_WORDS["given"]}, "2")
        for path, rules in self._view.rules.items():
            if path[1:-1] == self._package:
                yield _rule_item(path[-1], path, rules, "3", call=False)

    def _in_statement(self) -> Iterator[CompletionItem]:
        verb = self._context.verb
        words = ["if", "unless", *SOFT_WORDS.get(verb, {})]
        if verb == "mask":
            words.append("with")
            yield _item(
                "content",
                CompletionItemKind.Function,
                "content(DETECTOR)",
                "What a detector finds.",
                sort="2",
                insert="content()",
            )
        if verb == "credential":
            words.append("as")
        yield from _keywords({word: KEYWORD_WORDS[word] for word in words}, "1")
        if verb in ("mask", "approve", "credential"):
            yield from self._variables()

    def _kinds(self) -> Iterator[CompletionItem]:
        for kind in sorted(self._view.checked.schemas):
            declared = kind in self._view.checked.settings.kinds
            text = "A kind that these policies declare." if declared else f"Requests of kind `{kind}`."
            yield _item(kind, CompletionItemKind.EnumMember, "kind of request", text, sort="1")

    # --- expressions -----------------------------------------------------------------------------------------

    def _expression(self) -> Iterator[CompletionItem]:
        yield from self._variables()
        for path, rules in self._view.rules.items():
            if path[1:-1] == self._package:
                yield _rule_item(path[-1], path, rules, "2")
        module = self._file.module
        if module is not None:
            for imported in module.imports:
                name = import_name(imported)
                if name is not None:
                    yield _item(name, CompletionItemKind.Module, _import_text(imported), sort="2")
            if module.governs or module.tests:
                yield from self._fields(())
        for root in ROOTS:
            yield _item(root, CompletionItemKind.Module, "document", sort="4")
        words = {word: text for word, text in KEYWORD_WORDS.items() if word in KEYWORDS or word == "unless"}
        yield from _keywords(words if self._ward else {w: t for w, t in words.items() if w != "unless"}, "5")
        yield from self._builtins("")

    def _variables(self) -> Iterator[CompletionItem]:
        """Names that the statement declares before the cursor, or after it."""
        for name in dict.fromkeys(_declared(self._statement())):
            yield _item(name, CompletionItemKind.Variable, "variable", sort="1")

    def _statement(self) -> list[Token]:
        """The words of the statement at the cursor, those after it too."""
        before = self._context.tokens
        if not before:
            return []
        tokens = self._file.lexed.tokens
        text = self._file.source.text
        found: list[Token] = []
        for token in tokens:
            if token.start < before[0].start:
                continue
            first = token.start == 0 or text[token.start - 1] == "\n"
            if found and first and token.text.isidentifier() and token.start > before[-1].start:
                break
            found.append(token)
        return found

    def _builtins(self, head: str) -> Iterator[CompletionItem]:
        """Built-in functions below a name, such as `json`; all whole names where it is empty."""
        for name, signature in signatures().items():
            if name in OPERATORS or name in _HIDDEN or name.startswith("internal.") or signature.deprecated:
                continue
            if head and not name.startswith(f"{head}."):
                continue
            label = name[len(head) + 1 :] if head else name
            yield _item(
                label,
                CompletionItemKind.Function,
                signature_text(signature),
                builtin_text(signature),
                sort="6" if not head else "1",
                insert=f"{label}()",
            )

    def _fields(self, path: tuple[str | None, ...]) -> Iterator[CompletionItem]:
        schemas = self._file.schemas
        for field in fields_below(schemas, path):
            yield _item(field.name, CompletionItemKind.Field, field.type, field_text(field), sort="3")

    # --- after a dot -----------------------------------------------------------------------------------------

    def _after_dot(self, path: tuple[str | None, ...]) -> Iterator[CompletionItem]:
        head = path[0]
        if head is None:
            return
        names = set(_declared(self._statement()))
        if head in names:
            return
        full = self._full(path)
        if full is not None and full[0] == "data":
            yield from self._documents(full)
        elif full is not None and full[0] == "input":
            yield from self._fields(full[1:])
        elif self._context.place != "import":
            yield from self._builtins(".".join(part or "" for part in path))
            if self._file.module is None or self._file.module.governs or self._file.module.tests:
                yield from self._fields(path)

    def _full(self, path: tuple[str | None, ...]) -> tuple[str | None, ...] | None:
        """A path from `data` or `input` on, as the file's imports and rules say."""
        head = path[0]
        if head in ROOTS:
            return path
        module = self._file.module
        for imported in () if module is None else module.imports:
            if import_name(imported) == head:
                return (*_import_path(imported), *path[1:])
        if ("data", *self._package, head) in self._view.rules:
            return ("data", *self._package, *path)
        return None

    @property
    def _package(self) -> tuple[str, ...]:
        module = self._file.module
        return () if module is None else module.package

    def _documents(self, path: tuple[str | None, ...]) -> Iterator[CompletionItem]:
        """What stands at a place of `data`: rules, packages, base documents."""
        depth = len(path)
        importing = self._context.place == "import"
        for full, rules in self._view.rules.items():
            if full[:depth] == path and len(full) == depth + 1:
                yield _rule_item(full[-1], full, rules, "1", call=not importing)
            elif full[:depth] == path and len(full) > depth + 1 and full[:-1] not in self._view.packages:
                yield _item(full[depth], CompletionItemKind.Field, "document", sort="2")
        for package in self._view.packages:
            if package[:depth] == path and len(package) > depth:
                yield _item(
                    package[depth],
                    CompletionItemKind.Module,
                    f"package {'.'.join(package[1 : depth + 1])}",
                    sort="2",
                )
        value: Any = self._view.data
        for name in path[1:]:
            value = value.get(name) if isinstance(value, Mapping) and name is not None else None
        if isinstance(value, Mapping):
            for name, inner in value.items():
                if isinstance(name, str) and name.isidentifier():
                    yield _item(name, CompletionItemKind.Constant, f"data: {_kind(inner)}", sort="3")


# --- items --------------------------------------------------------------------------------------------------------


def _item(
    label: str,
    kind: CompletionItemKind,
    detail: str,
    text: str = "",
    *,
    sort: str,
    insert: str | None = None,
) -> CompletionItem:
    return CompletionItem(
        label=label,
        kind=kind,
        detail=detail or None,
        documentation=MarkupContent(MarkupKind.Markdown, text) if text else None,
        sort_text=sort,
        insert_text=insert,
    )


def _keywords(words: Mapping[str, str], sort: str) -> Iterator[CompletionItem]:
    for word, text in words.items():
        yield _item(word, CompletionItemKind.Keyword, "", text, sort=sort)


def _rule_item(
    name: str, path: tuple[str, ...], rules: Iterable[Rule], sort: str, *, call: bool = True
) -> CompletionItem:
    first = next(iter(rules))
    function = first.head.args is not None
    title = next((str(one.document["title"]) for one in first.annotations if "title" in one.document), "")
    detail = first.head.span.text.split("\n", 1)[0]
    kind = CompletionItemKind.Function if function else CompletionItemKind.Value
    text = "\n\n".join(part for part in (title, f"`{'.'.join(path)}`") if part)
    return _item(name, kind, detail, text, sort=sort, insert=f"{name}()" if function and call else None)


def _import_path(imported: Import) -> tuple[str, ...]:
    ref = imported.ref
    return static_path((ref.head, *ref.path)) if isinstance(ref, Ref) else static_path((ref,))


def _import_text(imported: Import) -> str:
    return f"import {'.'.join(_import_path(imported))}"


def _kind(value: Any) -> str:
    for kind, name in (
        (bool, "boolean"),
        (str, "string"),
        (list, "array"),
        (dict, "object"),
        (type(None), "null"),
    ):
        if isinstance(value, kind):
            return name
    return "number"


def _declared(tokens: list[Token]) -> Iterator[str]:
    """The names that words declare: before `:=`, after `some` and `every`, and as arguments of the rule."""
    for at, token in enumerate(tokens):
        if token.text == ":=" and at > 1 and tokens[at - 1].kind == "IDENT":
            yield tokens[at - 1].text
        elif token.text == ":=" and at > 2 and tokens[at - 1].text == "]":
            yield from _names_back(tokens[:at])
        elif token.text in ("some", "every"):
            for later in tokens[at + 1 :]:
                if later.text == "in" or later.line_start:
                    break
                if later.kind == "IDENT" and later.text != "_":
                    yield later.text
    if len(tokens) > 1 and tokens[1].text == "(" and tokens[1].tight:
        for token in tokens[2:]:
            if token.text == ")":
                break
            if token.kind == "IDENT" and token.text != "_":
                yield token.text


def _names_back(tokens: list[Token]) -> Iterator[str]:
    for token in reversed(tokens[:-1]):
        if token.text == "[":
            return
        if token.kind == "IDENT" and token.text != "_":
            yield token.text
