"""Habits from other languages, and from older Rego: what each is called here."""

from __future__ import annotations

from typing import Final

__all__ = ["FUNCTIONS", "JOINED", "NAMES", "STATEMENTS", "WORDS"]

_EACH_LINE: Final = "conditions on lines of their own must all hold"
_EACH_RULE: Final = "write one rule or statement for each alternative"
_CONDITION: Final = "a condition comes after `if`"
_VALUE: Final = "a rule gives its value with `:=`, before `if`"

WORDS: Final = {
    "and": _EACH_LINE,
    "or": _EACH_RULE,
    "then": _VALUE,
    "return": _VALUE,
    "when": _CONDITION,
    "where": _CONDITION,
    "is": "two values are compared by `==`",
    "contains": "write `x in xs` for a member, or `contains(text, part)` for a part of a text",
    "includes": "write `x in xs`",
    "has": "write `x in xs`",
    "not_in": "write `not x in xs`",
    "matches": "write `regex.match(pattern, text)`",
    "like": "write `glob.match(pattern, [], text)` or `startswith(text, start)`",
    "between": "compare twice, on two lines: `low <= x` and `x <= high`",
    "let": "a variable needs no word before it: `x := 1`",
    "var": "a variable needs no word before it: `x := 1`",
    "const": "a variable needs no word before it: `x := 1`",
    "for": "write `some x in xs`, or `every x in xs { … }`",
    "foreach": "write `some x in xs`, or `every x in xs { … }`",
}
"""Words where an expression goes on or begins."""

JOINED: Final = {
    "&&": f"{_EACH_LINE}; there is no `&&`",
    "||": f"{_EACH_RULE}; there is no `||`",
    "==": "two values are compared by `==`",
    "===": "two values are compared by `==`",
    "!==": "two values are told apart by `!=`",
    "<>": "two values are told apart by `!=`",
    "=<": "write `<=`",
    "=>": "write `>=`",
    "++": 'texts are joined by a template, `$"{a}{b}"`, or by `concat`',
    "+=": "values never change: give the new one another name, with `:=`",
    "-=": "values never change: give the new one another name, with `:=`",
    "**": "multiply: there is no power",
    "//": "write `floor(a / b)`; a comment begins with `#`",
}
"""Operators of two or three characters, by those characters."""

STATEMENTS: Final = {
    "deny": "block",
    "forbid": "block",
    "prohibit": "block",
    "refuse": "block",
    "reject": "block",
    "disallow": "block",
    "permit": "allow",
    "grant": "allow",
    "accept": "allow",
    "hide": "mask",
    "redact": "mask",
    "require": "approve",
    "approval": "approve",
}
"""Verbs, as others say them."""

NAMES: Final = {
    "def": "a function is written `f(x) := …`, without a word before it",
    "fn": "a function is written `f(x) := …`, without a word before it",
    "func": "a function is written `f(x) := …`, without a word before it",
    "function": "a function is written `f(x) := …`, without a word before it",
    "let": "a rule needs no word before its name: `x := 1`",
    "const": "a rule needs no word before its name: `x := 1`",
    "var": "a rule needs no word before its name: `x := 1`",
    "rule": "a rule needs no word before its name: `x := 1`",
    "from": "write `import data.…`",
    "include": "write `import data.…`",
    "use": "write `import data.…`",
}
"""Words at the beginning of a statement."""

FUNCTIONS: Final = {
    "len": "count",
    "length": "count",
    "size": "count",
    "exists": "count",
    "startsWith": "startswith",
    "starts_with": "startswith",
    "has_prefix": "startswith",
    "hasPrefix": "startswith",
    "endsWith": "endswith",
    "ends_with": "endswith",
    "has_suffix": "endswith",
    "hasSuffix": "endswith",
    "includes": "contains",
    "tolower": "lower",
    "to_lower": "lower",
    "toLowerCase": "lower",
    "lowercase": "lower",
    "toupper": "upper",
    "to_upper": "upper",
    "toUpperCase": "upper",
    "uppercase": "upper",
    "substr": "substring",
    "strip": "trim_space",
    "join": "concat",
    "format": "sprintf",
    "printf": "sprintf",
    "str": "sprintf",
    "to_string": "sprintf",
    "int": "to_number",
    "float": "to_number",
    "number": "to_number",
    "match": "regex.match",
    "matches": "regex.match",
    "now": "time.now_ns",
    "range": "numbers.range",
    "typeof": "type_name",
    "type": "type_name",
    "json.parse": "json.unmarshal",
    "json.stringify": "json.marshal",
    "json.encode": "json.marshal",
    "json.decode": "json.unmarshal",
}
"""Functions, as others call them."""
