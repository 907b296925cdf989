"""The syntax tree of a policy file: what `parse` builds and every later stage reads.

    Module
    ├── Import
    ├── Rule ── RuleHead, body: Literal…, else: Rule
    └── Statement (Ward only) ── Allow | Block | Mask | Approve | Credential; TestBlock

    Literal ── one line of a body: an expression with its `with` modifiers
    Term ── Scalar Var Ref Call Array Object Set, the three comprehensions, Template

Nodes are frozen and compare by identity (two equal texts at two places are two nodes). Infix operators are calls
of the built-in they stand for (`a + b` is `Call(plus, a, b)`), as in Rego's own definition; `a = b` and `a := b` are
expressions of their own because they bind.

After `resolve`, the same classes stand for the same things under these rules:

- a `Var` is a local variable with a name unique in its rule (`x`, `x#2`; `$` where no user named it); `_` has become a
  fresh `Var` each time (`_#1`). Alone, `Var("data")` and `Var("input")` are the whole documents: no local has those names;
- every global name is a `Ref` whose head is `Var("data")` or `Var("input")` and whose path is complete
  (imports, rule names of the package, and the fields of a governed request are all spelled out);
- the target and the value of a `with` that name a built-in function stay as written (`Var("count")`, `io.jwt.decode`);
  no local of a rule has the bare name of one;
- a `Call` names a built-in (`name` = `("count",)`, `("json", "patch")`) or a user function by its full path
  (`("data", "pkg", "f")`);
- a call with one argument more than its function takes, on a line of its own, is a `Unify` of that argument with the
  call; `print(x, y)` is `internal.print([{$ | $ = x}, {$ | $ = y}])`; `rego.metadata` calls are their values;
- of the references in the arguments of a call, none binds what another argument needs: `k > xs[k]` has become
  `$ = xs[k]; k > $`;
- head terms do not iterate: `p contains xs[_]` has become `p contains $ if $ = xs[_]`;
- `some x` declarations are gone; `Assign` stays and always binds fresh variables;
- `import`s are used up; Ward statements stand beside the rules with resolved bodies.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeAlias

from doorward_dsl.source import Span

__all__ = [
    "Allow",
    "Annotations",
    "Approve",
    "Array",
    "ArrayComprehension",
    "Assign",
    "Block",
    "Body",
    "Call",
    "Comment",
    "ContentTarget",
    "Credential",
    "Every",
    "Expr",
    "ExprTerm",
    "FieldTarget",
    "Import",
    "JsonPathTarget",
    "Literal",
    "Mask",
    "MaskTarget",
    "Masker",
    "Module",
    "Not",
    "Object",
    "ObjectComprehension",
    "Ref",
    "Rule",
    "RuleHead",
    "Scalar",
    "Set",
    "SetComprehension",
    "SomeDecl",
    "SomeIn",
    "Statement",
    "Template",
    "Term",
    "TermTarget",
    "TestBlock",
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

# --- rules -----------------------------------------------------------------------------------------------------


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


@dataclass(frozen=True, slots=True, eq=False)
class RuleHead:
    """What a rule defines.

    `ref` is its name as written, e.g. `(Var f)` or `(Var roles, Var name, Scalar "admin")` for `roles[name].admin`; the
    first element is always a `Var`. After `resolve` it is the full path: `(Var data, Scalar pkg, …, Var name, …)`.
    `contains` rules have a `key`; function rules have `args` (possibly empty, not None). `value` is None where the rule
    gives none (then it is `true`); a `contains` rule never has one.
    """

    ref: tuple[Term, ...]
    args: tuple[Term, ...] | None
    key: Term | None
    value: Term | None
    assign: bool
    """Written with `:=` (or no value) rather than `=`."""
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One rule definition. `body` is empty when there is none; `else_` is the next of the chain."""

    head: RuleHead
    body: Body
    else_: Rule | None
    default: bool
    span: Span
    annotations: tuple[Annotations, ...] = ()


# --- Ward statements -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Masker:
    """`redact`, `null`, `partial(4)`, `hash`, `replace("x")`, `format_preserving`; `args` are the literals given."""

    name: str
    args: tuple[str | int, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class FieldTarget:
    """`table.column`, `*.column`, `schema.table.column`: the dotted parts, `*` allowed for any but the column."""

    parts: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class JsonPathTarget:
    """`$.user.email`, `$.items[*].card`: steps are keys, indices, or `"*"`."""

    steps: tuple[str | int, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class ContentTarget:
    """`content(card_number)`: whatever the named detector finds."""

    detector: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class TermTarget:
    """A variable or reference that the body binds: its value names the target as text, e.g. `"customers.ssn"`."""

    term: Term
    span: Span


MaskTarget: TypeAlias = FieldTarget | JsonPathTarget | ContentTarget | TermTarget


@dataclass(frozen=True, slots=True, eq=False)
class _Condition:
    """What all statements share: an optional reason, a condition (`if` body) and an exception (`unless` body).

    The statement holds when `when` does (or is absent) and `unless` is absent or has no answer.
    """

    reason: str | Term | None
    """Literal text, or a template string that may use the variables of the body."""
    when: Body | None
    unless: Body | None
    span: Span
    annotations: tuple[Annotations, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True, slots=True, eq=False)
class Allow(_Condition):
    """`allow "reason" if …`."""


@dataclass(frozen=True, slots=True, eq=False)
class Block(_Condition):
    """`block "reason" if …`."""


@dataclass(frozen=True, slots=True, eq=False)
class Mask(_Condition):
    """`mask "reason" target, … with masker if …`."""

    targets: tuple[MaskTarget, ...] = ()
    masker: Masker | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Approve(_Condition):
    """`approve "reason" by "group", … within 15m if …`. Groups are terms; any one member of any group may consent.

    `within_ms` is None where the statement leaves the wait to the gateway's default.
    """

    groups: tuple[Term, ...] = ()
    within_ms: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Credential(_Condition):
    """`credential "reason" ttl 60s single_use as "role" if …`."""

    ttl_ms: int | None = None
    single_use: bool = False
    role: Term | None = None


Statement: TypeAlias = Allow | Block | Mask | Approve | Credential


@dataclass(frozen=True, slots=True, eq=False)
class TestBlock:
    """`test "name" { … }`: kept as its parts for the test runner; no other stage reads inside.

    `givens` are `given ref := term`; `when_kind`/`when_text` the operation; `expects` the words after each `expect`.
    """

    __test__ = False

    name: str
    givens: tuple[tuple[Term, Term], ...]
    when_kind: str | None
    when_text: str | None
    expects: tuple[tuple[str | Term, ...], ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Import:
    """`import data.x.y as z`. `alias` is None where none is written."""

    ref: Term
    alias: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Module:
    """One parsed file. `governs` is empty for a file that governs nothing; `("*",)` for all kinds."""

    package: tuple[str, ...]
    """Without `data`: `("acme", "customers")`."""
    package_span: Span
    imports: tuple[Import, ...]
    governs: tuple[str, ...]
    governs_span: Span | None
    rules: tuple[Rule, ...]
    statements: tuple[Statement, ...]
    tests: tuple[TestBlock, ...]
    comments: tuple[Comment, ...]
    annotations: tuple[Annotations, ...]
    """Those of package and subpackages scope."""
    span: Span
