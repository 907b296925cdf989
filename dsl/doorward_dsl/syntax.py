"""The syntax tree of a policy file: what `parse` builds and every later stage reads.

    Module
    ├── Import
    ├── Rule ── RuleHead, body: Literal…, else: Rule
    ├── Statement (Ward only) ── Allow | Block | Mask | Approve | Credential
    └── TestBlock (Ward only) ── Given | When | Expectation

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

from dataclasses import dataclass

from doorward_dsl.source import Span
from doorward_dsl.syntax_terms import (
    Annotations,
    Array,
    ArrayComprehension,
    Assign,
    Body,
    Call,
    Comment,
    Every,
    Expr,
    ExprTerm,
    Literal,
    Not,
    Object,
    ObjectComprehension,
    Ref,
    Scalar,
    Set,
    SetComprehension,
    SomeDecl,
    SomeIn,
    Template,
    Term,
    Unify,
    Var,
    With,
)
from doorward_dsl.syntax_ward import (
    Allow,
    Approve,
    Block,
    ContentTarget,
    Credential,
    Expectation,
    ExpectCondition,
    ExpectCredential,
    ExpectDetermining,
    ExpectError,
    ExpectMask,
    ExpectReason,
    ExpectVerdict,
    FieldTarget,
    Given,
    JsonPathTarget,
    Mask,
    Masker,
    MaskTarget,
    Statement,
    TermTarget,
    TestBlock,
    TestStep,
    When,
)

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
    "ExpectCondition",
    "ExpectCredential",
    "ExpectDetermining",
    "ExpectError",
    "ExpectMask",
    "ExpectReason",
    "ExpectVerdict",
    "Expectation",
    "Expr",
    "ExprTerm",
    "FieldTarget",
    "Given",
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
    "TestStep",
    "Unify",
    "Var",
    "When",
    "With",
]

# --- rules -----------------------------------------------------------------------------------------------------


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
    givens: tuple[Given, ...] = ()
    """What stands outside of its test blocks and is given in all of them."""
