"""Policies and requests that mean harm, each run in a process of its own under limits on memory and time.

    python -m tests.adversity.hostile

prints one JSON line a case: how it ended, the processor time it took in seconds, and the memory it grew by in megabytes.
Imported by the tests for its table; the process that runs the cases is forked for each, so that one that is killed takes
nothing with it.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from doorward.decide.document import InvalidRequest, parse_document
from doorward.engine import Engine
from doorward.run.budget import Limits
from doorward.run.errors import EvaluationError
from doorward_dsl import PolicyError

from .hostile_builtins import WORK

__all__ = ["CASES", "Case"]

_MEMORY: Final = 2 << 30
_CPU_SECONDS: Final = 60
_LIMITS: Final = Limits(steps=300_000, wall_ms=30_000)

_GOVERNED: Final = """package acme

governs postgres

allow if { some group in principal.groups; group == "x" }
block "long" if count(object.get(principal.claims, "list", [])) > 1000000
block "deep" if { walk(principal.claims, [path, value]); value == "needle" }
mask customers.ssn with partial(4) if { some a in principal.groups; some b in principal.groups; a < b; b == "needle" }
"""


@dataclass(frozen=True, slots=True)
class Case:
    """Rules of a package (query `q`) and their input, or the text of a request to decide on."""

    rules: Callable[[], str] = str
    document: Callable[[], Any] = lambda: None
    request: Callable[[], bytes] | None = None
    query: str = "x = data.t.q"


def _nested(depth: int) -> Any:
    value: Any = 1
    for at in range(depth):
        value = [value] if at % 2 else {"a": value}
    return value


def _lines(line: Callable[[int], str], count: int) -> str:
    return "\n".join(map(line, range(count)))


def _rules(text: str, document: Callable[[], Any] = lambda: None) -> Case:
    return Case(rules=lambda: text, document=document)


def _asks(**principal: Any) -> bytes:
    document = {
        "principal": {"id": "ana", **principal},
        "action": {"name": "query"},
        "resource": {"kind": "postgres"},
        "postgres": {"statement": "SELECT 1"},
    }
    return json.dumps(document).encode()


def _numbers(count: int) -> Callable[[], list[int]]:
    return lambda: list(range(count))


CASES: Final[dict[str, Case]] = {
    # loops
    "cross product": _rules(
        "q contains [a, b, c] if { some a in input; some b in input; some c in input }", _numbers(200)
    ),
    "cross product of a rule with itself": _rules(
        "p contains x if some x in input\nq := count([1 | some a in p; some b in p; some c in p])",
        _numbers(300),
    ),
    "nested every": _rules(
        "q if every a in input { every b in input { every c in input { a + b + c >= 0 } } }", _numbers(100)
    ),
    "nested comprehensions": _rules(
        "q := [[[a + b + c | some c in input] | some b in input] | some a in input]", _numbers(100)
    ),
    "an exponential comprehension": Case(
        rules=lambda: (
            "a0 := [0, 1]\n"
            + _lines(lambda at: f"a{at + 1} := [[x, y] | some x in a{at}; some y in a{at}]", 8)
            + "\nq := count(a8)"
        )
    ),
    "an object of products": _rules(
        'q := {sprintf("%d-%d", [a, b]): [a, b] | some a in input; some b in input}', _numbers(2000)
    ),
    "a wide union of sets": _rules(
        "q := count(union({s | some a in input; s := {x | some x in input; x > a}}))", _numbers(1500)
    ),
    "unification of all with all": _rules(
        "q contains x if { [x, y] = [input[_], input[_]]; x + y = input[_] }", _numbers(300)
    ),
    # values that grow
    "a doubled string": Case(
        rules=lambda: (
            's0 := "xxxxxxxx"\n'
            + _lines(lambda at: f"s{at + 1} := concat(s{at}, [s{at}, s{at}])", 40)
            + "\nq := count(s40)"
        )
    ),
    "a doubled array": Case(
        rules=lambda: (
            "s0 := [1]\n"
            + _lines(lambda at: f"s{at + 1} := array.concat(s{at}, s{at})", 40)
            + "\nq := count(s40)"
        )
    ),
    "a doubled template": Case(
        rules=lambda: (
            's0 := "xxxxxxxx"\n'
            + _lines(lambda at: f's{at + 1} := $"{{s{at}}}{{s{at}}}"', 40)
            + "\nq := count(s40)"
        )
    ),
    "shared parts written out": Case(
        rules=lambda: (
            "s0 := [1]\n" + _lines(lambda at: f"s{at + 1} := [s{at}, s{at}]", 40) + "\nq := json.marshal(s40)"
        )
    ),
    "shared parts as the answer": Case(
        rules=lambda: "s0 := [1]\n" + _lines(lambda at: f"s{at + 1} := [s{at}, s{at}]", 40) + "\nq := s40"
    ),
    "shared parts walked": Case(
        rules=lambda: (
            "s0 := [1]\n"
            + _lines(lambda at: f"s{at + 1} := [s{at}, s{at}]", 40)
            + "\nq := count([1 | walk(s40, _)])"
        )
    ),
    "shared parts compared": Case(
        rules=lambda: (
            "s0 := [1]\nt0 := [1]\n"
            + _lines(lambda at: f"s{at + 1} := [s{at}, s{at}]\nt{at + 1} := [t{at}, t{at}]", 40)
            + "\nq if s40 == t40"
        )
    ),
    "a squared number": Case(
        rules=lambda: "n0 := 99\n" + _lines(lambda at: f"n{at + 1} := n{at} * n{at}", 40) + "\nq := n40"
    ),
    "a large shift": _rules("q := bits.lsh(1, 1000000000000)"),
    "a large range": _rules("q := numbers.range(1, 1000000000000)"),
    "ranges of ranges": _rules(
        "q := count([y | some x in numbers.range(1, 100000); some y in numbers.range(1, x)])"
    ),
    "a huge width": _rules('q := sprintf("%999999999d", [1])'),
    "many wide fields": _rules(
        'q := sprintf(concat("", [x | some _ in numbers.range(1, 5000); x := "%100000d"]), [1])'
    ),
    "replacing by much": _rules(
        'q := count(replace(concat("", input), "a", concat("", input)))', lambda: ["a"] * 100_000
    ),
    "splitting into characters": _rules(
        'q := count(split(concat("", input), ""))', lambda: ["abcdefgh" * 100] * 5_000
    ),
    "repeating by hand": _rules(
        'q := count(concat(",", [y | some x in input; y := concat("", input)]))',
        lambda: ["abcdefgh"] * 10_000,
    ),
    # patterns
    "a regex bomb": _rules(
        'q if regex.match("(a*)*(a*)*(a|aa)+(a|a?)+$", concat("", input))', lambda: ["a" * 50_000, "b"]
    ),
    "a counted regex": _rules('q if regex.match("((a{1000}){1000}){1000}", "a")'),
    "a regex a member": _rules(
        'q := count([1 | some x in input; regex.match(sprintf("^(%d|a+)+$", [x]), "aaaaaaaaaaab")])',
        _numbers(20_000),
    ),
    "a regex with many matches": _rules(
        'q := count(regex.find_all_string_submatch_n("(a)(b)?", concat("", input), -1))',
        lambda: ["a" * 1_000_000],
    ),
    "a glob bomb": _rules(
        'q if glob.match("*a*a*a*a*a*a*a*a*a*a*a*a*b", [], concat("", input))', lambda: ["a" * 20_000]
    ),
    "a glob of alternatives": _rules(
        'q if glob.match(concat("", input), [], "aaaaaaaaaaaaaaaaaaaaaaaa")', lambda: ["{a,aa,{a,a?}}"] * 500
    ),
    "a glob of many brackets": _rules('q if glob.match(concat("", input), [], "a")', lambda: ["{" * 20_000]),
    "a pattern of globs": _rules(
        "q if regex.globs_match(input.a, input.b)", lambda: {"a": "[ab]*" * 200, "b": "[ba]*" * 200 + "c"}
    ),
    "semantic versions": _rules("q := semver.compare(input, input)", lambda: "1.2.3-" + "1." * 200_000 + "1"),
    "a version of many digits": _rules("q := semver.compare(input, input)", lambda: "9" * 200_000 + ".0.0"),
    "a network spelt out": _rules('q := count(net.cidr_expand("::/0"))'),
    "networks by networks": _rules(
        "q := count(net.cidr_contains_matches(input, input))",
        lambda: [f"10.{at // 256}.{at % 256}.0/24" for at in range(300)],
    ),
    "networks merged": _rules(
        "q := count(net.cidr_merge(input))",
        lambda: [f"{at % 223 + 1}.{at // 256 % 256}.{at % 256}.0/25" for at in range(20_000)],
    ),
    "a large number of text": _rules("q := to_number(input)", lambda: "9" * 1_000_000),
    "a large exponent": _rules('q := to_number("1e999999999") + 1'),
    "units of absurd size": _rules('q := units.parse("1e99999999Gi")'),
    "a time of many digits": _rules("q := time.parse_rfc3339_ns(input)", lambda: "2" * 1_000_000),
    "a duration of many parts": _rules("q := time.parse_duration_ns(input)", lambda: "1h" * 500_000),
    "deep YAML": _rules("q := yaml.unmarshal(input)", lambda: "[" * 50_000),
    "a YAML bomb": _rules(
        "q := count(yaml.unmarshal(input))",
        lambda: (
            "a: &a [x,x,x,x,x,x,x,x,x]\n"
            + "".join(
                f"{chr(98 + at)}: &{chr(98 + at)} [{','.join(['*' + chr(97 + at)] * 9)}]\n" for at in range(9)
            )
        ),
    ),
    "deep JSON in a policy": _rules("q := json.unmarshal(input)", lambda: "[" * 200_000 + "]" * 200_000),
    "a deep JSON patch": _rules(
        'q := json.patch(input, [{"op": "copy", "from": "/a", "path": "/a/b"} | some _ in numbers.range(1, 60)])',
        lambda: {"a": {"x": 1}},
    ),
    "a graph without end": _rules(
        "q := graph.reachable_paths(g, {0})\ng := {x: [y | some y in input] | some x in input}", _numbers(25)
    ),
    "a deep GraphQL query": _rules("q := graphql.parse_query(input)", lambda: "{a" * 20_000),
    "a schema that refers to itself": _rules(
        "q := json.match_schema(input, input)", lambda: {"$ref": "#", "allOf": [{"$ref": "#"}, {"$ref": "#"}]}
    ),
    "tokens of many parts": _rules("q := io.jwt.decode(input)", lambda: "a." * 500_000),
    "a certificate of nothing": _rules("q := crypto.x509.parse_certificates(input)", lambda: "A" * 100_000),
    **{name: _rules(text, document) for name, (text, document) in WORK.items()},
    # depth
    "deep input": _rules("q := input", lambda: _nested(5_000)),
    "deep input walked": _rules(
        "q := count([1 | walk(input, [path, value]); count(path) > 0])", lambda: _nested(5_000)
    ),
    "deep input compared": _rules(
        "q if input == json.unmarshal(json.marshal(input))", lambda: _nested(5_000)
    ),
    "deep input in a set": _rules("q := count({input, [input]})", lambda: _nested(20_000)),
    "recursion through functions": Case(
        rules=lambda: (
            _lines(lambda at: f"f{at}(x) := f{at + 1}(x) + f{at + 1}(x + 1)", 40)
            + "\nf40(x) := x\nq := f0(1)"
        )
    ),
    "a long chain of rules": Case(
        rules=lambda: _lines(lambda at: f"r{at} := r{at + 1}", 4_000) + "\nr4000 := 1\nq := r0"
    ),
    "a rule that finds itself in data": _rules("q contains x if { some name; x := data.t[name] }"),
    "recursion through with": Case(
        rules=lambda: (
            _lines(
                lambda at: (
                    f'w{at} := x if {{ x := [w{at + 1}, w{at + 1}] with input as {{"x": [input, input]}} }}'
                ),
                30,
            )
            + "\nw30 := input\nq := w0"
        )
    ),
    "brackets without end": Case(rules=lambda: "q := " + "[" * 50_000 + "]" * 50_000),
    "operators without end": Case(rules=lambda: "q := " + "1 + " * 50_000 + "1"),
    "else without end": Case(rules=lambda: "q := 0 if false" + " else := 1 if false" * 5_000),
    "alternatives without end": Case(
        rules=lambda: _lines(lambda at: f"q := {at} if input == {at}", 1_000), document=lambda: 7
    ),
    "a literal of a megabyte": Case(rules=lambda: f'q := count("{"x" * 1_000_000}")'),
    "a number of a megabyte": Case(rules=lambda: f"q := {'9' * 1_000_000}"),
    "quotes without end": Case(rules=lambda: 'q := "' + '\\"' * 500_000),
    # requests
    "a deep request": Case(
        request=lambda: b'{"principal":{"claims":{"a":' + b"[" * 500_000 + b"]" * 500_000 + b"}}}"
    ),
    "an open request": Case(request=lambda: b'{"a":' * 500_000),
    "many groups": Case(request=lambda: _asks(groups=[f"g{at}" for at in range(100_000)])),
    "long claims": Case(request=lambda: _asks(claims={"list": [{"a": at} for at in range(300_000)]})),
    "many claims": Case(request=lambda: _asks(claims={f"k{at}": at for at in range(300_000)})),
    "large numbers": Case(
        request=lambda: _asks().replace(b'"ana"', b'"ana", "claims": {"n": ' + b"9" * 1_000_000 + b"}")
    ),
    "a large exponent in a request": Case(
        request=lambda: _asks().replace(b'"ana"', b'"ana", "claims": {"n": 1e999999999}')
    ),
    "a long statement": Case(request=lambda: _asks().replace(b"SELECT 1", b"SELECT 1" + b" + 1" * 300_000)),
    "a deep statement": Case(
        request=lambda: _asks().replace(b"SELECT 1", b"SELECT " + b"(" * 400_000 + b"1" + b")" * 400_000)
    ),
    "many statements": Case(request=lambda: _asks().replace(b"SELECT 1", b"SELECT 1;" * 100_000)),
    "not JSON": Case(request=lambda: b"\xff\xfe" * 1_000_000),
}


def end_of(case: Case) -> str:
    """How the case ends: `answer`, `undefined`, a verdict, or the class of the error it ends in."""
    try:
        if case.request is not None:
            engine = Engine.from_sources({"t.ward": _GOVERNED}, limits=_LIMITS)
            decision = engine.decide(parse_document(case.request()), now_ns=0)
            return " ".join([decision.verdict, *sorted({error.code for error in decision.errors})])
        engine = Engine.from_sources({"t.rego": f"package t\n\n{case.rules()}\n"}, limits=_LIMITS)
        answers = engine.query(case.query, case.document(), strict_builtin_errors=True)
    except (PolicyError, EvaluationError) as error:
        return error.code
    except InvalidRequest:
        return "invalid request"
    return "answer" if answers else "undefined"


def main() -> None:
    """Run the cases that are named, or all, and print how each ends."""
    for name in sys.argv[1:] or CASES:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _run(CASES[name], writing)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            said = pipe.read()
        _, status, used = os.wait4(child, 0)
        end = said or f"killed, status {status}"
        print(
            json.dumps(
                {
                    "name": name,
                    "end": end,
                    "cpu_s": round(used.ru_utime + used.ru_stime, 3),
                    "rss_mb": used.ru_maxrss >> 10,
                }
            ),
            flush=True,
        )


def _run(case: Case, pipe: int) -> None:
    """In the child: never returns."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        end = end_of(case)
    except BaseException as error:  # whatever else comes out is what the tests look for
        end = f"escaped: {type(error).__name__}: {error}"[:300]
    os.write(pipe, end.encode("utf-8", "replace"))
    os._exit(0)


if __name__ == "__main__":
    main()
