"""GraphQL: parsing of queries and schemas, and validation of one under the other."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from graphql import GraphQLError, GraphQLSchema, GraphQLSyntaxError, build_ast_schema, parse, validate
from graphql.language import ast
from graphql.type import specified_scalar_types, validate_schema
from graphql.validation.validate import validate_sdl

from doorward.run.errors import BuiltinError
from doorward.run.values import Value

from .builtin import Meter, contextual, pure
from .graphql_tree import Malformed, document_object, query_text, schema_text
from .json_text import plain
from .operands import string, wrong_type

__all__ = ["BUILTINS"]

_MAX_TOKENS: Final = 50_000
_WORD: Final = re.compile(r"\w+")
_IGNORED: Final = re.compile(r"#[^\r\n]*|[\s,\ufeff]")
_EXTENSIONS: Final[tuple[type, ...]] = (ast.SchemaExtensionNode, ast.TypeExtensionNode)
_NO_QUERY: Final = "Query root type must be provided."


class _Refused(ValueError):
    """The text is not well-formed, or not valid."""


def _document(source: str) -> ast.DocumentNode:
    if not _IGNORED.sub("", source):
        return ast.DocumentNode(definitions=())
    try:
        return parse(
            source,
            max_tokens=_MAX_TOKENS,
            experimental_fragment_arguments=True,
            allow_empty_selection_sets=False,
        )
    except GraphQLSyntaxError as error:
        raise _Refused(_problem(error, source)) from None
    except RecursionError:
        raise _Refused("the document is nested too deeply") from None


def _problem(error: GraphQLSyntaxError, source: str) -> str:
    """What is wrong where, in the words that users of OPA know."""
    message = error.message.removeprefix("Syntax Error: ").removesuffix(".")
    message = re.sub(r"Name '([^']*)'", r'Name "\1"', message)
    message = re.sub(r"variable '\$.*", "$", message)
    message = re.sub(r"'([^']+)'", r"\1", message)
    before = _IGNORED.sub("", source[: next(iter(error.positions))]) if error.positions else ""
    if before[-1:] in ("{", "(", "[") and message in ("Expected Name, found }", "Expected Name, found )"):
        message = f"expected at least one definition, found {message[-1]}"
    line, column = (error.locations[0].line, error.locations[0].column) if error.locations else (1, 1)
    return f"{message} in GraphQL string at location {line}:{column}"


def _query(value: Value) -> ast.DocumentNode:
    return _only(_document(_source(value, query_text)), (ast.ExecutableDefinitionNode,))


def _schema_document(value: Value) -> ast.DocumentNode:
    document = _document(_source(value, schema_text))
    return _only(document, (ast.TypeSystemDefinitionNode, *_EXTENSIONS))


def _source(value: Value, written: Callable[[dict[str, Any]], str]) -> str:
    try:
        return value if type(value) is str else written(plain(value))
    except Malformed as error:
        raise _Refused(str(error)) from None


def _only(document: ast.DocumentNode, kinds: tuple[type, ...]) -> ast.DocumentNode:
    for node in document.definitions:
        if not isinstance(node, kinds):
            token = node.loc.start_token if node.loc is not None else None
            line, column = (token.line, token.column) if token is not None else (1, 1)
            found = f'Name "{token.value}"' if token is not None and token.value else "{"
            raise _Refused(f"Unexpected {found} in GraphQL string at location {line}:{column}")
    return document


_LISTS: Final = ("directives", "interfaces", "fields", "types", "values", "operation_types")


def _merged(document: ast.DocumentNode) -> ast.DocumentNode:
    """The document with every extension put into what it extends; an extension of nothing is a definition."""
    found: dict[str, Any] = {}
    others: list[Any] = []
    for node in document.definitions:
        if not isinstance(node, _EXTENSIONS):
            place = "" if isinstance(node, ast.SchemaDefinitionNode) else _name(node)
            if isinstance(node, ast.DirectiveDefinitionNode) or place in found:
                others.append(node)
            else:
                found[place] = node
    for node in document.definitions:
        if isinstance(node, ast.TypeDefinitionNode) and _name(node) in specified_scalar_types:
            raise _Refused(f"Cannot redeclare type {_name(node)}.")
        if isinstance(node, _EXTENSIONS):
            place = "" if isinstance(node, ast.SchemaExtensionNode) else _name(node)
            found[place] = _extended(found[place], node) if place in found else _defined(node)
    return ast.DocumentNode(definitions=(*found.values(), *others))


def _name(node: Any) -> str:
    return str(node.name.value)


def _defined(node: Any) -> Any:
    kind = getattr(ast, type(node).__name__.replace("Extension", "Definition"))
    fields = {name: getattr(node, name) for name in kind.keys if hasattr(node, name) and name != "loc"}
    return kind(**fields, loc=node.loc)


def _extended(node: Any, extension: Any) -> Any:
    if type(node).__name__.replace("Definition", "") != type(extension).__name__.replace("Extension", ""):
        raise _Refused("a type is extended as another kind of type")
    fields = {name: getattr(node, name, None) for name in node.keys if name != "loc"}
    for name in _LISTS:
        if name in fields and getattr(extension, name, None):
            fields[name] = (*(fields[name] or ()), *getattr(extension, name))
    return type(node)(**fields, loc=node.loc)


def _schema(meter: Meter, value: Value) -> GraphQLSchema:
    """The schema, valid but for a query type, which it need not have."""
    read = _schema_document(value)
    _charge(meter, read)
    document = _merged(read)
    try:
        problems = [error.message for error in validate_sdl(document)]
        if not problems:
            schema = build_ast_schema(document, assume_valid_sdl=True)
            problems = [error.message for error in validate_schema(schema) if error.message != _NO_QUERY]
        if problems:
            raise _Refused(f"the schema is not valid: {problems[0]}")
        return build_ast_schema(document, assume_valid=True)
    except (GraphQLError, TypeError, RecursionError) as error:
        raise _Refused(f"the schema is not valid: {error}") from None


def _checked(query: ast.DocumentNode, schema: GraphQLSchema) -> None:
    try:
        problems = validate(schema, query)
    except (GraphQLError, TypeError, RecursionError) as error:
        raise _Refused(f"the query is not valid: {error}") from None
    if problems:
        where = problems[0].locations
        place = f" in GraphQL string at location {where[0].line}:{where[0].column}" if where else ""
        raise _Refused(problems[0].message.removesuffix(".") + place)


def _takes(value: Value) -> bool:
    return type(value) is str or type(value) is dict


def parse_query(query: Value) -> Value:
    name = "graphql.parse_query"
    try:
        return document_object(_query(string(name, 1, query)))
    except (_Refused, RecursionError) as error:
        raise BuiltinError(f"{name}: {error}") from None


def parse_schema(schema: Value) -> Value:
    name = "graphql.parse_schema"
    try:
        return document_object(_schema_document(string(name, 1, schema)))
    except (_Refused, RecursionError) as error:
        raise BuiltinError(f"{name}: {error}") from None


def _charge(meter: Meter, document: ast.DocumentNode) -> None:
    """Take what validating is worth: every field may have to be compared with every other."""
    words = sum(1 for _ in _WORD.finditer(document.loc.source.body)) if document.loc is not None else 0
    meter.charge(16 * words + words * words // 64)


def parse_both(meter: Meter, query: Value, schema: Value) -> Value:
    name = "graphql.parse"
    for position, value in enumerate((query, schema)):
        if not _takes(value):
            raise wrong_type(name, position, value, "string", "object")
    try:
        return _both(meter, query, schema)
    except (_Refused, RecursionError) as error:
        raise BuiltinError(f"{name}: {error}") from None


def _both(meter: Meter, query: Value, schema: Value) -> list[Value]:
    parsed, described = _query(query), _schema_document(schema)
    _charge(meter, parsed)
    _checked(parsed, _schema(meter, schema))
    return [document_object(parsed), document_object(described)]


def parse_and_verify(meter: Meter, query: Value, schema: Value) -> Value:
    try:
        return [True, *_both(meter, query, schema)] if _takes(query) and _takes(schema) else [False, {}, {}]
    except (_Refused, RecursionError):
        return [False, {}, {}]


def is_valid(meter: Meter, query: Value, schema: Value) -> bool:
    return bool(parse_and_verify(meter, query, schema)[0])


def schema_is_valid(meter: Meter, schema: Value) -> bool:
    try:
        return _takes(schema) and _schema(meter, schema) is not None
    except (_Refused, RecursionError):
        return False


BUILTINS: Final = {
    **pure({"graphql.parse_query": parse_query, "graphql.parse_schema": parse_schema}),
    **contextual(
        {
            "graphql.parse": parse_both,
            "graphql.parse_and_verify": parse_and_verify,
            "graphql.is_valid": is_valid,
            "graphql.schema_is_valid": schema_is_valid,
        }
    ),
}
