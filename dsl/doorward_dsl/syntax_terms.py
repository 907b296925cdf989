"""Terms and expressions of the syntax tree; `doorward_dsl.syntax` is their face."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from doorward_dsl.source import Span

__all__ = [
    "Annotations",
    "Array",
    "ArrayComprehension",
    "Assign",
    "Body",
    "Call",
    "Comment",
    "Every",
    "Expr",
    "ExprTerm",
    "Literal",
    "Not",
    "Object",
    "ObjectComprehension",
    "Ref",
    "Scalar",
    "Set",
    "SetComprehension",
    "SomeDecl",
    "SomeIn",
    "Template",
    "Term",
    "Unify",
    "Var",
    "With",
]

# --- terms -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """A literal: bool, str, int, None, or Decimal for a number with a fraction or exponent."""

    value: bool | str | int | Decimal | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Var:
    """A name. `_` is the wildcard until `resolve` makes it fresh."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Ref:
    """`head.a["b"][i]`: a dotted name is a path element `Scalar("a")`. The path is never empty."""

    head: Term
    path: tuple[Term, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A call of a function or operator by its dotted name, e.g. `("io", "jwt", "decode")` or `("plus",)`."""

    name: tuple[str, ...]
    args: tuple[Term, ...]
    span: Span
    name_span: Span
    """Where the name or the operator stands, for messages about it."""


@dataclass(frozen=True, slots=True, eq=False)
class Array:
    items: tuple[Term, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Set:
    items: tuple[Term, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Object:
    pairs: tuple[tuple[Term, Term], ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class ArrayComprehension:
    head: Term
    body: Body
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class SetComprehension:
    head: Term
    body: Body
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class ObjectComprehension:
    key: Term
    value: Term
    body: Body
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A template string `$"…{term}…"`: text pieces and terms in order.

    A part with modifiers, `{term with input as x}`, is a Literal that holds an ExprTerm.
    """

    parts: tuple[str | Term | Literal, ...]
    span: Span


Term: TypeAlias = (
    Scalar
    | Var
    | Ref
    | Call
    | Array
    | Set
    | Object
    | ArrayComprehension
    | SetComprehension
    | ObjectComprehension
    | Template
)

# --- expressions -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class ExprTerm:
    """A term that must be defined and not `false`."""

    term: Term
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Assign:
    """`target := value`: the variables of the target are new in this body."""

    target: Term
    value: Term
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Unify:
    """`left = right`."""

    left: Term
    right: Term
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class SomeDecl:
    """`some x, y`: declares and binds nothing."""

    names: tuple[Var, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class SomeIn:
    """`some value in domain` or `some key, value in domain`; key and value may be patterns."""

    key: Term | None
    value: Term
    domain: Term
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Every:
    """`every value in domain { body }` or `every key, value in domain { body }`."""

    key: Var | None
    value: Var
    domain: Term
    body: Body
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Not:
    """`not expr`: holds when `expr` has no answer that is not `false`."""

    expr: Expr
    span: Span


Expr: TypeAlias = ExprTerm | Assign | Unify | SomeDecl | SomeIn | Every | Not


@dataclass(frozen=True, slots=True, eq=False)
class With:
    """`with target as value`."""

    target: Term
    value: Term
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """One expression of a body, with its modifiers. `not e with t as v` is Literal(Not(e), (With(t, v),))."""

    expr: Expr
    withs: tuple[With, ...]
    span: Span


Body: TypeAlias = tuple[Literal, ...]

# --- comments -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Comment:
    """A comment, `text` without its `#`."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Annotations:
    """A `# METADATA` block: the YAML document as parsed, scope made explicit (rule, document, package, subpackages)."""

    scope: str
    document: dict[str, Any]
    span: Span
