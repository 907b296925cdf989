"""Rego that means nothing: the class of error (OPA's own), the place, what is said, and the hint."""

from __future__ import annotations

import pytest

from doorward_dsl import CompileError, ParseError, Source, parse_module
from doorward_dsl.compile import compile_modules, compile_query
from doorward_dsl.parse import parse_query

UNSAFE, TYPE = "rego_unsafe_var_error", "rego_type_error"
COMPILE, RECURSION = "rego_compile_error", "rego_recursion_error"

# text below `package t`; class; line:column; part of the message; part of the hint
REFUSED = [
    # safety
    ("p if data.b[{j}]", UNSAFE, "2:14", "var `j` is unsafe", ""),
    ("p if data.b[{j: 1}]", UNSAFE, "2:14", "var `j` is unsafe", ""),
    ("p if { data.b[[{j}]] = y; y }", UNSAFE, "2:17", "var `j` is unsafe", ""),
    ("p := x", UNSAFE, "2:6", "var `x` is unsafe", "bind it"),
    ("p if { x != 1 }", UNSAFE, "2:8", "var `x` is unsafe", ""),
    ("roles := 1\np if { role == 1 }", UNSAFE, "3:8", "var `role` is unsafe", "did you mean `roles`"),
    ("p if { not data.q[_] }", UNSAFE, "2:19", "var `_` is unsafe", "wildcard"),
    ("p if { some x; not data.bar[x] }", UNSAFE, "2:29", "var `x`", ""),
    ("p if { every x in [1] { x == y } }", UNSAFE, "2:30", "var `y`", ""),
    ("p if { {y} = {1} }", UNSAFE, "2:9", "var `y`", ""),
    ('p if { {y: 1} = {"a": 1} }', UNSAFE, "2:9", "var `y`", ""),
    ("p if { x = y; y = x }", UNSAFE, "2:8", "var `x`", ""),
    ("p if { [1, 2] = [x] ; x }", UNSAFE, "2:18", "var `x`", ""),
    ("p if { x = f(x) }\nf(x) := x", UNSAFE, "2:8", "var `x`", ""),
    ("p if { [x, y] = [1, f(x)]; y }\nf(x) := x", UNSAFE, "2:12", "var `y`", ""),
    ("p if { x + 1 = 3 }", UNSAFE, "2:8", "var `x`", ""),
    ("p if { x = [y | y = x] }", UNSAFE, "2:8", "var `x`", ""),
    ("p if { input.x == 1 with input as y }", UNSAFE, "2:35", "var `y`", ""),
    ('p := {"a": data.foo[_], "b": x}', UNSAFE, "2:30", "var `x`", ""),
    ("p[x].foo[y] := z if { x = data.a[w]; z = 1; w }", UNSAFE, "2:10", "var `y`", ""),
    ('p if { $"{x}" }', UNSAFE, "2:11", "var `x`", ""),
    ("f(x) := y if { x == y }", UNSAFE, "2:21", "var `y`", ""),
    ("f(input.x) := 1", UNSAFE, "2:3", "cannot be an argument", "compare it in the body"),
    ("p if { input.a with input.x as y }", UNSAFE, "2:32", "var `y`", ""),
    ("p if { i > 0; input.a with input.x as i }", UNSAFE, "2:8", "var `i`", ""),
    ('p if { $"{data.foo[_]}" }', COMPILE, "2:20", "var `_` is undeclared", ""),
    ('p if { $"{data.foo[i]} {1}" }', COMPILE, "2:20", "var `i` is undeclared", ""),
    ('p if { $"{f(x)}" }\nf(x) := x', COMPILE, "2:13", "var `x` is undeclared", ""),
    ('p if { $"{[y | x := 1]}" }', UNSAFE, "2:12", "var `y` is unsafe", ""),
    ("p := True", UNSAFE, "2:6", "var `True`", "did you mean `true`?"),
    ("p if None == 1", UNSAFE, "2:6", "var `None`", "did you mean `null`?"),
    ("p := {a: 1}", UNSAFE, "2:7", "var `a`", 'stands in quotes: `"a"`'),
    ("p if { print(x) }", COMPILE, "2:14", "var `x` is undeclared", ""),
    # names
    ("p if { x := 1; x := 2 }", COMPILE, "2:16", "var `x` assigned above", ""),
    ("p if { x = 1; x := 2 }", COMPILE, "2:15", "var `x` referenced above", "before its first use"),
    ("p if { x := x }", COMPILE, "2:8", "var `x` referenced above", ""),
    ("p if { some x in [1]; x := 2 }", COMPILE, "2:23", "var `x` declared above", ""),
    ("f(x) if { x := 1; x }", COMPILE, "2:11", "arg `x` redeclared", ""),
    ("f(x + 1) := 1", COMPILE, "2:3", "arguments cannot contain calls", ""),
    ("p if { some x; input.y }", COMPILE, "2:13", "declared var `x` unused", ""),
    ("p if every x in [1] { true }", COMPILE, "2:12", "declared var `x` unused", ""),
    ("p if { [1, x] := [1, 2]; x }", COMPILE, "2:9", "cannot assign to number", "only variables"),
    ("p if { data.x := 1 }", COMPILE, "2:8", "cannot assign to ref", ""),
    ("p if { input := 1; input == 1 }", COMPILE, "2:8", "variables must not shadow `input`", ""),
    ("f(data) := data", COMPILE, "2:3", "args must not shadow `data`", ""),
    ("data := 2", COMPILE, "2:1", "rules must not shadow `data`", ""),
    ("import data.a\nimport data.b.a\np := a", COMPILE, "3:1", "shadow `import data.a`", "alias"),
    # calls
    ("p if { cuont([1]) }", TYPE, "2:8", "undefined function `cuont`", "did you mean `count`"),
    ("p if { len([1]) > 1 }", TYPE, "2:8", "undefined function `len`", "did you mean `count`?"),
    ('p := "a" + "b"', TYPE, "2:6", "`+`: invalid argument 1", "texts are joined by a template"),
    ("p if { [1] == 1 }", TYPE, "2:8", "can never be equal", "is asked by `in`"),
    ("p if { data.t.ff(1) }\nf(x) := 1", TYPE, "2:8", "undefined function `data.t.ff`", "`data.t.f`"),
    ("p if { f(1) }\nf := 1", TYPE, "2:8", "undefined function `data.t.f`", ""),
    ("p if { count([1], 2, 3) }", TYPE, "2:8", "`count`: arity mismatch: takes 1 argument, got 3", "count("),
    ("p if { f(1, 2, 3) }\nf(x) := 1", TYPE, "2:8", "has arity 1, got 3 arguments", ""),
    ("f(count) := count([1])", TYPE, "2:13", "undefined function `count`", "is a variable here"),
    ('p if re_match("a", "b")', TYPE, "2:6", "`re_match` is deprecated", ""),
    ("p if { x := print(1); x }", TYPE, "2:13", "`print` gives no value", ""),
    ("p if { not x := 1 }", COMPILE, "2:12", "cannot assign vars inside negated expression", "`==`"),
    ("p if { true with data.x as count }", UNSAFE, "2:28", "var `count` is unsafe", ""),
    ("p if { true with input.x as object.keys }", UNSAFE, "2:29", "var `object` is unsafe", ""),
    # types
    ('p if { x := "a"; sum([1, x]) }', TYPE, "2:22", "`sum`: invalid argument 1", ""),
    ('p if { q == "a" with q as 2 }\nq := 1', TYPE, "2:8", "can never be equal", ""),
    ('p if { f(1) == "a" with f as g }\nf(x) := 1\ng(x) := "a"', TYPE, "2:8", "can never be equal", ""),
    ("p if { x := set(); x.a }", TYPE, "2:20", "undefined ref: `x.a`", ""),
    ('p if { every x in ["a"] { x; [y | y := upper(1)] } }', TYPE, "2:46", "invalid argument 1", ""),
    ('p if { [x, y] = input.z; {"a": x} = {"b": 1}; y }', TYPE, "2:26", "can never be equal", ""),
    # conflicts
    ("q := 1\nq contains 3", TYPE, "2:1", "conflicting rules `data.t.q` found", ""),
    ("q[1] := 1\nq := 2", TYPE, "3:1", "rule `data.t.q` conflicts with `data.t.q[1]`", ""),
    ("p := 1\np.q := 2", TYPE, "2:1", "conflicts with `data.t.p.q`", ""),
    ("f(x) := 1\nf(x, y) := 2", TYPE, "2:1", "conflicting rules `data.t.f`", ""),
    ("f(x) := 1\nf := 2", TYPE, "2:1", "conflicting rules `data.t.f`", ""),
    ("default p := 1\ndefault p := 2", TYPE, "3:9", "multiple default rules `data.t.p`", ""),
    # recursion
    ("p if p", RECURSION, "2:1", "rule `data.t.p` is recursive: data.t.p -> data.t.p", ""),
    ("p if data[x]", RECURSION, "2:1", "recursive", ""),
    ("f(x) if f(x)", RECURSION, "2:1", "recursive", ""),
    ('p := [x | x := data.t["q"]]\nq if { not p }', RECURSION, "2:1", "data.t.p -> data.t.q -> data.t.p", ""),
    # types
    ('p if 1 == "a"', TYPE, "2:6", "match error: number and string can never be equal", ""),
    ('p if { x := 1; x == "a" }', TYPE, "2:16", "number and string", ""),
    ('p if { f(1) == "a" }\nf(x) := 1', TYPE, "2:8", "number and string", ""),
    ("f(x) := upper(x)\np if f(1)", TYPE, "3:8", "invalid argument 1: got number, wants string", ""),
    ('p if "a" in [1]', TYPE, "2:6", "string and number", ""),
    ('p if { q == "a" with input as 1 }\nq := 1', TYPE, "2:8", "number and string", ""),
    ("p if count(1)", TYPE, "2:12", "`count`: invalid argument 1: got number", ""),
    ('p if { 1 + "a" == 2 }', TYPE, "2:12", "`+`: invalid argument 2", ""),
    ('q := {"a": 1}\np if q.b', TYPE, "3:8", "undefined ref: `data.t.q.b`", "its keys are `a`"),
    ("q := 1\np if q.foo", TYPE, "3:6", "undefined ref: `data.t.q.foo`", ""),
    ('p if { x := {"a": [1, {"b": 2}]}; x.a[1].c }', TYPE, "2:42", "undefined ref: `x.a[1].c`", ""),
    ("p if { [] == [1] }", TYPE, "2:8", "match error", ""),
    ("p if { some x in 1; x }", TYPE, "2:18", "no members", ""),
    ('p contains "a"\nq if p[1]', TYPE, "3:8", "undefined ref", ""),
    ("f(x) := 1\np if f == 1", TYPE, "3:6", "used as reference, not called", "call it"),
    ('default p := 1\np := "a" if input.x\nq if p == true', TYPE, "4:6", "number or string and boolean", ""),
    # with
    (
        "p if { true with foo as 1 }",
        TYPE,
        "2:18",
        "must reference existing `input`, `data`, or a function",
        "",
    ),
    ("p if { true with data.t.q.x as 1 }\nq := 1", COMPILE, "2:18", "cannot partially replace", ""),
    ("p if { true with walk as 1 }", COMPILE, "2:18", "`walk` cannot be replaced", ""),
    ("p if { true with count as f }\nf(x, y) := 1", TYPE, "2:27", "arity mismatch", ""),
]


@pytest.mark.parametrize(("text", "code", "place", "message", "hint"), REFUSED)
def test_first_error(text: str, code: str, place: str, message: str, hint: str) -> None:
    with pytest.raises(CompileError) as caught:
        compile_modules([parse_module(Source("t.rego", f"package t\n{text}\n"))])
    first = caught.value.diagnostics[0]
    assert (first.code, str(first.span)) == (code, f"t.rego:{place}")
    assert message in first.message
    assert hint in (first.hint or "")
    assert {one.code for one in caught.value.diagnostics} == {code}


def test_every_error_is_reported_in_order_of_place_and_only_once() -> None:
    texts = {
        "b.rego": "package b\np if { x != 1 }\nq if cuont(1)\n",
        "a.rego": 'package a\np if 1 == "a"\n',
    }
    with pytest.raises(CompileError) as caught:
        compile_modules([parse_module(Source(name, text)) for name, text in texts.items()])
    found = [(str(one.span), one.code) for one in caught.value.diagnostics]
    assert found == [("a.rego:2:6", TYPE), ("b.rego:2:8", UNSAFE), ("b.rego:3:6", TYPE)]


def test_only_the_cause_is_reported_not_what_follows_from_it() -> None:
    with pytest.raises(CompileError) as caught:
        compile_modules([parse_module(Source("t.rego", "package t\np if { x := y; z := x + 1; z > 2 }\n"))])
    assert [one.message for one in caught.value.diagnostics] == ["var `y` is unsafe"]


def test_a_package_cannot_be_where_a_rule_is() -> None:
    texts = ["package a\nb := 1\n", "package a.b\nc := 1\n"]
    with pytest.raises(CompileError) as caught:
        compile_modules([parse_module(Source(f"{n}.rego", text)) for n, text in enumerate(texts)])
    assert {one.code for one in caught.value.diagnostics} == {TYPE}
    assert any("conflicts with rule `data.a.b`" in one.message for one in caught.value.diagnostics)


def test_recursion_is_found_across_packages_and_through_variables() -> None:
    texts = ["package a\np if data[x].q\n", "package b\nq if data.a.p\n"]
    with pytest.raises(CompileError) as caught:
        compile_modules([parse_module(Source(f"{n}.rego", text)) for n, text in enumerate(texts)])
    assert [one.code for one in caught.value.diagnostics] == [RECURSION, RECURSION]


def test_base_documents_must_not_be_defined_again() -> None:
    module = parse_module(Source("t.rego", "package a.b\nc := 1\n"))
    compile_modules([module], data={"a": {"other": 1}})
    with pytest.raises(CompileError, match="conflicting rule for data path `a/b/c`"):
        compile_modules([module], data={"a": {"b": {"c": 2}}})


@pytest.mark.parametrize("call", ["x[y]", "data.t[y]", "count[1]", "time[y]"])
def test_a_function_is_called_by_its_name(call: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_module(Source("t.rego", f"package t\np if {{ y := 1; {call}(1) }}\n"))
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == (TYPE, f"undefined function `{call}`")


WARNED = [
    ("p if { x := 1 }", "2:8", "assigned var `x` unused"),
    ("f(x) := 1", "2:3", "unused argument `x`"),
    ("import data.foo", "2:1", "import `data.foo` unused"),
    ("x := 1\np if { x := 2; x > 1 }", "3:8", "`x` shadows the rule `data.t.x`"),
    ("import data.y\nq := y\np if { some y in input; y }", "4:13", "`y` shadows the import `y`"),
    ("p if { x := 1; [x | x := 2; x > 1]; x }", "2:21", "`x` shadows a variable of the same name"),
]


@pytest.mark.parametrize(("text", "place", "message"), WARNED)
def test_warnings_are_errors_when_strict(text: str, place: str, message: str) -> None:
    module = parse_module(Source("t.rego", f"package t\n{text}\n"))
    (warning,) = compile_modules([module]).warnings
    assert (str(warning.span), warning.message) == (f"t.rego:{place}", message)
    with pytest.raises(CompileError) as caught:
        compile_modules([module], strict=True)
    assert [one.message for one in caught.value.diagnostics] == [message]


def test_an_argument_is_used_if_any_link_of_the_chain_uses_it() -> None:
    module = parse_module(Source("t.rego", "package t\nf(x) := 1 if false else := x\nimport_me := f(1)\n"))
    assert compile_modules([module]).warnings == ()


QUERIES = [
    ("x > 1", UNSAFE),
    ("data.t.f(1, 2, 3)", TYPE),
    ("cuont(1)", TYPE),
    ("true with foo as 1", TYPE),
    ("x := 1; x := 2", COMPILE),
    ("data.t.p.y", TYPE),
    ("data.t.p.x = 1", TYPE),
    ("data.t.p.x.y", TYPE),
    ("data.t.f", TYPE),
    ("x := data.t.f(1) + 1; upper(x)", TYPE),
    ('x := [y | y := 1 + "a"]', TYPE),
    ("data.t = [1]", TYPE),
    ("data[count([])]", TYPE),
    ("data[x].p; x = 1", TYPE),
]


@pytest.mark.parametrize(("text", "code"), QUERIES)
def test_queries_are_checked_too(text: str, code: str) -> None:
    module = 'package t\nf(x) := x\np := {"x": "s"}\n'
    program = compile_modules([parse_module(Source("t.rego", module))])
    with pytest.raises(CompileError) as caught:
        compile_query(parse_query(text), program)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "text", ["data.t.p.x == 1", '1 == "a"', "x = [1 | data.t.p.x == 1]", "data.t.q.r", "data[null]"]
)
def test_a_query_may_ask_whether_unlike_values_are_equal(text: str) -> None:
    program = compile_modules([parse_module(Source("t.rego", 'package t\np := {"x": "s"}\n'))])
    compile_query(parse_query(text), program)
