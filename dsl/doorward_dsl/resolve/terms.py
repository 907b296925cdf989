"""Giving every name in terms, expressions and bodies its meaning.

`Resolver` serves one rule or statement: it keeps the stack of scopes and hands out names unique in that rule. The form
of the result is documented at the top of `syntax`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from doorward_dsl.diagnostics import Diagnostic
from doorward_dsl.resolve.globals import ROOTS, Exports, ModuleNames
from doorward_dsl.resolve.lifting import lifted_out, surely_bound
from doorward_dsl.resolve.metadata import RuleMetadata
from doorward_dsl.resolve.scopes import (
    WILDCARD,
    Local,
    Occurrence,
    Scope,
    declared_names,
    some_vars,
    used_names,
)
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
    SomeDecl,
    SomeIn,
    Template,
    Term,
    Unify,
    Var,
    With,
)
from doorward_dsl.walk import open_terms

__all__ = ["Resolver"]

_MESSAGES = {
    "assigned": "var `{}` assigned above",
    "declared": "var `{}` declared above",
    "arg": "arg `{}` redeclared",
}

_KINDS = {
    Array: "array",
    Set: "set",
    Ref: "ref",
    Call: "call",
    ArrayComprehension: "array comprehension",
    SetComprehension: "set comprehension",
    ObjectComprehension: "object comprehension",
    Template: "template string",
}


class Resolver:
    """Resolves what one rule or statement says."""

    def __init__(
        self,
        names: ModuleNames,
        exported: Exports,
        report: list[Diagnostic],
        metadata: Callable[[], RuleMetadata] | None = None,
        *,
        keep_names: bool = False,
    ) -> None:
        self._names = names
        self._metadata = metadata
        self._functions = exported.functions
        self._report = report
        self._builtins = signatures()
        self._keep_names = keep_names
        self._scopes: list[Scope] = []
        self._taken: Counter[str] = Counter()

    # --- scopes ------------------------------------------------------------------------------------------------

    def open(self, body: Body, heads: Iterable[Term] = (), args: Iterable[Var] = ()) -> None:
        """Enter the scope of a body, its head terms and, for a function, the variables of its arguments."""
        declared = declared_names(body)
        self._scopes.append(Scope(declared, frozenset(used_names(body, heads) - declared)))
        for arg in args:
            if arg.name in ROOTS:
                self._error(
                    f"args must not shadow `{arg.name}`", arg.span, hint="use a different variable name"
                )
            elif arg.name != WILDCARD and arg.name not in self._scopes[-1].locals:
                self._declare(arg, "arg")

    def close(self) -> dict[str, Span]:
        """Leave the innermost scope. What it declared and never used is reported; arguments are handed back."""
        unused: dict[str, Span] = {}
        for name, local in self._scopes.pop().locals.items():
            if local.uses:
                continue
            if local.occurrence == "arg":
                unused[name] = local.span
            elif local.occurrence == "declared":
                self._error(
                    f"declared var `{name}` unused", local.span, hint="use it, or remove its declaration"
                )
            else:
                message = f"assigned var `{name}` unused"
                self._report.append(
                    Diagnostic("rego_compile_error", message, local.span, "warning", rule="unused-variable")
                )
        return unused

    def fresh(self, name: str) -> str:
        """A variable name that nothing else in the rule, and no built-in function, has."""
        self._taken[name] += 1
        count = self._taken[name]
        plain = count == 1 and name != WILDCARD and name not in ROOTS
        return name if plain and (self._keep_names or name not in self._builtins) else f"{name}#{count}"

    def _declare(self, var: Var, occurrence: Occurrence) -> Var:
        if var.name == WILDCARD:
            return Var(self.fresh(WILDCARD), var.span)
        scope = self._scopes[-1]
        before = scope.locals.get(var.name)
        if var.name in ROOTS:
            self._error(
                f"variables must not shadow `{var.name}`", var.span, hint="use a different variable name"
            )
        elif before is not None:
            message = _MESSAGES[before.occurrence].format(var.name)
            self._error(message, var.span, notes=((f"`{var.name}` is first declared here", before.span),))
            return Var(before.unique, var.span)
        elif var.name in scope.seen:
            hint = "declare it before its first use, or give one of the two another name"
            self._error(f"var `{var.name}` referenced above", var.span, hint=hint)
        else:
            self._warn_of_shadowing(var)
        local = scope.locals[var.name] = Local(self.fresh(var.name), occurrence, var.span)
        return Var(local.unique, var.span)

    def _warn_of_shadowing(self, var: Var) -> None:
        outer = next(
            (scope.locals[var.name] for scope in self._scopes[:-1] if var.name in scope.locals), None
        )
        hidden = self._names.describe(var.name)
        if outer is not None:
            notes = ((f"the other `{var.name}` is declared here", outer.span),)
            message = f"`{var.name}` shadows a variable of the same name"
            self._report.append(
                Diagnostic("ward_shadowing", message, var.span, "warning", notes=notes, rule="shadowing")
            )
        elif hidden is not None:
            message = f"`{var.name}` shadows {hidden}"
            self._report.append(Diagnostic("ward_shadowing", message, var.span, "warning", rule="shadowing"))

    def _variable(self, var: Var) -> Term:
        """What a bare name stands for."""
        name = var.name
        if name == WILDCARD:
            return Var(self.fresh(WILDCARD), var.span)
        hidden = False
        owner: Scope | None = None
        for scope in reversed(self._scopes):
            local = scope.locals.get(name)
            if local is not None:
                local.uses += 1
                return Var(local.unique, var.span)
            if name in scope.declared:
                hidden = True
                if scope is self._scopes[-1]:
                    scope.seen.add(name)
            elif name in scope.used:
                owner = scope
        if not hidden:
            found = self._names.find(name, var.span)
            if found is not None:
                return found.term(var.span)
        owner = owner or self._scopes[-1]
        unique = owner.implicit.get(name)
        if unique is None:
            unique = owner.implicit[name] = self.fresh(name)
        return Var(unique, var.span)

    def _is_local(self, name: str) -> bool:
        return any(name in scope.locals or name in scope.declared for scope in self._scopes)

    def _error(
        self, message: str, span: Span, *, hint: str | None = None, notes: tuple[tuple[str, Span], ...] = ()
    ) -> None:
        self._report.append(Diagnostic("rego_compile_error", message, span, hint=hint, notes=notes))

    # --- terms -------------------------------------------------------------------------------------------------

    def term(self, term: Term) -> Term:
        """The term with every name in it resolved."""
        if isinstance(term, Scalar):
            return term
        if isinstance(term, Var):
            return self._variable(term)
        if isinstance(term, Ref):
            return self._ref(term)
        if isinstance(term, Call):
            return self._call(term)
        if isinstance(term, Array):
            return Array(self.terms(term.items), term.span)
        if isinstance(term, Set):
            return Set(self.terms(term.items), term.span)
        if isinstance(term, Object):
            pairs = _last_of_each(term.pairs)
            return Object(tuple([(self.term(key), self.term(value)) for key, value in pairs]), term.span)
        return self._closure(term)

    def terms(self, terms: Iterable[Term]) -> tuple[Term, ...]:
        """Each of the terms resolved."""
        return tuple([self.term(term) for term in terms])

    def patterns(self, args: tuple[Term, ...]) -> tuple[Term, ...]:
        """The argument patterns of a function. That a variable stands in them is no use of it."""
        for part in open_terms(*args):
            if isinstance(part, Call):
                self._error("rule arguments cannot contain calls", part.span)
            elif isinstance(part, Ref):
                message = f"`{part.span.text}` cannot be an argument: arguments are patterns"
                hint = "take a variable, and compare it in the body"
                self._report.append(Diagnostic("rego_unsafe_var_error", message, part.span, hint=hint))
        resolved = self.terms(args)
        for local in self._scopes[-1].locals.values():
            local.uses = 0
        return resolved

    def _ref(self, ref: Ref) -> Term:
        head = self.term(ref.head)
        path = self.terms(ref.path)
        if isinstance(head, Ref) and isinstance(ref.head, Var):
            return Ref(head.head, head.path + path, ref.span)
        return Ref(head, path, ref.span)

    def _call(self, call: Call) -> Term:
        name = self._function(call)
        if name[:2] == ("rego", "metadata") and self._metadata is not None and not call.args:
            known = self._metadata().answer(name[-1], call.span)
            if known is not None:
                return known
        return Call(name, self.terms(call.args), call.span, call.name_span)

    def _function(self, call: Call) -> tuple[str, ...]:
        """The full name of the function that a call means."""
        name = call.name
        dotted = ".".join(name)
        if dotted in OPERATORS and call.name_span.text != dotted:
            return name
        if self._is_local(name[0]):
            self._call_of_variable(call)
            return name
        found = self._names.document(name[0], call.name_span)
        if found is None:
            return name
        parts = [
            part.value for part in found.path if isinstance(part, Scalar) and isinstance(part.value, str)
        ]
        return (found.root, *parts, *name[1:])

    def _call_of_variable(self, call: Call) -> None:
        name = call.name[0]
        scope = self._scopes[-1]
        if name in scope.declared and name not in scope.locals:
            scope.seen.add(name)
            return
        hint = f"`{name}` is a variable here, which hides any function of that name"
        message = f"undefined function `{'.'.join(call.name)}`"
        self._report.append(Diagnostic("rego_type_error", message, call.name_span, hint=hint))

    def _closure(self, term: ArrayComprehension | SetComprehension | ObjectComprehension | Template) -> Term:
        if isinstance(term, Template):
            return Template(tuple([self._part(part) for part in term.parts]), term.span)
        if isinstance(term, ObjectComprehension):
            heads, body = self.scoped((term.key, term.value), term.body)
            return ObjectComprehension(heads[0], heads[1], body, term.span)
        heads, body = self.scoped((term.head,), term.body)
        return type(term)(heads[0], body, term.span)

    def _part(self, part: str | Term | Literal) -> str | Term | Literal:
        """A part of a template: variables that are used in it alone are its own."""
        if isinstance(part, str):
            return part
        if isinstance(part, Literal):
            return self.scoped((), (part,))[1][0]
        self.open((), (part,))
        resolved = self.term(part)
        self.close()
        return resolved

    def scoped(self, heads: tuple[Term, ...], body: Body) -> tuple[tuple[Term, ...], Body]:
        """A body with a scope of its own and the head terms that its variables serve."""
        self.open(body, heads)
        resolved = self.body(body)
        terms, lifted = self.lift(self.terms(heads), resolved)
        self.close()
        return terms, resolved + lifted

    def lift(
        self, heads: tuple[Term, ...], body: Body, bound: Iterable[str] = ()
    ) -> tuple[tuple[Term, ...], Body]:
        """Head terms in which references that iterate (`xs[_]`) are replaced by variables, and lines that bind those.

        A variable that the body uses and does not itself bind may be one that the head is to bind.
        """
        lifted: list[Literal] = []
        terms: list[Term] = []
        known: set[str] | None = None
        for head in heads:
            if any(isinstance(part, Ref) for part in open_terms(head)):
                known = surely_bound(body) | set(bound) | set(ROOTS) if known is None else known
                head = lifted_out(head, known, lifted, self.fresh)
            terms.append(head)
        return tuple(terms), tuple(lifted)

    # --- bodies ------------------------------------------------------------------------------------------------

    def body(self, body: Body) -> Body:
        """The lines of a body in the scope last opened, in the order written; bare declarations are gone."""
        return tuple([line for literal in body if (line := self._literal(literal)) is not None])

    def _literal(self, literal: Literal) -> Literal | None:
        if isinstance(literal.expr, SomeDecl):
            for name in literal.expr.names:
                self._declare(name, "declared")
            return None
        withs = tuple([self._with(modifier) for modifier in literal.withs])
        return Literal(self._expr(literal.expr), withs, literal.span)

    def _expr(self, expr: Expr) -> Expr:
        if isinstance(expr, ExprTerm):
            return self._expr_term(expr)
        if isinstance(expr, Assign):
            value = self.term(expr.value)
            return Assign(self._target(expr.target), value, expr.span)
        if isinstance(expr, Unify):
            return Unify(self.term(expr.left), self.term(expr.right), expr.span)
        if isinstance(expr, SomeIn):
            return self._some_in(expr)
        if isinstance(expr, Every):
            return self._every(expr)
        if isinstance(expr, Not):
            if isinstance(expr.expr, Assign):
                hint = "nothing outside of it could use them: compare with `==`"
                self._error("cannot assign vars inside negated expression", expr.expr.span, hint=hint)
            return Not(self._expr(expr.expr), expr.span)
        raise AssertionError("a declaration inside of an expression")

    def _expr_term(self, expr: ExprTerm) -> Expr:
        term = self.term(expr.term)
        if not isinstance(term, Call):
            return ExprTerm(term, expr.span)
        if term.name == ("print",):
            return ExprTerm(self._print(term), expr.span)
        if len(term.args) - 1 == self._arity(term.name):
            call = Call(term.name, term.args[:-1], term.span, term.name_span)
            return Unify(term.args[-1], call, expr.span)
        return ExprTerm(term, expr.span)

    def _arity(self, name: tuple[str, ...]) -> int | None:
        if name[0] == "data":
            return self._functions.get(name)
        signature = self._builtins.get(".".join(name))
        return None if signature is None or signature.type.result is None else signature.arity

    def _print(self, call: Call) -> Call:
        """`print` of sets, each with the values of one argument: what is undefined prints too."""
        parts: list[Term] = []
        for arg in call.args:
            var = Var(self.fresh("$"), arg.span)
            line = Literal(Unify(var, arg, arg.span), (), arg.span)
            parts.append(SetComprehension(var, (line,), arg.span))
        return Call(("internal", "print"), (Array(tuple(parts), call.span),), call.span, call.name_span)

    def _target(self, target: Term) -> Term:
        """The left side of `:=`, its variables declared."""
        if isinstance(target, Var):
            return self._declare(target, "assigned")
        if isinstance(target, Array):
            return Array(tuple([self._target(item) for item in target.items]), target.span)
        if isinstance(target, Object):
            pairs = tuple([(self.term(key), self._target(value)) for key, value in target.pairs])
            return Object(pairs, target.span)
        kind = _KINDS.get(type(target)) or _scalar_kind(target)
        hint = "only variables, and arrays and objects of them, can be assigned to"
        self._error(f"cannot assign to {kind}", target.span, hint=hint)
        return target

    def _some_in(self, expr: SomeIn) -> SomeIn:
        domain = self.term(expr.domain)
        for var in {var.name: var for var in some_vars(expr) if var.name != WILDCARD}.values():
            self._declare(var, "declared")
        key = None if expr.key is None else self.term(expr.key)
        return SomeIn(key, self.term(expr.value), domain, expr.span)

    def _every(self, expr: Every) -> Every:
        domain = self.term(expr.domain)
        heads = [expr.value] if expr.key is None else [expr.key, expr.value]
        self.open(expr.body)
        self._scopes[-1].declared |= {head.name for head in heads} - {WILDCARD}
        declared = [self._declare(head, "declared") for head in heads]
        body = self.body(expr.body)
        self.close()
        return Every(declared[0] if len(declared) == 2 else None, declared[-1], domain, body, expr.span)

    def _with(self, modifier: With) -> With:
        function = self._builtin(modifier.target)
        target = modifier.target if function else self.term(modifier.target)
        if not self._builtin(modifier.value):
            value = self.term(modifier.value)
        elif function or self._arity(_name(target)) is not None:
            value = modifier.value
        else:  # only a function may be replaced by one: here the name is a variable's
            value = self.term(modifier.value)
            if self._keep_names or isinstance(value, Ref):
                self._unsafe_function(modifier.value)
        return With(target, value, modifier.span)

    def _unsafe_function(self, value: Term) -> None:
        name = value.head if isinstance(value, Ref) else value
        message = f"var `{name.span.text}` is unsafe"
        hint = "only a function can be replaced by a function"
        self._report.append(Diagnostic("rego_unsafe_var_error", message, value.span, hint=hint))

    def _builtin(self, term: Term) -> bool:
        """Whether a term is the bare name of a built-in function."""
        parts = [term] if isinstance(term, Var) else [term.head, *term.path] if isinstance(term, Ref) else []
        if not parts or not isinstance(parts[0], Var):
            return False
        names = [part.value for part in parts[1:] if isinstance(part, Scalar) and isinstance(part.value, str)]
        if len(names) != len(parts) - 1 or ".".join([parts[0].name, *names]) not in self._builtins:
            return False
        head = parts[0].name
        return not (self._is_local(head) or head in self._names.imports or head in self._names.rules)


def _last_of_each(pairs: tuple[tuple[Term, Term], ...]) -> tuple[tuple[Term, Term], ...]:
    """The pairs of an object, of those with one literal key the last: the others are as if they were not there."""
    if len(pairs) < 2:
        return pairs
    kept: dict[object, tuple[Term, Term]] = {}
    for key, value in pairs:
        kept[(isinstance(key.value, bool), key.value) if isinstance(key, Scalar) else key] = (key, value)
    return pairs if len(kept) == len(pairs) else tuple(kept.values())


def _name(target: Term) -> tuple[str, ...]:
    """The full name of the function that a target may be."""
    if not isinstance(target, Ref) or not isinstance(target.head, Var):
        return ("",)
    names = [part.value for part in target.path if isinstance(part, Scalar) and isinstance(part.value, str)]
    return (target.head.name, *names) if len(names) == len(target.path) else ("",)


def _scalar_kind(term: Term) -> str:
    value = term.value if isinstance(term, Scalar) else None
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return "string" if isinstance(value, str) else "number"
