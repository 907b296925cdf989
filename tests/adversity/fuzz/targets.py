"""What is fuzzed. A target runs one input and returns; whatever else it does is a fault.

Errors of the product's own class are answers. So are refusals of a decision, as long as the reason is not a fault that was
caught at the last line of defence: those are found out by their wording.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Struct

from doorward.compile import compile_program
from doorward.decide.request import document_schemas
from doorward.engine import Engine
from doorward.facts.postgres import Settings, analyse
from doorward.run.budget import Limits
from doorward.run.builtins.terms import term_text
from doorward.run.context import CallContext
from doorward.run.convert import to_json
from doorward.run.errors import BudgetExceeded, EvaluationError
from doorward.run.reference import ReferenceProgram
from doorward.run.values import UNDEFINED
from doorward.serve.catalogues import Catalogues
from doorward.serve.changes import Changes
from doorward.serve.point import DecisionPoint, Unanswered
from doorward.serve.policies.revisions import InForce, Revisions
from doorward.serve.policies.watched import Watched
from doorward.serve.rpc.explain import explained
from doorward.serve.rpc.query import answered
from doorward.serve.rpc.service import DecisionService
from doorward.serve.rpc.wire import question_of
from doorward_dsl import (
    DoorwardError,
    PolicyError,
    Source,
    compile_modules,
    parse_module,
    parse_query,
    render,
)
from doorward_dsl.compile import compile_query
from doorward_dsl.program import Program
from doorward_dsl.syntax import Module
from doorward_proto.v1 import decision_pb2 as pb

from . import corpus
from .faults import WrongAnswer
from .mutate import PART, BytesMutator, PartsMutator, TextMutator
from .wire import read_wire

__all__ = ["Target", "make_target"]

_LIMITS: Final = Limits(steps=100_000, wall_ms=5_000)
_FAULT: Final = re.compile(r"\b[A-Z]\w*(Error|Exception)\b")
_SCHEMAS: Final = document_schemas()


@dataclass(frozen=True, slots=True)
class Target:
    """Something to fuzz: `run` ends within `seconds` on any input, and raises on a fault."""

    seeds: tuple[bytes, ...]
    run: Callable[[bytes], None]
    mutate: Callable[[bytes, Random], bytes]
    seconds: float = 20.0


def make_target(name: str) -> Target:
    """The target of that name."""
    return _MAKERS[name]()


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass" if b"\xed" in data else "replace")


def _of_text(
    seeds: Sequence[str], mutate: Callable[[str, Random], str], run: Callable[[str], None]
) -> Target:
    def change(data: bytes, random: Random) -> bytes:
        return mutate(data.decode("utf-8", "replace"), random).encode("utf-8", "surrogatepass")

    def decoded(data: bytes) -> None:
        try:
            text = _text(data)
        except UnicodeDecodeError:
            return
        run(text)

    return Target(tuple(seed.encode() for seed in seeds), decoded, change)


def _parsed(texts: Sequence[str]) -> list[Module]:
    """The modules; those that govern something are Ward. Diagnostics are rendered, for that is where they go."""
    modules = []
    for at, text in enumerate(texts):
        try:
            modules.append(parse_module(Source(f"p{at}.{'ward' if 'governs' in text else 'rego'}", text)))
        except PolicyError as error:
            _rendered(error)
            raise
    return modules


def _rendered(error: PolicyError) -> None:
    """Show what is wrong as a person would see it, where it is: every place lies within its text."""
    if not error.diagnostics:
        raise WrongAnswer("an error without a diagnostic", type(error).__name__) from error
    for diagnostic in error.diagnostics:
        for span in (diagnostic.span, *(span for _, span in diagnostic.notes)):
            if not 0 <= span.start <= span.end <= len(span.source.text):
                raise WrongAnswer("a place outside of its text", f"{span.start}-{span.end} {diagnostic.code}")
        render(diagnostic)


def _parse() -> Target:
    seeds = corpus.policies()

    def run(text: str) -> None:
        for read in (lambda: _parsed([text]), lambda: parse_query(text.partition("\n\n")[2])):
            try:
                read()
            except PolicyError as error:
                _rendered(error)

    return _of_text(seeds, TextMutator(corpus.POLICY_WORDS, seeds).mutate, run)


def _compile() -> Target:
    seeds = [seed.split(PART, 3)[3] for seed in corpus.evaluation_seeds()] + corpus.policies()

    def run(text: str) -> None:
        try:
            program = compile_modules(_parsed(text.split(PART)), schemas=_SCHEMAS, strict=len(text) % 2 == 0)
            compiled = compile_program(program, {})
            # what was accepted can be shown, as `doorward plan` and `doorward emit` do it, and is Python
            compiled.format_plan()
            ast.parse(compiled.format_python())
        except PolicyError as error:
            _rendered(error)

    return _of_text(seeds, PartsMutator([TextMutator(corpus.POLICY_WORDS, corpus.policies())]).mutate, run)


def _evaluate() -> Target:
    words = TextMutator(corpus.POLICY_WORDS, corpus.policies())
    documents = TextMutator(corpus.JSON_WORDS, [json.dumps(one) for one in corpus.requests()])
    mutator = PartsMutator([TextMutator(corpus.POLICY_WORDS, corpus.QUERIES), documents, documents, words])
    return _of_text(corpus.evaluation_seeds(), mutator.mutate, _evaluate_one)


def _evaluate_one(text: str) -> None:
    parts = text.split(PART)
    if len(parts) < 4:
        return
    try:
        document, data = json.loads(parts[1]), json.loads(parts[2])
    except (ValueError, RecursionError):
        return
    if type(data) is not dict:
        return
    try:
        program = compile_modules(_parsed(parts[3:]), data=data)
        query = compile_query(parse_query(parts[0]), program)
        compiled = compile_program(program, data)
        compiled.prepare(query)
    except PolicyError as error:
        _rendered(error)
        return
    outcomes = []
    for evaluator in (compiled, ReferenceProgram(program, data)):
        call = CallContext(now_ns=0, seed=0, limits=_LIMITS, strict=False)
        try:
            answers = evaluator.query(query, UNDEFINED if document is None else document, call=call)
            json.dumps(
                [{name: to_json(value) for name, value in answer.items()} for answer in answers], default=str
            )
            outcomes.append(sorted(term_text(answer) for answer in answers))
        except BudgetExceeded:
            return
        except EvaluationError as error:
            if _FAULT.search(error.message) or error.code == "eval_internal_error":
                raise WrongAnswer("a fault shown as an error of evaluation", str(error)) from error
            outcomes.append([error.code])
    if outcomes[0] != outcomes[1] and not _conflicts_elsewhere(outcomes[0], program, document, data):
        raise WrongAnswer("the evaluators disagree", f"{outcomes[0]} instead of {outcomes[1]}")


def _conflicts_elsewhere(outcome: list[str], program: Program, document: Any, data: Any) -> bool:
    """Whether a conflict is one of keys that were not asked for.

    The compiled evaluator looks a key of a partial object up in all of it; the reference works out what is asked for.
    """
    if outcome != ["eval_conflict_error"]:
        return False
    everything = compile_query(parse_query("x = data"), program)
    call = CallContext(now_ns=0, seed=0, limits=_LIMITS, strict=False)
    try:
        ReferenceProgram(program, data).query(
            everything, UNDEFINED if document is None else document, call=call
        )
    except EvaluationError as error:
        return error.code in (outcome[0], BudgetExceeded.code)
    return False


def _decide() -> Target:
    shop = corpus.catalogue()
    documents = TextMutator(corpus.JSON_WORDS, [json.dumps(one) for one in corpus.requests()])
    words = TextMutator(corpus.POLICY_WORDS, corpus.policies())
    data = {"rules": {"ana": "a rule of her own"}, "shop": {"staff": ["ana"]}}

    def run(text: str) -> None:
        first, _, policy = text.partition(PART)
        try:
            document = json.loads(first)
        except (ValueError, RecursionError):
            return
        try:
            engine = Engine.from_sources({"p.ward": policy}, data, limits=_LIMITS)
        except PolicyError as error:
            _rendered(error)
            return
        try:
            decision = engine.decide(document, catalogue=shop, now_ns=1_000)
        except DoorwardError:
            return
        for error in decision.errors:
            if error.code == "eval_internal_error" or _FAULT.search(error.message):
                raise WrongAnswer("a fault shown as an error of a statement", f"{error.code} {error.message}")
        if decision.errors and decision.verdict == "allow":
            failed = {error.id for error in decision.errors}
            if any(verb in one for one in failed for verb in ("block", "mask", "approve")) or "" in failed:
                raise WrongAnswer("allowed in spite of a restriction that failed", str(failed))

    return _of_text(corpus.decision_seeds(), PartsMutator([documents, words]).mutate, run)


def _sql() -> Target:
    shop = corpus.catalogue()
    seeds = corpus.statements()
    settings = (Settings(user="postgres", database="shop"), Settings(("hr", "public"), "bo", "shop", False))

    def run(text: str) -> None:
        for setting in settings:
            facts = analyse(text, shop, setting).facts
            if facts["opaque_reason"].startswith("the analysis failed"):
                raise WrongAnswer(f"a fault shown as {facts['opaque_reason']}")
            if facts["opaque"] and facts["read_only"]:
                raise WrongAnswer("opaque and said to be read-only")

    return _of_text(seeds, TextMutator(corpus.SQL_WORDS, seeds).mutate, run)


def _wire() -> Target:
    seeds = corpus.wire_seeds()
    return Target(tuple(seeds), read_wire, BytesMutator(seeds).mutate)


def _driven(coroutine: Coroutine[object, None, pb.DecideBatchResponse]) -> pb.DecideBatchResponse:
    """What a coroutine returns that waits for nothing but its next turn: without the cost of a loop."""
    try:
        while True:
            coroutine.send(None)
    except StopIteration as end:
        answer: pb.DecideBatchResponse = end.value
        return answer


def _grpc() -> Target:
    shop = corpus.catalogue()
    catalogues = Catalogues()
    known = catalogues.keep(shop, 1)
    revisions = Revisions(Watched(Path()), strict=False, limits=_LIMITS)
    policies = {str(at): seed.partition(PART)[2] for at, seed in enumerate(corpus.decision_seeds()[::3])}
    revisions.in_force = InForce(
        Engine.from_sources({f"{at}.ward": text for at, text in policies.items()}, {}, limits=_LIMITS), ""
    )
    service = DecisionService(DecisionPoint(revisions, catalogues), Changes())
    seeds: list[bytes] = []
    for at, document in enumerate(corpus.requests()):
        whole: dict[str, Any] = {
            "request_id": str(at),
            "catalogue": known if at % 3 else "",
            "want_facts": at % 2 == 0,
        }
        if at % 4:
            whole["json"] = json.dumps(document).encode()
        else:
            whole["struct"] = Struct()
            whole["struct"].update(document)
        seeds.append(pb.DecideRequest(**whole).SerializeToString())
    texts = TextMutator(corpus.JSON_WORDS, [json.dumps(one) for one in corpus.requests()])

    def run(data: bytes) -> None:
        request = pb.DecideRequest()
        try:
            request.ParseFromString(data)
        except DecodeError:
            return
        response = _driven(service._decide((request,))).responses[0]
        if response.failure.code == pb.Failure.CODE_INTERNAL:
            raise WrongAnswer("an internal error", response.failure.message)
        if response.WhichOneof("outcome") is None:
            raise WrongAnswer("neither a decision nor a failure")
        for error in response.decision.errors:
            if error.code == "eval_internal_error" or _FAULT.search(error.message):
                raise WrongAnswer("a fault shown as an error of a statement", f"{error.code} {error.message}")
        pb.DecideResponse.FromString(response.SerializeToString())

    def inside(request: pb.DecideRequest, random: Random) -> None:
        request.json = _changed(texts, request.json, random)

    return Target(tuple(seeds), run, _of_messages(pb.DecideRequest, seeds, inside))


def _explain() -> Target:
    policies = {str(at): seed.partition(PART)[2] for at, seed in enumerate(corpus.decision_seeds()[::3])}
    engine = Engine.from_sources({f"{at}.ward": text for at, text in policies.items()}, {}, limits=_LIMITS)
    shop = corpus.catalogue()
    seeds: list[bytes] = []
    for at, document in enumerate(corpus.requests()):
        asked = pb.DecideRequest(json=json.dumps(document).encode())
        request = pb.ExplainRequest(request=asked, nearest=at % 8 == 0)
        if at % 2:
            request.instant.FromNanoseconds(1_700_000_000_000_000_000)
            request.replaying.effects.add(
                name="http.send", digest="ab" * 32, arguments="[]", result='{"a": 1}'
            )
        seeds.append(request.SerializeToString())
    texts = TextMutator(corpus.JSON_WORDS, [json.dumps(one) for one in corpus.requests()])

    def run(data: bytes) -> None:
        request = pb.ExplainRequest()
        try:
            request.ParseFromString(data)
            question = question_of(request.request)
            if isinstance(question, Unanswered):
                return
            told = explained(engine, question, shop, request)
        except (DecodeError, Unanswered):
            return
        for one in told.statements:
            json.loads(one.conditions)
        pb.Explanation.FromString(told.SerializeToString())

    def inside(request: pb.ExplainRequest, random: Random) -> None:
        request.request.json = _changed(texts, request.request.json, random)

    return Target(tuple(seeds), run, _of_messages(pb.ExplainRequest, seeds, inside))


def _query() -> Target:
    engine = Engine.from_sources({"p.rego": "package p\nimport rego.v1\nq := input.a\n"}, {}, limits=_LIMITS)
    queries = [
        "data = x",
        "x := input.a + 1",
        "some i, j in input; i == j",
        "{x: y | some x, y in input} = z",
        'sprintf("%v", [input]) = s',
        "time.now_ns() = t; q = r",
        "every x in input.a { x > 0 }",
    ]
    words = [
        "data",
        "input",
        "some",
        "in",
        "every",
        ":=",
        "==",
        "with",
        "as",
        "not",
        "[",
        "]",
        "{",
        "}",
        "|",
        "1e309",
    ]
    texts = TextMutator(words, queries)
    seeds = [
        pb.QueryRequest(
            query=text, input=b'{"a": [1, 2.5, "x"]}', within="package p" if at % 2 else ""
        ).SerializeToString()
        for at, text in enumerate(queries)
    ]

    def run(data: bytes) -> None:
        request = pb.QueryRequest()
        try:
            request.ParseFromString(data)
            response = answered(engine, request)
        except (DecodeError, Unanswered):
            return
        if response.WhichOneof("outcome") is None:
            raise WrongAnswer("neither answers nor errors")
        for error in response.errors.errors:
            if error.code == "eval_internal_error" or _FAULT.search(error.message):
                raise WrongAnswer("a fault shown as an error of a query", f"{error.code} {error.message}")
        for binding in response.answers.bindings:
            json.loads(binding)
        pb.QueryResponse.FromString(response.SerializeToString())

    def inside(request: pb.QueryRequest, random: Random) -> None:
        if random.random() < 0.7:
            request.query = _changed(texts, request.query.encode(), random).decode("utf-8", "replace")
        else:
            request.input = _changed(texts, request.input, random)

    return Target(tuple(seeds), run, _of_messages(pb.QueryRequest, seeds, inside))


def _changed(texts: TextMutator, content: bytes, random: Random) -> bytes:
    return texts.mutate(content.decode("utf-8", "replace"), random).encode("utf-8", "surrogatepass")


def _of_messages(
    kind: type[Any], seeds: Sequence[bytes], inside: Callable[[Any, Random], None]
) -> Callable[[bytes, Random], bytes]:
    """Changes bytes of a message, or half of the time the texts inside, which few changes of bytes reach."""
    raw = BytesMutator(seeds)

    def mutate(data: bytes, random: Random) -> bytes:
        message = kind()
        if random.random() < 0.5:
            return raw.mutate(data, random)
        try:
            message.ParseFromString(data)
        except DecodeError:
            return raw.mutate(data, random)
        inside(message, random)
        content: bytes = message.SerializeToString()
        return content

    return mutate


_MAKERS: Final[dict[str, Callable[[], Target]]] = {
    "parse": _parse,
    "compile": _compile,
    "evaluate": _evaluate,
    "decide": _decide,
    "sql": _sql,
    "wire": _wire,
    "grpc": _grpc,
    "explain": _explain,
    "query": _query,
}
