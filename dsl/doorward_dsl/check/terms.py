"""The types of the terms and lines of one rule: variables by first binding, references through the program's types."""

from __future__ import annotations

from typing import Final, Protocol

from doorward_dsl.check.described import described, is_described, laid_over, within
from doorward_dsl.check.fields import unknown_field
from doorward_dsl.check.matching import Matcher
from doorward_dsl.check.replaced import Path, Replaced, leading_constants
from doorward_dsl.check.tree import Node, RuleTree, constant, is_global
from doorward_dsl.check.typeops import Constant, field_key, keys_of, scalar_type, select, unifies, values_of
from doorward_dsl.check.undefined import missing, unequal, written
from doorward_dsl.check.withs import function_name
from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.signatures import OPERATORS, signatures
from doorward_dsl.source import Span
from doorward_dsl.syntax import (
    Array,
    ArrayComprehension,
    Assign,
    Body,
    Call,
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
    SomeIn,
    Template,
    Term,
    Unify,
    Var,
    With,
)
from doorward_dsl.types import (
    ANY,
    STRING,
    AnyType,
    ArrayType,
    FunctionType,
    ObjectType,
    SetType,
    Type,
    array_of,
    bounded,
    shown,
    union,
)
from doorward_dsl.walk import Closure, closure_heads, is_operand, subterms

__all__ = ["Documents", "TermTypes"]

_MOST_ITEMS: Final = 32
"""Longer literal arrays are taken as arrays of one type."""

_MOST_FIELDS: Final = 128
"""Larger literal objects are taken as maps."""


_EMPTY: Final = SetType(None)
_JOINING: Final = 'texts are joined by a template, `$"{a}{b}"`, or by `concat`'

_MEMBERSHIP: Final = frozenset({("internal", "member_2"), ("internal", "member_3")})


class Documents(Protocol):
    """What the rules of a program define, and its base documents."""

    tree: RuleTree
    data: Type
    """That of the base documents."""

    def value(self, node: Node) -> Type | None:
        """The type of what the rules at a node define; None where no rule is."""

    def extent(self, node: Node) -> Type:
        """The type of everything at and below a node."""


class TermTypes:
    """Types within one rule, statement or query; what is wrong is appended to `report`.

    As in OPA, a line `x == y` says as much of types as `x = y`, but not in a query (`comparing`); and of what a module
    negates as a whole (`whole`, see `apart`) only the references are looked at.
    """

    def __init__(
        self,
        documents: Documents,
        request: Type,
        report: list[Diagnostic],
        *,
        comparing: bool = True,
        whole: bool = False,
    ) -> None:
        self._documents = documents
        self._request = request
        self._comparing = comparing
        self._whole = whole
        self._variables: dict[str, Type] = {}
        self._matcher = Matcher(self.kind, self._variables)
        self._replaced = Replaced()
        self._only_references = False
        """Within the body of `every`, and operands of `and` and `or`: as in OPA, what a line calls or compares is not
        looked at."""
        self.report = report

    def clear(self) -> None:
        """Forget all variables: the next link of an `else` chain begins."""
        self._variables.clear()

    # --- lines -------------------------------------------------------------------------------------------------

    def body(self, body: Body) -> None:
        """Check the lines of a body, in order."""
        for literal in body:
            self._literal(literal)

    def _literal(self, literal: Literal) -> None:
        before = len(self.report)
        for modifier in literal.withs:
            if not self._is_function(modifier.value):
                self.visit(modifier.value)
        around = self._replaced
        self._replaced = around.also(map(self._replacement, filter(self._retypes, literal.withs)))
        self._expr(literal.expr, before)
        self._replaced = around

    def _retypes(self, modifier: With) -> bool:
        """Whether a modifier puts a value of another type, perhaps, in the place of a rule's or a described document."""
        target = modifier.target
        if not is_global(target):
            return False
        if is_described(self._documents.data, target.path if isinstance(target, Ref) else ()):
            return True
        return isinstance(target, Ref) and any(
            node.rules or node.children
            for node in self._documents.tree.reached(map(constant, target.path))[1].nodes
        )

    def _replacement(self, modifier: With) -> tuple[Path, Type]:
        """The path of what a modifier replaces, as far as it is constant, and the type that it may have then."""
        target = modifier.target
        path = target.path if isinstance(target, Ref) else ()
        constants = leading_constants(path)
        before = self.kind(target)
        if isinstance(before, FunctionType):
            return constants, before
        if len(constants) < len(path) or self._is_function(modifier.value):
            return constants, ANY
        return constants, union([before or ANY, self.kind(modifier.value) or ANY]) or ANY

    def _expr(self, expr: Expr, before: int) -> None:
        if isinstance(expr, Not):
            around, self._only_references = self._only_references, self._only_references or self._whole
            self._expr(expr.expr, before)
            self._only_references = around
        elif isinstance(expr, ExprTerm):
            self._expr_term(expr, before)
        elif isinstance(expr, Assign | Unify):
            left, right = (expr.target, expr.value) if isinstance(expr, Assign) else (expr.left, expr.right)
            self.visit(right)
            self.visit(left)
            self._match(left, right, expr.span, before)
        elif isinstance(expr, SomeIn):
            self._some_in(expr, before)
        elif isinstance(expr, Every):
            self.visit(expr.domain)
            for var in (expr.key, expr.value):
                if var is not None:
                    self._variables[var.name] = ANY
            around, self._only_references = self._only_references, True
            self.body(expr.body)
            self._only_references = around

    def _expr_term(self, expr: ExprTerm, before: int) -> None:
        term = expr.term
        if self._comparing and isinstance(term, Call) and term.name == ("equal",) and len(term.args) == 2:
            left, right = term.args
            self.visit(left)
            self.visit(right)
            self._match(left, right, expr.span, before)
        else:
            self.visit(term, top=True)

    def _some_in(self, expr: SomeIn, before: int) -> None:
        self.visit(expr.domain)
        domain = self.kind(expr.domain) or ANY
        keys, values = keys_of(domain), values_of(domain)
        if self._only_references:
            for part in (expr.key, expr.value):
                if part is not None:
                    self.visit(part)
            return
        if keys is None:
            if len(self.report) == before:
                message = f"a value of type {shown(domain)} has no members that `some` could take"
                self._error(message, expr.domain.span)
            keys = values = ANY
        if expr.key is not None:
            self.visit(expr.key)
            if isinstance(expr.key, Scalar):
                values = select(domain, expr.key.value)
                if values is None:
                    self._error(f"undefined ref: no key `{expr.key.span.text}`", expr.key.span)
                    values = ANY
            elif not self._matcher.bind(expr.key, keys):
                self._mismatch(self.kind(expr.key), keys, expr.key.span)
        self.visit(expr.value)
        if not self._matcher.bind(expr.value, values or ANY) and len(self.report) == before:
            self._mismatch(self.kind(expr.value), values, expr.span)

    def _is_loose(self, closure: Closure) -> bool:
        return is_operand(closure) and closure.span.source.dialect == "rego"

    def _match(self, left: Term, right: Term, span: Span, before: int) -> None:
        if self._only_references:
            return
        kinds = self.kind(left), self.kind(right)
        if not self._matcher.match(left, right) and len(self.report) == before:
            self._mismatch(*kinds, span)

    def _mismatch(self, left: Type | None, right: Type | None, span: Span) -> None:
        self.report.append(unequal(left, right, span))

    def _error(self, message: str, span: Span, hint: str | None = None) -> None:
        self.report.append(Diagnostic("rego_type_error", message, span, hint=hint))

    # --- terms -------------------------------------------------------------------------------------------------

    def visit(self, term: Term, *, top: bool = False) -> None:
        """Check a term and all its parts, and give the variables that references bind their types."""
        if isinstance(term, ArrayComprehension | SetComprehension | ObjectComprehension):
            around, self._only_references = self._only_references, self._is_loose(term)
            self.body(term.body)
            self._only_references = around
            for head in closure_heads(term):
                self.visit(head)
        elif isinstance(term, Template):
            for part in term.parts:
                if isinstance(part, Literal):
                    self._literal(part)
                elif not isinstance(part, str):
                    self.visit(part)
        else:
            before = len(self.report)
            for part in subterms(term):
                self.visit(part)
            if isinstance(term, Ref):
                self._check_ref(term)
            elif self._only_references:
                pass
            elif isinstance(term, Call) and term.name in _MEMBERSHIP:
                self._check_membership(term)
            elif isinstance(term, Call) and len(self.report) == before:
                self._check_call(term, top=top)

    def pattern(self, term: Term) -> Type:
        """The type of a function's argument, once its body has been checked."""
        for part in subterms(term):
            self.pattern(part)
        if isinstance(term, Var):
            return self._variables.setdefault(term.name, ANY)
        return self.kind(term) or ANY

    def kind(self, term: Term) -> Type | None:
        """The type of a term; None where it is not known yet."""
        if isinstance(term, Scalar):
            return scalar_type(term.value)
        if isinstance(term, Var):
            return self._variable(term)
        if isinstance(term, Ref):
            return self._ref_kind(term)
        if isinstance(term, Call):
            function = self._function(term)
            return ANY if function is None else function.result
        if isinstance(term, Template):
            return STRING
        built = self._built(term)
        return None if built is None else bounded(built)

    def _built(self, term: Term) -> Type | None:
        """The type of an array, set, object or comprehension out of its parts'."""
        if isinstance(term, Array):
            return self._array(term)
        if isinstance(term, Set):
            return SetType(union([self.kind(item) or ANY for item in term.items]))
        if isinstance(term, Object):
            return self._object(term)
        if isinstance(term, ArrayComprehension):
            return array_of(self.kind(term.head) or ANY)
        if isinstance(term, SetComprehension):
            return SetType(self.kind(term.head) or ANY)
        if isinstance(term, ObjectComprehension):
            return ObjectType((), (self.kind(term.key) or ANY, self.kind(term.value) or ANY))
        return ANY

    def _variable(self, var: Var) -> Type | None:
        known = self._variables.get(var.name)
        if known is not None:
            return known
        if var.name == "input":
            return self._request
        return ANY if var.name == "data" else None

    def _array(self, array: Array) -> Type | None:
        kinds = [self.kind(item) for item in array.items]
        if len(kinds) > _MOST_ITEMS:
            return array_of(union(kinds) or ANY)
        known = [kind for kind in kinds if kind is not None]
        return ArrayType(tuple(known)) if len(known) == len(kinds) else None

    def _object(self, literal: Object) -> Type | None:
        constant_keys = len(literal.pairs) <= _MOST_FIELDS
        fields: dict[str | tuple[str, Constant], Type] = {}
        keys: list[Type | None] = []
        for key, value in literal.pairs:
            kind = self.kind(value)
            if kind is None:
                return None
            keys.append(self.kind(key) or ANY)
            constant_keys = constant_keys and isinstance(key, Scalar)
            if isinstance(key, Scalar):
                fields[field_key(key.value)] = kind
        if constant_keys:
            return ObjectType(tuple(sorted(fields.items(), key=lambda field: str(field[0]))))
        values = [self.kind(value) for _, value in literal.pairs]
        return ObjectType((), (union(keys) or ANY, union(values) or ANY))

    # --- calls -------------------------------------------------------------------------------------------------

    def _function(self, call: Call) -> FunctionType | None:
        """The type of the function that a call names; None where nothing is known of it."""
        if call.name[0] != "data":
            signature = signatures().get(".".join(call.name))
            return None if signature is None else signature.type
        if self._replaced:
            return self._replaced.function(call.name[1:])
        node = self._documents.tree.find_names(call.name[1:])
        kind = None if node is None else self._documents.value(node)
        return kind if isinstance(kind, FunctionType) else None

    def _is_function(self, term: Term) -> bool:
        """Whether a term names a function, to be put in the place of another."""
        name = function_name(term)
        if name is None or name[0] != "data":
            return name is not None and ".".join(name) in signatures()
        node = self._documents.tree.find_names(name[1:])
        return node is not None and any(rule.head.args is not None for rule in node.rules)

    def _check_membership(self, call: Call) -> None:
        """`x in xs`, `k, x in xs`: what could be a member at all."""
        collection = self.kind(call.args[-1]) or ANY
        if values_of(collection) is None and call.span.source.dialect == "ward":
            # Rego lets it pass, and it never holds: a restriction would silently be none
            self._error(f"a value of type {shown(collection)} has no members", call.args[-1].span)
            return
        for part, wanted in zip(
            call.args[-2::-1], (values_of(collection), keys_of(collection)), strict=False
        ):
            # OPA lets anything be looked for among nothing but empty sets
            if wanted is not None and wanted != _EMPTY and not self._matcher.bind(part, wanted):
                self._mismatch(self.kind(part), wanted, call.span)

    def _check_call(self, call: Call, *, top: bool) -> None:
        function = self._function(call)
        if function is None:
            return
        if function.result is None and not top:
            self._error(f"`{'.'.join(call.name)}` gives no value that could be used", call.span)
        if function.variadic or len(function.args) != len(call.args):
            return
        for number, (arg, wanted) in enumerate(zip(call.args, function.args, strict=True), start=1):
            given = self.kind(arg)
            if (given is not None and not unifies(given, wanted)) or not self._matcher.bind(arg, wanted):
                name = ".".join(call.name)
                message = f"`{OPERATORS.get(name, name)}`: invalid argument {number}: got {shown(given)}, wants {shown(wanted)}"
                self._error(message, arg.span, _JOINING if name == "plus" and given == STRING else None)
                return

    # --- references --------------------------------------------------------------------------------------------

    def _ref_kind(self, ref: Ref) -> Type | None:
        if is_global(ref):
            return self._document_kind(ref)
        kind = self.kind(ref.head)
        return None if kind is None else self._walk(kind, ref.path)

    def _document_kind(self, ref: Ref) -> Type | None:
        if self._replaced:
            kind, length = self._replaced.reached(ref.path)
            return self._walk(kind, ref.path[length:])
        node, data = self._documents.tree.root, self._documents.data
        for index, part in enumerate(ref.path):
            key = constant(part)
            child = None if key is None else node.children.get(key)
            if child is None:
                value = self._documents.value(node)
                return self._walk(described(node, data, part) if value is None else value, ref.path[index:])
            node, data = child, within(data, part)
        return laid_over(data, self._documents.extent(node), node)

    def _walk(self, kind: Type, path: tuple[Term, ...]) -> Type | None:
        found: Type | None = kind
        for part in path:
            if found is None:
                return None
            found = select(found, part.value) if isinstance(part, Scalar) else values_of(found)
        return found

    def _check_ref(self, ref: Ref) -> None:
        if is_global(ref, "input"):
            self._bind_path(ref)
        elif is_global(ref) and self._replaced:
            kind, length = self._replaced.reached(ref.path)
            if isinstance(kind, FunctionType):
                self._uncalled(ref, written(ref, length))
            else:
                self._check_path(kind, ref, length)
        elif is_global(ref):
            self._check_document(ref)
        else:
            self._matcher.bind(ref.head, ANY)
            self._check_path(self.kind(ref.head) or ANY, ref, 0)

    def _check_document(self, ref: Ref) -> None:
        node, data = self._documents.tree.root, self._documents.data
        for index, part in enumerate(ref.path):
            key = constant(part)
            child = None if key is None else node.children.get(key)
            if child is None:
                value = self._documents.value(node)
                if value is not None:
                    self._check_path(ANY if node.children else value, ref, index)
                elif node.children and not self._is_named(node, part):
                    self.report.append(missing(self._documents.extent(node), STRING, ref, index))
                else:
                    self._check_base(ref, described(node, data, part), index)
                return
            node, data = child, within(data, part)
        if isinstance(self._documents.value(node), FunctionType):
            self._uncalled(ref, ".".join(node.path))

    def _is_named(self, node: Node, part: Term) -> bool:
        """To OPA a literal is checked only if it comes after what is at the node."""
        return (
            not isinstance(part, Var | Ref | Call) or self._matcher.bind(part, STRING) or not node.names_only
        )

    def _uncalled(self, ref: Ref, name: str) -> None:
        self._error(f"function `{name}` used as reference, not called", ref.span, f"call it: `{name}(…)`")

    def _check_base(self, ref: Ref, kind: Type, index: int) -> None:
        """Check what a reference looks up in a base document, whose fields go by the names that a schema gives them."""
        if isinstance(kind, AnyType):
            self._bind_path(ref)
        else:
            self._check_path(kind, ref, index, named=True)

    def _bind_path(self, ref: Ref) -> None:
        for part in ref.path:
            if isinstance(part, Var):
                self._variables.setdefault(part.name, ANY)

    def _check_path(self, kind: Type, ref: Ref, index: int, *, named: bool = False) -> None:
        """Check what a reference looks up, from element `index` of its path on, in a value of a type.

        `named` says that a schema names the fields of that value.
        """
        found: Type | None = kind
        for position in range(index, len(ref.path)):
            part = ref.path[position]
            keys = None if found is None else keys_of(found)
            if found is None or keys is None:
                owner = written(ref, position)
                self._error(
                    f"undefined ref: `{written(ref, position + 1)}`: {owner} is {shown(found)}", ref.span
                )
                return
            if isinstance(part, Scalar):
                following = select(found, part.value)
                if following is None:
                    if named and isinstance(part.value, str):
                        self.report.append(unknown_field(found, part.value, written(ref, position), part))
                    else:
                        self.report.append(missing(found, keys, ref, position))
                    return
                found = following
                continue
            if not self._matcher.bind(part, keys):
                self.report.append(missing(found, keys, ref, position))
                return
            found = values_of(found)
