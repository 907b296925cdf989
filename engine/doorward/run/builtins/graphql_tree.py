"""Syntax trees of GraphQL as objects, in the shape that policies written for OPA read, and back to text.

Positions and comments are left out, and so is whatever is null or an empty list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from graphql.language import ast

from .terms import MAX_NESTING

__all__ = ["Malformed", "document_object", "query_text", "schema_text"]

Tree = dict[str, Any]

_DEFINITIONS: Final = {
    "object": "OBJECT",
    "interface": "INTERFACE",
    "union": "UNION",
    "enum": "ENUM",
    "input_object": "INPUT_OBJECT",
    "scalar": "SCALAR",
}
_KEYWORDS: Final = {
    "OBJECT": "type",
    "INTERFACE": "interface",
    "UNION": "union",
    "ENUM": "enum",
    "INPUT_OBJECT": "input",
    "SCALAR": "scalar",
}
_SCALARS: Final = (
    (ast.VariableNode, 0),
    (ast.IntValueNode, 1),
    (ast.FloatValueNode, 2),
    (ast.BooleanValueNode, 5),
    (ast.NullValueNode, 6),
    (ast.EnumValueNode, 7),
)
_NAME: Final = re.compile(r"[_A-Za-z][_0-9A-Za-z]*", re.ASCII)
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)


class Malformed(ValueError):
    """An object that is no syntax tree."""


def _kept(**fields: Any) -> Tree:
    """The fields that say something: not null and no empty list."""
    return {name: value for name, value in fields.items() if value is not None and value != []}


def _named(node: Any) -> str:
    return node.name.value if node is not None and node.name is not None else ""


def _text(node: Any) -> str:
    return node.value if node is not None else ""


def _value(node: Any) -> Tree | None:
    if node is None:
        return None
    children: list[Tree] = []
    if isinstance(node, ast.ListValueNode):
        kind, raw = 8, ""
        children = [{"Name": "", "Value": _value(one)} for one in node.values]
    elif isinstance(node, ast.ObjectValueNode):
        kind, raw = 9, ""
        children = [{"Name": one.name.value, "Value": _value(one.value)} for one in node.fields]
    elif isinstance(node, ast.StringValueNode):
        kind, raw = (4 if node.block else 3), _string(node)
    else:
        kind = next(number for cls, number in _SCALARS if isinstance(node, cls))
        raw = "null" if kind == 6 else node.name.value if kind == 0 else node.value
        raw = ("true" if raw else "false") if type(raw) is bool else raw
    return _kept(Children=children, ExpectedTypeHasDefault=False, Kind=kind, Raw=raw)


def _string(node: ast.StringValueNode) -> str:
    """A string's value; that of a block string as it is written, with its indentation."""
    if node.block and node.loc is not None:
        return node.loc.source.body[node.loc.start + 3 : node.loc.end - 3].replace('\\"""', '"""')
    return node.value


def _type(node: Any) -> Tree:
    required = isinstance(node, ast.NonNullTypeNode)
    inner = node.type if isinstance(node, ast.NonNullTypeNode) else node
    if isinstance(inner, ast.ListTypeNode):
        return {"Elem": _type(inner.type), "NamedType": "", "NonNull": required}
    return {"NamedType": inner.name.value, "NonNull": required}


def _arguments(nodes: Iterable[Any] | None) -> list[Tree]:
    return [{"Name": one.name.value, "Value": _value(one.value)} for one in nodes or ()]


def _directives(node: Any) -> list[Tree]:
    return [
        _kept(Arguments=_arguments(one.arguments), Location="", Name=one.name.value)
        for one in node.directives or ()
    ]


def _selections(node: Any) -> list[Tree]:
    return [_selection(one) for one in node.selections] if node is not None else []


def _selection(node: Any) -> Tree:
    if isinstance(node, ast.FieldNode):
        return _kept(
            Alias=node.alias.value if node.alias is not None else node.name.value,
            Arguments=_arguments(node.arguments),
            Directives=_directives(node),
            Name=node.name.value,
            SelectionSet=_selections(node.selection_set),
        )
    if isinstance(node, ast.FragmentSpreadNode):
        return _kept(Directives=_directives(node), Name=node.name.value)
    return _kept(
        Directives=_directives(node),
        SelectionSet=_selections(node.selection_set),
        TypeCondition=_named(node.type_condition),
    )


def _variable(node: Any) -> Tree:
    return _kept(
        DefaultValue=_value(node.default_value),
        Directives=_directives(node),
        Type=_type(node.type),
        Used=False,
        Variable=node.variable.name.value,
    )


def _operation(node: Any) -> Tree:
    return _kept(
        Directives=_directives(node),
        Name=_named(node),
        Operation=node.operation.value,
        SelectionSet=_selections(node.selection_set),
        VariableDefinitions=[_variable(one) for one in node.variable_definitions or ()],
    )


def _fragment(node: Any) -> Tree:
    return _kept(
        Directives=_directives(node),
        Name=node.name.value,
        SelectionSet=_selections(node.selection_set),
        TypeCondition=_named(node.type_condition),
        VariableDefinition=[_variable(one) for one in node.variable_definitions or ()],
    )


def _input(node: Any) -> Tree:
    return _kept(
        DefaultValue=_value(node.default_value),
        Description=_text(node.description),
        Directives=_directives(node),
        Name=node.name.value,
        Type=_type(node.type),
    )


def _field(node: Any) -> Tree:
    return _kept(
        Arguments=[_input(one) for one in node.arguments or ()],
        Description=_text(node.description),
        Directives=_directives(node),
        Name=node.name.value,
        Type=_type(node.type),
    )


def _enum_value(node: Any) -> Tree:
    return _kept(Description=_text(node.description), Directives=_directives(node), Name=node.name.value)


def _definition(node: Any) -> Tree:
    kind = node.kind.removesuffix("_definition").removesuffix("_extension").removesuffix("_type")
    shown_field = _input if kind == "input_object" else _field
    return _kept(
        BuiltIn=False,
        Description=_text(getattr(node, "description", None)),
        Directives=_directives(node),
        EnumValues=[_enum_value(one) for one in getattr(node, "values", None) or ()],
        Fields=[shown_field(one) for one in getattr(node, "fields", None) or ()],
        Interfaces=[_named(one) for one in getattr(node, "interfaces", None) or ()],
        Kind=_DEFINITIONS[kind],
        Name=node.name.value,
        Types=[_named(one) for one in getattr(node, "types", None) or ()],
    )


def _schema(node: Any) -> Tree:
    return _kept(
        Description=_text(getattr(node, "description", None)),
        Directives=_directives(node),
        OperationTypes=[
            {"Operation": one.operation.value, "Type": one.type.name.value}
            for one in node.operation_types or ()
        ],
    )


def _directive(node: Any) -> Tree:
    return _kept(
        Arguments=[_input(one) for one in node.arguments or ()],
        Description=_text(node.description),
        IsRepeatable=node.repeatable,
        Locations=[one.value for one in node.locations],
        Name=node.name.value,
    )


_PLACES: Final[tuple[tuple[type, str, Callable[[Any], Tree]], ...]] = (
    (ast.OperationDefinitionNode, "Operations", _operation),
    (ast.FragmentDefinitionNode, "Fragments", _fragment),
    (ast.SchemaDefinitionNode, "Schema", _schema),
    (ast.SchemaExtensionNode, "SchemaExtension", _schema),
    (ast.DirectiveDefinitionNode, "Directives", _directive),
    (ast.TypeDefinitionNode, "Definitions", _definition),
    (ast.TypeExtensionNode, "Extensions", _definition),
)


def document_object(document: ast.DocumentNode) -> Tree:
    """The object of a parsed document."""
    found: Tree = {}
    for node in document.definitions:
        for kind, place, shown in _PLACES:
            if isinstance(node, kind):
                found.setdefault(place, []).append(shown(node))
                break
    return found


class _Writer:
    """Writes the text of a tree. Every name and number is checked, so that no text in a tree becomes syntax."""

    def __init__(self) -> None:
        self.depth = 0

    def listed(self, tree: Tree, field: str) -> list[Any]:
        found = tree.get(field) or []
        if type(found) is not list:
            raise Malformed(f"`{field}` must be an array")
        return found

    def string(self, tree: Any, field: str) -> str:
        found = tree.get(field, "") if type(tree) is dict else None
        if type(found) is not str:
            raise Malformed(f"`{field}` must be a string")
        return found

    def name(self, tree: Any, field: str = "Name") -> str:
        return self.checked(self.string(tree, field))

    def checked(self, name: Any) -> str:
        if type(name) is not str or _NAME.fullmatch(name) is None:
            raise Malformed("a name must be made of letters, digits and underscores")
        return name

    def value(self, tree: Any) -> str:
        raw, kind = self.string(tree, "Raw"), tree.get("Kind", 0)
        if kind in (8, 9):
            self.depth += 1
            if self.depth > MAX_NESTING:
                raise Malformed("values are nested too deeply")
            parts = [
                (f"{self.name(one)}: " if kind == 9 else "") + self.value(one.get("Value"))
                for one in self.listed(tree, "Children")
            ]
            self.depth -= 1
            return f"[{', '.join(parts)}]" if kind == 8 else f"{{{', '.join(parts)}}}"
        if kind in (3, 4):
            return json.dumps(raw)
        if kind in (1, 2):
            if _NUMBER.fullmatch(raw) is None:
                raise Malformed("a number is malformed")
            return raw
        return ("$" if kind == 0 else "") + self.checked(raw)

    def type(self, tree: Any) -> str:
        if type(tree) is not dict:
            raise Malformed("a type must be an object")
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise Malformed("types are nested too deeply")
        inner = f"[{self.type(tree['Elem'])}]" if tree.get("Elem") else self.name(tree, "NamedType")
        self.depth -= 1
        return inner + ("!" if tree.get("NonNull") is True else "")

    def arguments(self, tree: Tree) -> str:
        parts = [
            f"{self.name(one)}: {self.value(one.get('Value'))}" for one in self.listed(tree, "Arguments")
        ]
        return f"({', '.join(parts)})" if parts else ""

    def directives(self, tree: Tree) -> str:
        return "".join(f" @{self.name(one)}{self.arguments(one)}" for one in self.listed(tree, "Directives"))

    def selections(self, tree: Tree) -> str:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise Malformed("selections are nested too deeply")
        parts = [self.selection(one) for one in self.listed(tree, "SelectionSet")]
        self.depth -= 1
        return f" {{ {' '.join(parts)} }}" if parts else ""

    def selection(self, tree: Any) -> str:
        if type(tree) is not dict:
            raise Malformed("a selection must be an object")
        rest = self.directives(tree) + self.selections(tree)
        if "Alias" in tree:
            return f"{self.name(tree, 'Alias')}: {self.name(tree)}{self.arguments(tree)}{rest}"
        if "Name" in tree:
            return f"...{self.name(tree)}{rest}"
        condition = f" on {self.name(tree, 'TypeCondition')}" if tree.get("TypeCondition") else ""
        return f"...{condition}{rest}"

    def default(self, tree: Tree) -> str:
        return f" = {self.value(tree['DefaultValue'])}" if tree.get("DefaultValue") else ""

    def variables(self, tree: Any, field: str) -> str:
        parts = [
            f"${self.name(one, 'Variable')}: {self.type(one.get('Type'))}{self.default(one)}{self.directives(one)}"
            for one in self.listed(tree, field)
        ]
        return f"({', '.join(parts)})" if parts else ""

    def operation(self, tree: Any) -> str:
        name = self.name(tree) if tree.get("Name") else ""
        shown = self.variables(tree, "VariableDefinitions")
        operation = tree.get("Operation") or "query"
        if operation not in ("query", "mutation", "subscription"):
            raise Malformed("`Operation` must be `query`, `mutation` or `subscription`")
        return f"{operation} {name}{shown}{self.directives(tree)}{self.selections(tree)}"

    def fragment(self, tree: Any) -> str:
        variables = self.variables(tree, "VariableDefinition")
        head = f"fragment {self.name(tree)}{variables} on {self.name(tree, 'TypeCondition')}"
        return head + self.directives(tree) + self.selections(tree)

    def described(self, tree: Any) -> str:
        description = self.string(tree, "Description")
        return json.dumps(description) + " " if description else ""

    def inputs(self, tree: Tree, field: str) -> list[str]:
        return [
            f"{self.described(one)}{self.name(one)}: {self.type(one.get('Type'))}{self.default(one)}"
            f"{self.directives(one)}"
            for one in self.listed(tree, field)
        ]

    def field(self, tree: Any) -> str:
        arguments = self.inputs(tree, "Arguments")
        shown = f"({', '.join(arguments)})" if arguments else ""
        head = f"{self.described(tree)}{self.name(tree)}{shown}: {self.type(tree.get('Type'))}"
        return head + self.default(tree) + self.directives(tree)

    def definition(self, tree: Any, *, extension: bool = False) -> str:
        keyword = _KEYWORDS.get(self.string(tree, "Kind"))
        if keyword is None:
            raise Malformed("`Kind` names no kind of type")
        start = "extend " if extension else self.described(tree)
        interfaces = [self.checked(one) for one in self.listed(tree, "Interfaces")]
        implements = f" implements {' & '.join(interfaces)}" if interfaces else ""
        types = [self.checked(one) for one in self.listed(tree, "Types")]
        members = f" = {' | '.join(types)}" if types else ""
        parts = [self.field(one) for one in self.listed(tree, "Fields")]
        parts += [
            f"{self.described(one)}{self.name(one)}{self.directives(one)}"
            for one in self.listed(tree, "EnumValues")
        ]
        body = f" {{ {' '.join(parts)} }}" if parts else ""
        return f"{start}{keyword} {self.name(tree)}{implements}{self.directives(tree)}{members}{body}"

    def schema(self, tree: Any, *, extension: bool = False) -> str:
        start = "extend " if extension else self.described(tree)
        operations = [
            f"{self.name(one, 'Operation')}: {self.name(one, 'Type')}"
            for one in self.listed(tree, "OperationTypes")
        ]
        body = f" {{ {' '.join(operations)} }}" if operations else ""
        return f"{start}schema{self.directives(tree)}{body}"

    def directive(self, tree: Any) -> str:
        arguments = self.inputs(tree, "Arguments")
        shown = f"({', '.join(arguments)})" if arguments else ""
        repeatable = " repeatable" if tree.get("IsRepeatable") is True else ""
        places = " | ".join(self.checked(one) for one in self.listed(tree, "Locations"))
        return f"{self.described(tree)}directive @{self.name(tree)}{shown}{repeatable} on {places}"


def query_text(tree: Tree) -> str:
    """The text of a query given as an object; raises `Malformed`."""
    writer = _Writer()
    parts = [writer.operation(one) for one in writer.listed(tree, "Operations")]
    return "\n".join(parts + [writer.fragment(one) for one in writer.listed(tree, "Fragments")])


def schema_text(tree: Tree) -> str:
    """The text of a schema given as an object; raises `Malformed`."""
    writer = _Writer()
    parts = [writer.schema(one) for one in writer.listed(tree, "Schema")]
    parts += [writer.schema(one, extension=True) for one in writer.listed(tree, "SchemaExtension")]
    parts += [writer.directive(one) for one in writer.listed(tree, "Directives")]
    parts += [writer.definition(one) for one in writer.listed(tree, "Definitions")]
    parts += [writer.definition(one, extension=True) for one in writer.listed(tree, "Extensions")]
    return "\n".join(parts)
