"""Rego text to syntax tree, as tables of text and shape; each line was compared with what OPA reads."""

from __future__ import annotations

import pytest
from tests.support.shapes import shape

from doorward_dsl import ParseError, Source, parse_module, parse_query

QUERIES = [
    ("x := {1 | 1}", "(:= x {1 | 1})"),
    ("x := [a | b, c]", "(:= x [(or a b) c])"),
    ("x := [a + 1 | b]", "(:= x [(or (plus a 1) b)])"),
    ("x := {a + 1: b | c}", "(:= x {(plus a 1): b | c})"),
    ("x := {a: b | c, d: e}", "(:= x {a: (or b c), d: e})"),
    ("x := [(a | b) | c]", "(:= x [(or a b) | c])"),
    ("x := {a.b | c; d}", '(:= x {(ref a "b") | c; d})'),
    ('x := {"a": [x | y], "b": {c | d}}', '(:= x {"a": [x | y], "b": {c | d}})'),
    ("x := [, 1, 2,]", "(:= x [1 2])"),
    ('x := {, "a": 2,}', '(:= x {"a": 2})'),
    ("x := set()", "(:= x (set))"),
    ("x := -5", "(:= x -5)"),
    ("x := 1 -1", "(:= x (minus 1 1))"),
    ("x := -x.y[0]", '(:= x (minus 0 (ref x "y" 0)))'),
    ("x := -f(x)", "(:= x (minus 0 (f x)))"),
    ("x := .5", "(:= x 0.5)"),
    ("x := 1e3", "(:= x 1E+3)"),
    ("x := 123456789012345678901234567890", "(:= x 123456789012345678901234567890)"),
    ('x := "a\\u00e9\\n"', '(:= x "aé\\n")'),
    ('x := "\\ud83d\\ude00 \\ud800"', '(:= x "😀 �")'),
    ('x := `raw "x" \\n`', '(:= x "raw \\"x\\" \\\\n")'),
    ('x := $"a{b}c\\{d}"', '(:= x (template "a" b "c{d}"))'),
    ("x := $`a{b}\\n`", '(:= x (template "a" b "\\\\n"))'),
    ('x := $"{ {1, 2} }{$"{y}"}"', "(:= x (template (set 1 2) (template y)))"),
    ('x := $"a{x with input as 1}b"', '(:= x (template "a" (with x input=1) "b"))'),
    ("x == y == z", "(equal (equal x y) z)"),
    ("x := a & b | c & d - e * f", "(:= x (or (and a b) (and c (minus d (mul e f)))))"),
    ("x := a - b - c", "(:= x (minus (minus a b) c))"),
    ("x := (a + b) * c", "(:= x (mul (plus a b) c))"),
    ("a in b in c", "(internal.member_2 (internal.member_2 a b) c)"),
    ("a, b in c in d", "(internal.member_2 (internal.member_3 a b c) d)"),
    ("f((a, b in c))", "(f (internal.member_3 a b c))"),
    ("x[a in b]", "(ref x (internal.member_2 a b))"),
    ('x.if.package["else"]', '(ref x "if" "package" "else")'),
    ('x["y"](z)', "(x.y z)"),
    ("contains(x, y)", "(contains x y)"),
    ("f(x).z[0]", '(ref (f x) "z" 0)'),
    ('{"a": 1}["a"]', '(ref {"a": 1} "a")'),
    ('x = [y, {"z": _}]', '(= x [y {"z": _}])'),
    ("not x == y", "(not (equal x y))"),
    ("not[0] == 1", "(equal (ref not 0) 1)"),
    ("some x, y", "(some x y)"),
    ("some x in y", "(some-in x y)"),
    ("some k, [a, b] in y", "(some-in k [a b] y)"),
    (
        "every x in {1, 2} { x > 0; x < 3 } with input as 1",
        "(with (every x (set 1 2) | (gt x 0); (lt x 3)) input=1)",
    ),
    ("every k, v in xs\n{ v }", "(every k v xs | v)"),
    (
        "x with input.a as 1 with data.b as a in b",
        '(with x (ref input "a")=1 (ref data "b")=(internal.member_2 a b))',
    ),
    ("a; b", "a; b"),
    ('x == {\n  "a": [\n    1,\n  ],\n}', '(equal x {"a": [1]})'),
    ("x := a\n- b", "(:= x (minus a b))"),
    ("x\n[0]\n# between\ny", "x; [0]; y"),
    ("x with input\nas 1", "(with x input=1)"),
    ("x := [y |\n  some y in ys  # why\n  y > 1\n]", "(:= x [y | (some-in y ys); (gt y 1)])"),
]

RULES = [
    ("p\nif[x][0]", "(rule p | (ref [x] 0))"),
    ("p := {a < b: x | {}, c in d: e}", "(rule p := {(lt a b): (or x {}), (internal.member_2 c d): e})"),
    ("p := 1", "(rule p := 1)"),
    ("p = 1 if x", "(rule p = 1 | x)"),
    ("p if x", "(rule p | x)"),
    ("p if {\n  x\n  y\n}", "(rule p | x; y)"),
    ('p if {"a": 1}', '(rule p | {"a": 1})'),
    ("p if {x | y}", "(rule p | {x | y})"),
    ("p if {x}", "(rule p | x)"),
    ("p if {x} == {1}", "(rule p | (equal (set x) (set 1)))"),
    ("p contains x if some x in y", "(rule p contains x | (some-in x y))"),
    ('p[x].y["z"] := 1 if x := 2', '(rule p x "y" "z" := 1 | (:= x 2))'),
    ("p.q contains a, b in y", '(rule p "q" contains (internal.member_3 a b y))'),
    (
        "f(x, [y]) := x + y if { x > y } else := y if x else := 0",
        "(rule f (x [y]) := (plus x y) | (gt x y) else (rule f (x [y]) := y | x else (rule f (x [y]) := 0)))",
    ),
    ("p if { x } else := {y} if {z}", "(rule p | x else (rule p := (set y) | z))"),
    ("p if { x }\n{ y }", "(rule p | x) (rule p | y)"),
    ('default p := {"a": [1]}', '(default p := {"a": [1]})'),
    ("default f(_) := -1", "(default f (_) := -1)"),
    ("f() := 1", "(rule f () := 1)"),
    ("if.foo := 1", '(rule if "foo" := 1)'),
    ("foo.else contains contains(x, y)", '(rule foo "else" contains (contains x y))'),
    ("p\ncontains x", "(rule p contains x)"),
    ("f (x) := 1 if y", "(rule f (x) := 1 | y)"),
    ("p := 1\nelse.x := 2", '(rule p := 1) (rule else "x" := 2)'),
    ("p if x\nelse := 3", "(rule p | x else (rule p := 3))"),
    ("p := 1 q := 2", "(rule p := 1) (rule q := 2)"),
    ("allow := 3", "(rule allow := 3)"),
    ("mask contains x if x := 1", "(rule mask contains x | (:= x 1))"),
    ("test if {x}", "(rule test | x)"),
    ("approve.by := 2", '(rule approve "by" := 2)'),
    ("p := a, b in c", "(rule p := (internal.member_3 a b c))"),
    (
        "p if {\n  in.foo == {1}\n}\nin.foo := 1",
        '(rule p | (equal (ref in "foo") (set 1))) (rule in "foo" := 1)',
    ),
    ("p if if.foo", '(rule p | (ref if "foo"))'),
    ("p if {\n  x\n  with.foo\n}", '(rule p | x; (ref with "foo"))'),
    ("p := [1 | some.foo]", '(rule p := [1 | (ref some "foo")])'),
    ('p := $"{if.foo}"', '(rule p := (template (ref if "foo")))'),
    ("p := contains.foo", '(rule p := (ref contains "foo"))'),
]


@pytest.mark.parametrize(("text", "expected"), QUERIES)
def test_expressions(text: str, expected: str) -> None:
    assert "; ".join(shape(literal) for literal in parse_query(text)) == expected


@pytest.mark.parametrize(("text", "expected"), QUERIES)
def test_expressions_read_the_same_in_a_body(text: str, expected: str) -> None:
    module = parse_module(Source("p.rego", f"package t\n\np if {{\n  true\n  {text}\n}}\n"))
    assert shape(module.rules[0].body) == f"true; {expected}"


@pytest.mark.parametrize(("text", "expected"), RULES)
@pytest.mark.parametrize("name", ["p.rego", "p.ward"])
def test_rules(text: str, expected: str, name: str) -> None:
    module = parse_module(Source(name, f"package t\n{text}\n"))
    assert " ".join(shape(rule) for rule in module.rules) == expected
    assert module.statements == ()


@pytest.mark.parametrize(
    "text",
    [
        "p := if.foo",
        "p := some.foo",
        "p if { not every.foo }",
        'p if { not if["foo"] }',
        "p if { (if.foo) }",
        "p if { x := in.foo }",
        "p := [if.foo]",
        "p contains if.foo",
        "p if { true with input as if.foo }",
        "p := null.foo",
        "p if { not true.foo }",
    ],
)
def test_a_keyword_is_a_name_only_where_an_expression_begins(text: str) -> None:
    with pytest.raises(ParseError):
        parse_module(Source("p.rego", f"package t\n{text}\n"))


def test_package_and_imports() -> None:
    text = 'package a.if["b-c"]\nimport data.x.y as z\nimport rego.v1\nimport future.keywords.in import input.u\n'
    module = parse_module(Source("p.rego", text))
    assert module.package == ("a", "if", "b-c")
    assert [(shape(i.ref), i.alias) for i in module.imports] == [
        ('(ref data "x" "y")', "z"),
        ('(ref rego "v1")', None),
        ('(ref future "keywords" "in")', None),
        ('(ref input "u")', None),
    ]


def test_spans_are_the_characters_of_each_node() -> None:
    text = 'package t\n\np contains (x + 1) if { some x in input["é"]; not f(x).y }\n'
    (rule,) = parse_module(Source("p.rego", text)).rules
    assert rule.span.text == text[11:-1]
    assert rule.head.span.text == "p contains (x + 1)"
    assert rule.head.key is not None
    assert rule.head.key.span.text == "(x + 1)"
    assert [literal.span.text for literal in rule.body] == ['some x in input["é"]', "not f(x).y"]
    assert (rule.body[1].span.line, rule.body[1].span.column) == (3, 47)


def test_comments_are_kept_without_their_marks() -> None:
    module = parse_module(Source("p.rego", "# one\r\npackage t # two\np := [ # three\n]\n"))
    assert [comment.text for comment in module.comments] == [" one", " two", " three"]


def test_a_byte_order_mark_and_carriage_returns_are_white_space() -> None:
    module = parse_module(Source("p.rego", "\ufeffpackage t\r\n\r\np if {\r\n\tx\r\n\ty\r\n}\r\n"))
    assert shape(module.rules[0]) == "(rule p | x; y)"


def holds(body: str) -> str:
    return f"(neq [true | {body}] [])"


LOGIC = [
    ("x or y", f"(neq [{holds('x')} {holds('y')}] [false false])"),
    ("x and y", f"(equal [{holds('x')} {holds('y')}] [true true])"),
    ("{ x; y } and z", f"(equal [{holds(holds('x; y'))} {holds('z')}] [true true])"),
    ("not { x; y }", f"(not {holds('x; y')})"),
    ("(x or y)\nwith input as 1", f"(with (neq [{holds('x')} {holds('y')}] [false false]) input=1)"),
    ("or(x, y)", "(or x y)"),
    ("x.and.or == and.x", '(equal (ref x "and" "or") (ref and "x"))'),
]


@pytest.mark.parametrize(("text", "expected"), LOGIC)
@pytest.mark.parametrize("imported", ["rego.v2", "future.keywords"])
def test_imported_logic_is_lowered(text: str, expected: str, imported: str) -> None:
    module = parse_module(Source("p.rego", f"package t\nimport {imported}\np if {{\n  {text}\n}}\n"))
    assert shape(module.rules[0].body) == expected


def test_and_binds_tighter_than_or() -> None:
    def read(text: str) -> str:
        return shape(parse_module(Source("p.rego", f"package t\nimport rego.v2\np if {text}\n")).rules[0])

    assert read("a or b and c") == read("a or (b and c)") != read("(a or b) and c")
    assert read("a and b and c") == read("(a and b) and c") != read("a and (b and c)")


def test_logic_is_no_keyword_unless_imported() -> None:
    text = "package t\nimport future.keywords.or\nand := 1\np if x or and == 1\n"
    assert len(parse_module(Source("p.rego", text)).rules) == 2
    with pytest.raises(ParseError, match="unexpected `and`"):
        parse_module(Source("p.rego", text + "q if x and y\n"))
