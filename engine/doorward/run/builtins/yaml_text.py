"""YAML: text from values and values from text, as go-yaml reads and writes it (YAML 1.2 with old habits).

Plain scalars are resolved here, not by PyYAML, whose YAML 1.1 would turn `no` into false and `1:30` into 90.
"""

from __future__ import annotations

import base64
import binascii
import re
from functools import cmp_to_key
from typing import Any, Final

import yaml

from doorward.run.errors import BuiltinError
from doorward.run.values import Value

from .builtin import pure
from .json_text import plain
from .numeric import number_text
from .operands import string, text
from .terms import MAX_NESTING

__all__ = ["BUILTINS"]

_MAX_INPUT: Final = 4 * 1024 * 1024
_MAX_NODES: Final = 1_000_000

_TAG: Final = "tag:yaml.org,2002:"
_WORDS: Final = {
    "": None,
    **dict.fromkeys(("~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INTEGER: Final = re.compile(r"([-+]?)(?:0[bB]([01]+)|0[xX]([0-9a-fA-F]+)|0[oO]?([0-7]+)|([1-9][0-9]*|0))")
_CLOCK: Final = r"[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\.[0-9]+)?"
_TIMESTAMP: Final = re.compile(
    rf"[0-9]{{4}}-[0-9]{{1,2}}-[0-9]{{1,2}}([Tt]{_CLOCK}(Z|[-+][0-9]{{2}}:[0-9]{{2}})| {_CLOCK})?"
)
# what older readers take for numbers and booleans
_BASE60: Final = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_OLD_BOOLEANS: Final = frozenset(
    word for lower in ("y", "yes", "on", "n", "no", "off") for word in (lower, lower.title(), lower.upper())
)


class _Refused(ValueError):
    """The text is YAML, but stands for no value of Rego, or for too large a one."""


def _number(scalar: str) -> int | float | None:
    """The number that a plain scalar stands for; integers beyond 64 bits lose digits, as in go-yaml."""
    bare = scalar.replace("_", "")
    match = _INTEGER.fullmatch(bare)
    if match is not None and len(bare) < 80:
        sign, binary, sixteen, octal, ten = match.groups()
        size = int(binary or sixteen or octal or ten, 2 if binary else 16 if sixteen else 8 if octal else 10)
        value = -size if sign == "-" else size
        if -(1 << 63) <= value < 1 << 64:
            return value
    if _FLOAT.fullmatch(bare) is None or abs(float(bare)) == float("inf"):
        return None
    return _whole(float(bare))


def _whole(value: float) -> int | float:
    if abs(value) == float("inf"):
        raise _Refused("json: unsupported value: +Inf")
    return int(value) if value.is_integer() and abs(value) < 1e21 else value


def _resolved(scalar: str) -> Any:
    """The value of a plain scalar."""
    if scalar in _WORDS:
        return _WORDS[scalar]
    if _NOT_FINITE.fullmatch(scalar):
        raise _Refused(f"json: unsupported value: {scalar}")
    if scalar[0] in "+-.0123456789":
        number = _number(scalar)
        return scalar if number is None else number
    return scalar


class _Reader:
    """Makes values of composed nodes, and counts them, since an alias may stand for much in little text."""

    def __init__(self) -> None:
        self.left = _MAX_NODES
        self.open: set[int] = set()

    def value(self, node: yaml.Node) -> Any:
        self.left -= 1
        if self.left < 0:
            raise _Refused("yaml: document contains excessive aliasing")
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node)
        if id(node) in self.open:
            raise _Refused("yaml: anchor contains itself")
        if len(self.open) > MAX_NESTING:
            raise _Refused(f"yaml: nested deeper than {MAX_NESTING}")
        self.open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self.mapping(node)
            return [self.value(item) for item in node.value]
        finally:
            self.open.discard(id(node))

    def scalar(self, node: yaml.ScalarNode) -> Any:
        tag, content = node.tag or "", str(node.value)
        if tag == _TAG + "str" and not node.style:
            return _resolved(content)
        kind = tag.removeprefix(_TAG)
        if kind == "binary":
            try:
                return text(base64.b64decode(content, validate=False))
            except binascii.Error:
                raise _Refused("yaml: !!binary value contains invalid base64 data") from None
        if kind in ("int", "float", "bool", "null"):
            value = _resolved(content)
            fits = {"int": int, "float": (int, float), "bool": bool, "null": type(None)}[kind]
            if not isinstance(value, fits) or (kind in ("int", "float") and type(value) is bool):  # type: ignore[arg-type]
                raise _Refused(f"yaml: cannot decode `{content}` as a !!{kind}")
            return value
        return content

    def mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if isinstance(key_node, yaml.ScalarNode) and key_node.value == "<<" and not key_node.style:
                self.merge(merged, value_node)
            else:
                found[self.key(key_node)] = self.value(value_node)
        return {**merged, **found}

    def merge(self, merged: dict[str, Any], node: yaml.Node) -> None:
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            value = self.value(source) if isinstance(source, yaml.MappingNode) else None
            if not isinstance(value, dict):
                raise _Refused("yaml: map merge requires map or sequence of maps as the value")
            for key, item in value.items():
                merged.setdefault(key, item)

    def key(self, node: yaml.Node) -> str:
        value = self.value(node) if isinstance(node, yaml.ScalarNode) else None
        if type(value) is bool:
            return "true" if value else "false"
        if type(value) is int or type(value) is float:
            return number_text(value)
        if type(value) is str:
            return value
        raise _Refused("yaml: a key must be a string, a number or a boolean")


def _parsed(content: str) -> Any:
    """The value of the first document; the others must be well-formed too. Raises ValueError or YAMLError."""
    if len(content) > _MAX_INPUT:
        raise _Refused(f"yaml: more than {_MAX_INPUT} characters")
    _check_nesting(content)
    documents = list(yaml.compose_all(content, Loader=_LOADER))
    return _Reader().value(documents[0]) if documents and documents[0] is not None else None


def _check_nesting(content: str) -> None:
    """Refuse deeply nested text before the composer, which recurs, sees it."""
    depth = 0
    for event in yaml.parse(content, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_NESTING:
                raise _Refused(f"yaml: nested deeper than {MAX_NESTING}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


_LOADER: Final = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def unmarshal(content: Value) -> Value:
    source = string("yaml.unmarshal", 1, content)
    try:
        return _parsed(source)
    except (ValueError, yaml.YAMLError) as error:
        raise BuiltinError(f"yaml.unmarshal: {_problem(error)}") from None


def _problem(error: Exception) -> str:
    if isinstance(error, yaml.reader.ReaderError):
        return f"yaml: {error.reason}"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        line = error.problem_mark.line
        line += bool(line) and isinstance(error, yaml.scanner.ScannerError)
        return f"yaml: line {line}: {error.problem}" if line else f"yaml: {error.problem}"
    return str(error)


def is_valid(content: Value) -> bool:
    if type(content) is not str:
        return False
    try:
        _parsed(content)
    except (ValueError, yaml.YAMLError):
        return False
    return True


class _Writer(yaml.SafeDumper):
    """Writes every scalar as it is given, with sequences set in under their key."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - the name and type that PyYAML asks for

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def check_simple_key(self) -> bool:
        """An empty key is simple too, unlike for PyYAML."""
        empty = isinstance(self.event, yaml.ScalarEvent) and not self.event.value
        return empty or bool(super().check_simple_key())


def _node(value: Any) -> yaml.Node:
    kind = type(value)
    if kind is dict:
        pairs = [(_node(k), _node(value[k])) for k in sorted(value, key=cmp_to_key(_natural))]
        return yaml.MappingNode(_TAG + "map", pairs, flow_style=not pairs)
    if kind is list:
        return yaml.SequenceNode(_TAG + "seq", list(map(_node, value)), flow_style=not value)
    style = None
    if kind is str:
        scalar, style = value, _style(value)
    elif value is None:
        scalar = "null"
    elif kind is bool:
        scalar = "true" if value else "false"
    else:
        scalar = number_text(value if kind is int and -(1 << 63) <= value < 1 << 64 else _whole(float(value)))
    return yaml.ScalarNode(_TAG + "str", scalar, style=style)


def _reads_as_text(value: str) -> bool:
    if value in _OLD_BOOLEANS or _BASE60.fullmatch(value) or _TIMESTAMP.fullmatch(value):
        return False
    try:
        return type(_resolved(value)) is str
    except _Refused:
        return False


def _style(value: str) -> str | None:
    if any(char > "\uffff" or char in "\x85\u2028\u2029" for char in value):
        return '"'
    return "|" if "\n" in value else None if _reads_as_text(value) else '"'


def _natural(left: str, right: str) -> int:
    """The order of keys: letters after everything else, and numbers by their size, so that `a2` is before
    `a10`.
    """
    after_digit = False
    for place, (x, y) in enumerate(zip(left, right, strict=False)):
        if x == y:
            after_digit = x.isdigit()
            continue
        if x.isalpha() or y.isalpha():
            if x.isalpha() and y.isalpha():
                return -1 if x < y else 1
            return -1 if (x.isalpha() if after_digit else y.isalpha()) else 1
        a, b = _digits(left, place), _digits(right, place)
        numbers = (int(a or 0), len(a), x), (int(b or 0), len(b), y)
        return -1 if numbers[0] < numbers[1] else 1
    return len(left) - len(right)


def _digits(text: str, place: int) -> str:
    match = re.compile("[0-9]{0,18}").match(text, place)
    return match.group() if match is not None else ""


def marshal(value: Value) -> Value:
    try:
        node = _node(plain(value))
    except (_Refused, OverflowError) as error:
        raise BuiltinError(f"yaml.marshal: {error}") from None
    written: str = yaml.serialize(node, Dumper=_Writer, allow_unicode=True, width=float("inf"))
    return written.removesuffix("...\n")


BUILTINS: Final = pure({"yaml.marshal": marshal, "yaml.unmarshal": unmarshal, "yaml.is_valid": is_valid})
