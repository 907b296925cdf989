"""`# METADATA` comments: YAML that describes the package or the rule below it.

Shapes are those of OPA: `scope`, `title`, `description`, `entrypoint`, `organizations`, `authors`, `related_resources`,
`schemas`, `custom` and so on. The scope is made explicit; everything else is kept as it was written, once its type has
been checked.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import yaml

from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.suggest import near_miss
from doorward_dsl.syntax import Annotations, Comment, Import, Module, Rule, Statement, TestBlock

__all__ = ["SCOPES", "attach"]

SCOPES = ("rule", "document", "package", "subpackages")

_TYPES: dict[str, type] = {
    "scope": str,
    "title": str,
    "description": str,
    "entrypoint": bool,
    "organizations": list,
    "related_resources": list,
    "authors": list,
    "schemas": list,
    "compile": dict,
    "custom": dict,
    "labels": dict,
}
_TYPE_NAMES = {str: "text", bool: "true or false", list: "a list", dict: "a mapping"}
_MAX_LINES = 2_000
_MAX_DEPTH = 50


class _Loader(yaml.SafeLoader):
    """Plain JSON-like values only: dates stay text, aliases (which can explode) are refused."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call] # PyYAML's stubs leave this method out
            raise yaml.MarkedYAMLError(problem="aliases are not allowed", problem_mark=mark)
        return super().compose_node(parent, index)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Wrong(Exception):
    """What is wrong with a block, and the line of it."""

    def __init__(self, message: str, line: int = 0, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.hint = hint


def attach(module: Module, errors: list[Diagnostic]) -> Module:
    """The module with its annotations where they belong; adds to `errors` what is wrong with them."""
    blocks = []
    for block in _blocks(module.comments):
        try:
            blocks.append(_read(block))
        except _Wrong as wrong:
            line = block[min(wrong.line + 1, len(block) - 1)] if wrong.line >= 0 else block[0]
            errors.append(Diagnostic("rego_parse_error", wrong.message, line.span, hint=wrong.hint))
    return _attached(module, blocks, errors) if blocks else module


def _blocks(comments: Sequence[Comment]) -> Iterator[list[Comment]]:
    """Runs of comments on consecutive lines that begin with `# METADATA` in the first column."""
    block: list[Comment] = []
    last = 0
    for comment in comments:
        if not block and "METADATA" not in comment.text:
            continue
        line, column = comment.span.source.position(comment.span.start)
        begins = column == 1 and comment.text.strip().startswith("METADATA")
        if block and (begins or column != 1 or line != last + 1):
            yield block
            block = []
        if begins or block:
            block.append(comment)
        last = line
    if block:
        yield block


def _read(block: list[Comment]) -> Annotations:
    """The annotations of one block. Raises _Wrong."""
    if len(block) > _MAX_LINES:
        raise _Wrong(f"a METADATA block has at most {_MAX_LINES} lines", -1)
    text = "\n".join(comment.text.removeprefix(" ") for comment in block[1:])
    if not text.strip():
        raise _Wrong(
            "expected METADATA block, found whitespace", -1, "write YAML below it, such as `# title: …`"
        )
    try:
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line if error.problem_mark is not None else 0
        raise _Wrong(
            f"the METADATA block is not valid YAML: {error.problem or error.context}", line
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise _Wrong("the METADATA block is not valid YAML", -1) from None
    if not isinstance(document, dict):
        raise _Wrong("a METADATA block is a YAML mapping, such as `# title: …`")
    _check(document)
    last = block[-1].span
    return Annotations(document.get("scope", ""), document, block[0].span.to(last))


def _check(document: dict[Any, Any]) -> None:
    for key in list(document):
        if document[key] is None:
            del document[key]
            continue
        wanted = _TYPES.get(key)
        if wanted is not None and not isinstance(document[key], wanted):
            raise _Wrong(f"`{key}` must be {_TYPE_NAMES[wanted]}", -1)
    _check_keys(document, ())
    if any(not isinstance(name, str) for name in document.get("organizations", ())):
        raise _Wrong("`organizations` must be a list of names", -1)
    for author in document.get("authors", ()):
        _check_author(author)
    for resource in document.get("related_resources", ()):
        ref = resource.get("ref") if isinstance(resource, dict) else resource
        if not isinstance(ref, str) or not ref.strip():
            raise _Wrong("invalid related-resource definition", -1, "write a URL, or a mapping with a `ref`")
    for schema in document.get("schemas", ()):
        if not isinstance(schema, dict) or len(schema) != 1:
            raise _Wrong("invalid schema declaration", -1, "write `- input: schema.name`")


def _check_keys(value: Any, path: tuple[str, ...]) -> None:
    if len(path) > _MAX_DEPTH:
        raise _Wrong("the METADATA block is nested too deeply", -1)
    if isinstance(value, dict):
        for key, child in value.items():
            if not isinstance(key, str):
                raise _Wrong(f"invalid map key type(s): {'/'.join(path) or key}", -1, "put the key in quotes")
            _check_keys(child, (*path, key))
    elif isinstance(value, list):
        for at, child in enumerate(value):
            _check_keys(child, (*path, str(at)))


def _check_author(author: Any) -> None:
    if isinstance(author, dict):
        if not any(str(author.get(part) or "").strip() for part in ("name", "email")):
            raise _Wrong("invalid author definition: `name` and/or `email` values required in object", -1)
    elif not isinstance(author, str) or not author.strip():
        raise _Wrong("invalid author definition", -1, "write `Jane Doe <jane@example.com>`")


def _attached(module: Module, blocks: list[Annotations], errors: list[Diagnostic]) -> Module:
    nodes: list[Any] = [*module.imports, *module.rules, *module.statements, *module.tests]
    places = sorted([(node.span.start, at) for at, node in enumerate(nodes)])
    starts = [start for start, _ in places]
    own: dict[int, list[Annotations]] = {}
    package: list[Annotations] = []
    for block in blocks:
        found = bisect_right(starts, block.span.start)
        node = nodes[places[found][1]] if found < len(places) else None
        before_package = block.span.start < module.package_span.start
        if before_package and (node is None or module.package_span.start < node.span.start):
            node = module
        try:
            block = _scoped(block, node)
        except _Wrong as wrong:
            errors.append(Diagnostic("rego_parse_error", wrong.message, block.span, hint=wrong.hint))
            continue
        if node is module:
            package.append(block)
        else:
            own.setdefault(id(node), []).append(block)
    return replace(
        module,
        annotations=tuple(package),
        rules=tuple(_with(rule, own) for rule in module.rules),
        statements=tuple(_with(statement, own) for statement in module.statements),
    )


def _with(node: Any, own: dict[int, list[Annotations]]) -> Any:
    return replace(node, annotations=tuple(own[id(node)])) if id(node) in own else node


def _scoped(block: Annotations, node: Module | Rule | Statement | Import | TestBlock | None) -> Annotations:
    """The block with its scope made explicit. Raises _Wrong where it stands above something it cannot describe."""
    scope = block.scope
    entrypoint = block.document.get("entrypoint", False)
    if not scope:
        if isinstance(node, Module):
            scope = "package"
        elif isinstance(node, Import):
            scope = "import"
        elif node is not None:
            scope = "document" if entrypoint and isinstance(node, Rule) else "rule"
    if scope not in SCOPES:
        hint = near_miss(scope, SCOPES) or "the scopes are `rule`, `document`, `package` and `subpackages`"
        raise _Wrong(f"invalid annotation scope `{scope}`", -1, hint)
    if scope in ("rule", "document") and (node is None or isinstance(node, Module | Import | TestBlock)):
        raise _Wrong(
            f"annotation scope `{scope}` must be applied to rule", -1, "it stands right above the rule"
        )
    if scope in ("package", "subpackages") and not isinstance(node, Module):
        raise _Wrong(
            f"annotation scope `{scope}` must be applied to package", -1, "it stands right above `package`"
        )
    if entrypoint and scope not in ("document", "package"):
        raise _Wrong(f"annotation entrypoint applied to non-document or package scope `{scope}`", -1)
    return replace(block, scope=scope)
