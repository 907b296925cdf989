"""Ward files: what statements become, what they may not say, and how typed requests are held."""

from __future__ import annotations

from typing import Any

import pytest

from doorward_dsl import CompileError, Source, parse_module
from doorward_dsl.compile import compile_modules
from doorward_dsl.program import Program
from doorward_dsl.syntax import Call, ExprTerm, Ref, Scalar, Var
from doorward_dsl.walk import deep_terms

PRINCIPAL = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "kind": {"enum": ["human", "service", "agent", "ci"]},
        "groups": {"type": "array", "items": {"type": "string"}},
        "claims": {"type": "object", "additionalProperties": True},
        "authenticated_at": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
}
RESOURCE = {
    "type": "object",
    "properties": {
        "kind": {"type": "string"},
        "environment": {"type": "string"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
COMMON = {
    "principal": {"$ref": "#/$defs/Principal"},
    "resource": {"$ref": "#/$defs/Resource"},
    "time": {"type": "object", "properties": {"weekday": {"type": "string"}, "ns": {"type": "integer"}}},
}
SQL = {
    "type": "object",
    "properties": {
        "tables": {"type": "array", "items": {"type": "string"}},
        "read_only": {"type": "boolean"},
        "writes": {"type": "boolean"},
        "limit": {"type": ["integer", "null"]},
    },
}
HTTP = {"type": "object", "properties": {"method": {"type": "string"}}}


def schema(**facts: Any) -> dict[str, Any]:
    definitions = {"Principal": PRINCIPAL, "Resource": RESOURCE}
    return {"type": "object", "properties": {**COMMON, **facts}, "$defs": definitions}


SCHEMAS = {"postgres": schema(sql=SQL), "http": schema(http=HTTP)}


def compiled(*texts: str, **options: Any) -> Program:
    modules = [parse_module(Source(f"{number}.ward", text)) for number, text in enumerate(texts)]
    return compile_modules(modules, schemas=SCHEMAS, **options)


def written(program: Program, number: int = 0) -> list[str]:
    """The references in the condition of a statement."""
    statement = program.statements[number].statement
    found = []
    for term in deep_terms(bodies=[body for body in (statement.when, statement.unless) if body]):
        if isinstance(term, Ref) and isinstance(term.head, Var):
            path = [str(part.value) if isinstance(part, Scalar) else "…" for part in term.path]
            found.append(".".join((term.head.name, *path)))
    return found


def test_fields_of_the_request_are_in_scope_unless_something_else_has_their_name() -> None:
    program = compiled(
        "package p\ngoverns postgres\nimport data.facts.resource\nprincipal := 1\n"
        'block if { sql.read_only; resource.x; principal == 1; time := {"a": 1}; time.a == 1 }\n'
    )
    assert written(program) == ["input.sql.read_only", "data.facts.resource.x", "data.p.principal", "time.a"]


def test_calls_of_built_ins_are_not_taken_for_fields() -> None:
    program = compiled("package p\ngoverns postgres\nallow if { time.ns > 3; time.now_ns() > 3 }\n")
    calls = [
        literal.expr.term.args[0].name
        for literal in program.statements[0].statement.when or ()
        if isinstance(literal.expr, ExprTerm)
        and isinstance(literal.expr.term, Call)
        and isinstance(literal.expr.term.args[0], Call)
    ]
    assert calls == [("time", "now_ns")]


def test_files_that_govern_nothing_have_no_fields_in_scope() -> None:
    with pytest.raises(CompileError, match="var `sql` is unsafe"):
        compiled("package p\nreads if sql.read_only\n")


def test_ids_name_package_and_line_and_stay_unique() -> None:
    program = compiled(
        "package p\ngoverns postgres\nallow\nblock if sql.writes\n",
        "package p\ngoverns http\n\nmask a.b with redact\n",
        "package q\ngoverns *\nallow\n",
    )
    assert [(one.id, one.verb, one.kinds) for one in program.statements] == [
        ("p:3", "allow", ("postgres",)),
        ("p:4:1@0.ward", "block", ("postgres",)),
        ("p:4:1@1.ward", "mask", ("http",)),
        ("q:3", "allow", ("*",)),
    ]


def test_exceptions_see_the_variables_of_the_condition_and_keep_their_own() -> None:
    program = compiled(
        "package p\ngoverns postgres\n"
        "block if some t in sql.tables unless { some g in principal.groups; startswith(t, g) }\n"
    )
    statement = program.statements[0].statement
    names = {
        term.name
        for body in (statement.when or (), statement.unless or ())
        for term in deep_terms(bodies=[body])
        if isinstance(term, Var) and term.name != "input"
    }
    assert names == {"t", "g"}


REFUSED = [
    ("block if sql.read_onyl", "ward_unknown_field", "3:14", "`sql` has no field `read_onyl`", "`read_only`"),
    ("block if input.sql.read_onyl", "ward_unknown_field", "3:20", "`sql` has no field", "`read_only`"),
    (
        'block if principle.id == "x"',
        "rego_unsafe_var_error",
        "3:10",
        "`principle`",
        "did you mean `principal`",
    ),
    (
        "block if principal.groups.first",
        "ward_unknown_field",
        "3:27",
        "an array and has no field `first`",
        "",
    ),
    ("block if sql.read_only.yes", "ward_unknown_field", "3:24", "a boolean and has no field `yes`", ""),
    ('block if http.method == "x"', "rego_unsafe_var_error", "3:10", "`http`", ""),
    ("block if { s := sql; s.read_onyl }", "rego_type_error", "3:24", "undefined ref: `s.read_onyl`", ""),
    ('block if sql.read_only == "yes"', "rego_type_error", "3:10", "boolean and string", ""),
    ('block if principal.groups == "dba"', "rego_type_error", "3:10", "array[string] and string", ""),
    ('f(x) := upper(x)\nblock if f(sql.writes) == "X"', "rego_type_error", "4:12", "got boolean", ""),
    ("mask c with redact if some t in sql.tables", "rego_unsafe_var_error", "3:6", "var `c`", ""),
    ("approve by 3 if sql.writes", "ward_approval_error", "3:12", "must be a name, not `3`", ""),
    ('block $"no {t}" if sql.writes', "rego_unsafe_var_error", "3:13", "var `t`", ""),
    ("block if sql.writes unless x == 1", "rego_unsafe_var_error", "3:28", "var `x`", ""),
]


@pytest.mark.parametrize(("text", "code", "place", "message", "hint"), REFUSED)
def test_refused(text: str, code: str, place: str, message: str, hint: str) -> None:
    with pytest.raises(CompileError) as caught:
        compiled(f"package p\ngoverns postgres\n{text}\n")
    first = caught.value.diagnostics[0]
    assert (first.code, str(first.span)) == (code, f"0.ward:{place}")
    assert message in first.message
    assert hint in (first.hint or "")


ACCEPTED = [
    'block if resource.labels.anything == "x"',
    "block if principal.claims.deep.inside == 1",
    "block if principal.authenticated_at == null",
    'block if principal.authenticated_at == "yesterday"',
    "block if sql.limit == 3",
    "block if some table in sql.tables",
    "block if some field in object.keys(sql)",
    "approve by g if some g in principal.groups",
    "mask t with redact if some t in sql.tables",
    'credential ttl 5m as principal.id if principal.kind == "agent"',
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_accepted(text: str) -> None:
    assert len(compiled(f"package p\ngoverns postgres\n{text}\n").statements) == 1


def test_a_file_for_several_kinds_sees_the_fields_of_all() -> None:
    program = compiled('package p\ngoverns postgres, http\nblock if { sql.writes; http.method == "PUT" }\n')
    assert written(program) == ["input.sql.writes", "input.http.method"]


GOVERNS = [
    ("package p\ngoverns postgras\nallow\n", "2:1", "unknown kind of request `postgras`", "`postgres`"),
    ('package p\nblock "no" if input.x\n', "2:1", "in a file that governs nothing", "governs postgres"),
    (
        "# METADATA\n# custom:\n#   governs: [ssh2]\npackage p\nallow := true\n",
        "1:1",
        "unknown kind of request `ssh2`",
        "`http`, `postgres`",
    ),
]


@pytest.mark.parametrize(("text", "place", "message", "hint"), GOVERNS)
def test_governs(text: str, place: str, message: str, hint: str) -> None:
    with pytest.raises(CompileError) as caught:
        compiled(text)
    (first,) = caught.value.diagnostics
    assert (first.code, str(first.span)) == ("ward_governs_error", f"0.ward:{place}")
    assert message in first.message
    assert hint in (first.hint or "")


@pytest.mark.parametrize(
    ("text", "place", "verb"),
    [
        ('block("x") if sql.writes', "3:1", "block"),
        ('deny contains "x" if sql.writes', "3:1", "block"),
        ("default allow := false\nallow if sql.read_only", "3:9", "allow"),
        ('block "x" if true\nallow.it := 1', "4:1", "allow"),
    ],
)
def test_rules_that_look_like_statements_are_warned_of(text: str, place: str, verb: str) -> None:
    (warning,) = compiled(f"package a\ngoverns postgres\n{text}").warnings
    assert str(warning.span) == f"0.ward:{place}"
    assert warning.message.endswith("is a plain rule here, and decides nothing")
    assert f'`{verb} "reason" if …`' in (warning.hint or "")


@pytest.mark.parametrize(
    "text",
    [
        'block(x) := x\nallow "r" if block(1)',
        'deny contains 1\nallow "r" if some x in deny',
        'deny := 1\nallow "r" unless deny',
        "helper.deny := 1",
    ],
)
def test_rules_that_something_reads_may_have_any_name(text: str) -> None:
    assert compiled(f"package a\ngoverns postgres\n{text}").warnings == ()


def test_rules_of_annotated_packages_may_have_the_names_of_verbs() -> None:
    annotated = (
        "# METADATA\n# scope: package\n# custom:\n#   governs: [postgres]\npackage a\ngoverns postgres\n"
    )
    assert compiled(f'{annotated}deny contains "x" if sql.writes').warnings == ()


@pytest.mark.parametrize(
    ("text", "code", "place", "hint"),
    [
        ('block "x" if "a" in sql.read_only', "rego_type_error", "3:21", ""),
        ('block "x" if principal.groups == "a"', "rego_type_error", "3:14", "is asked by `in`"),
        ('block "x" if sql.tables.length > 3', "ward_unknown_field", "3:25", "write `count(sql.tables)`"),
        ('approve "x" by dba', "rego_unsafe_var_error", "3:16", 'a name stands in quotes: `"dba"`'),
        ('approve "x" by ["a", "b"]', "ward_approval_error", "3:16", "without brackets"),
        ("credential as readonly", "rego_unsafe_var_error", "3:15", 'a name stands in quotes: `"readonly"`'),
        ("mask ssn with hash", "rego_unsafe_var_error", "3:6", "a column is masked as `table.column`"),
        ('block "x" if sqll.writes', "rego_unsafe_var_error", "3:14", "did you mean `sql`?"),
    ],
)
def test_habits_are_explained(text: str, code: str, place: str, hint: str) -> None:
    with pytest.raises(CompileError) as caught:
        compiled(f"package a\ngoverns postgres\n{text}")
    first = caught.value.diagnostics[0]
    assert (first.code, str(first.span)) == (code, f"0.ward:{place}")
    assert hint in (first.hint or "")


def test_annotated_packages_take_part_with_the_rules_that_have_a_verb_for_a_name() -> None:
    annotated = "# METADATA\n# custom:\n#   governs: [postgres]\npackage p\n"
    rules = (
        'default allow := false\nallow if input.x\ndeny contains "no" if input.y\nmask(x) := x\nother := 1\n'
    )
    program = compiled(annotated + rules)
    assert [(one.id, one.verb, one.kinds, one.path) for one in program.governed_rules] == [
        ("p.allow", "allow", ("postgres",), ("p", "allow")),
        ("p.deny", "block", ("postgres",), ("p", "deny")),
    ]


def test_subpackages_are_governed_with_the_package_that_says_so() -> None:
    outer = "# METADATA\n# scope: subpackages\n# custom:\n#   governs: [http]\npackage p\nx := 1\n"
    program = compiled(outer, "package p.inner\nallow := true\n", "package q\nallow := true\n")
    assert [one.id for one in program.governed_rules] == ["p.inner.allow"]


def test_without_schemas_requests_are_untyped() -> None:
    module = parse_module(Source("p.ward", "package p\ngoverns anything\nblock if input.x.y == 1\n"))
    assert compile_modules([module]).statements[0].kinds == ("anything",)


ABSENT = [
    ('block if resource.labels.team != "dba"', "3:10", "`resource.labels.team` may be missing", '"team", …)'),
    ('approve by "x" if principal.claims.level < 3', "3:19", "this approve would not apply", "object.get"),
    ('mask a.b with redact if startswith(resource.labels.team, "x")', "3:36", "this mask would not", ""),
    ('block if lower(principal.claims["x"]) == "a"', "3:16", "may be missing", 'principal.claims, "x"'),
    ('block if { team := resource.labels.team; team != "dba" }', "3:20", "may be missing", ""),
    ("block if data.limits[principal.id] < 3", "3:10", "may be missing", "(data.limits, principal.id, …)"),
    ('block if { x := lower(resource.labels.team); x == "a" }', "3:23", "may be missing", ""),
    ('block if not startswith(resource.labels.team, "x")', "3:25", "may be missing", '"team", …)'),
    ('block if not "dba" in principal.claims.roles', "3:23", "may be missing", '"roles", …)'),
    ('block if not lower(resource.labels.team) == "dba"', "3:20", "may be missing", ""),
    ('block if { team := resource.labels.team; not team == "dba" }', "3:20", "may be missing", ""),
]


@pytest.mark.parametrize(("text", "place", "message", "hint"), ABSENT)
def test_a_restriction_must_not_hang_on_what_may_be_missing(
    text: str, place: str, message: str, hint: str
) -> None:
    with pytest.raises(CompileError) as caught:
        compiled(f"package p\ngoverns postgres\n{text}\n")
    (first,) = caught.value.diagnostics
    assert (first.code, str(first.span)) == ("ward_absence_error", f"0.ward:{place}")
    assert message in first.message
    assert hint in (first.hint or "")


HANDLED = [
    'block if resource.labels.team == "dba"',
    'block if not resource.labels.team == "dba"',
    "block if principal.id in data.suspended",
    'block if object.get(resource.labels, "team", "") != "dba"',
    'block if { resource.labels.team; resource.labels.team != "dba" }',
    'block if sql.writes unless resource.labels.team != "x"',
    "block if some team in resource.labels",
    'block if { some name; resource.labels[name] != "x" }',
    'block if resource.environment != "prod"',
    "block if count(sql.tables) > 3",
    'allow if resource.labels.team != "dba"',
    "block if data.limits.rows < 3",
]


@pytest.mark.parametrize("text", HANDLED)
def test_absence_is_fine_where_it_restricts_or_is_handled(text: str) -> None:
    assert len(compiled(f"package p\ngoverns postgres\n{text}\n").statements) == 1


def test_an_import_that_only_tests_use_is_used() -> None:
    imports = "import data.people\nimport data.never"
    tested = 'test "t" {\n\tgiven principal.id := people.ana\n\twhen postgres connect\n\texpect block\n}'
    (warning,) = compiled(f"package p\ngoverns postgres\n{imports}\n{tested}\n").warnings
    assert warning.message == "import `data.never` unused"
