"""Properties of the order of bodies, over generated ones."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from doorward_dsl import Diagnostic, Source, parse_module
from doorward_dsl.check.bindings import outputs, variables
from doorward_dsl.check.safety import Orderer
from doorward_dsl.resolve import AnnotationIndex, exports, resolve_module
from doorward_dsl.syntax import Body, Literal, Unify
from doorward_dsl.walk import body_closures, closure_body, open_vars

NAMES = st.sampled_from("abcd")
LINES = st.one_of(
    st.builds("{} = {}".format, NAMES, NAMES),
    st.builds("{} = input.x[{}]".format, NAMES, NAMES),
    st.builds("{} = f({})".format, NAMES, NAMES),
    st.builds("[{}, 1] = [{}, {}]".format, NAMES, NAMES, NAMES),
    st.builds('{{"k": {}, "l": [{}]}} = input.y'.format, NAMES, NAMES),
    st.builds("not {} == 1".format, NAMES),
    st.builds("{} > {}".format, NAMES, NAMES),
    st.builds("f({}, {})".format, NAMES, NAMES),
    st.builds("{} = [v | v = {}]".format, NAMES, NAMES),
    st.builds("every v in input.z {{ v == {} }}".format, NAMES),
    st.builds("input.w[{}] with input as {}".format, NAMES, NAMES),
    st.builds("{} = 1".format, NAMES),
)


def ordered(lines: Sequence[str]) -> Body | None:
    """The body in order; None if it is not safe."""
    text = "package t\nf(x) := x\np if {\n" + "\n".join(lines) + "\n}\n"
    module = parse_module(Source("t.rego", text))
    resolved = resolve_module(module, exports([module]), AnnotationIndex([module]))
    report: list[Diagnostic] = []
    rule = Orderer(report).rule(resolved.module.rules[1])
    assert {one.code for one in report} <= {"rego_unsafe_var_error"}
    return None if report else rule.body


def place(literal: Literal) -> int:
    return literal.span.start


@given(st.lists(LINES, min_size=1, max_size=7))
@settings(max_examples=300, deadline=None)
def test_every_line_finds_its_inputs_bound(lines: list[str]) -> None:
    body = ordered(lines)
    if body is None:
        return
    assert len(body) == len(lines)
    everywhere = set[str]().union(*map(variables, body))
    bound: set[str] = set()
    for literal in body:
        gives = outputs(literal, bound)
        assert variables(literal) <= bound | gives
        for closure in body_closures(literal):
            inner = {name for line in closure_body(closure) for name in variables(line)}
            assert inner & everywhere <= bound | gives
        bound |= gives


@given(
    st.lists(LINES, min_size=1, max_size=6).flatmap(
        lambda lines: st.tuples(st.just(lines), st.permutations(lines))
    )
)
@settings(max_examples=200, deadline=None)
def test_whether_a_body_is_safe_does_not_depend_on_the_order_written(
    pair: tuple[list[str], list[str]],
) -> None:
    one, other = map(ordered, pair)
    assert (one is None) == (other is None)


@given(st.lists(LINES, min_size=1, max_size=6))
@settings(max_examples=200, deadline=None)
def test_lines_in_a_good_order_stay_where_they_are(lines: list[str]) -> None:
    body = ordered(lines)
    if body is None:
        return
    again = ordered([" ".join(literal.span.text.split()) for literal in body])
    assert again is not None
    assert [place(literal) for literal in again] == sorted(place(literal) for literal in again)


def test_unification_binds_from_either_side() -> None:
    for line in ("x = 1", "1 = x", "[x] = input.a", "input.a = [x]"):
        body = ordered([line, "x > 0"])
        assert body is not None
        first = body[0].expr
        assert isinstance(first, Unify)
        assert "x" in open_vars(first.left, first.right)
