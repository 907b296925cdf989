"""The plan as text, for people: what runs, in which order, and what an index skips."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from doorward.compile import plan
from doorward.compile.decision import KindPlan
from doorward.compile.outline import Chain, Table, Unit
from doorward.compile.plan import Block, Const, Operand, Step
from doorward.run.convert import to_json
from doorward.run.values import unkey

__all__ = ["format_plan"]

_SIGNS: Final = {
    "equal": "==",
    "neq": "!=",
    "lt": "<",
    "lte": "<=",
    "gt": ">",
    "gte": ">=",
    "plus": "+",
    "minus": "-",
    "in": "in",
}


def format_plan(units: Iterable[Unit], kinds: Iterable[KindPlan] = ()) -> str:
    """The plan of documents, functions and decisions, a step a line; a loop stands around the deeper lines
    below it."""
    units = tuple(units)
    names = {unit.id: ".".join(("data", *map(str, unit.path))) for unit in units}
    lines: list[str] = []
    for unit in units:
        params = ", ".join(f"v{param.id}" for param in unit.params)
        head = f"{names[unit.id]}({params})" if unit.kind == "function" else names[unit.id]
        lines.append(f"{unit.kind} {head}  # {unit.span}")
        lines += _tables(unit.tables)
        lines += [
            f"  v{one.local.id} = {'.'.join(one.place)}  # for several definitions" for one in unit.shared
        ]
        for chain in unit.chains:
            lines += _chain(chain, "definition", names)
        if unit.default is not None:
            lines += _chain(unit.default, "default", names)
        lines.append("")
    for kind in kinds:
        lines.append(f"decision {kind.kind}")
        lines += _tables(kind.tables)
        skipped = frozenset[int]().union(*(table.positions for table in kind.tables))
        for at, statement in enumerate(kind.statements):
            how = "looked up" if at in skipped else "tried"
            lines.append(f"  {statement.info.verb} {statement.info.id}  # {how}")
            lines += ["    " + line for line in _block(statement.block, names)]
        lines.append("")
    return "\n".join(lines)


def _tables(tables: Iterable[Table]) -> Iterator[str]:
    for table in tables:
        place = ".".join(f"v{step}" if isinstance(step, int) else step for step in table.place)
        verb = {"equal": "is", "has": "has", "prefix": "starts with"}[table.how]
        lookups, bodies = len(table.buckets), len(table.positions)
        yield f"  index {place} {verb} one of {lookups} values, for {bodies} definitions"


def _chain(chain: Chain, word: str, names: dict[int, str]) -> Iterator[str]:
    for at, body in enumerate(chain.bodies):
        yield f"  {word if at == 0 else 'else'}  # {body.span}"
        yield from ("    " + line for line in _block(body.block, names))


def _block(block: Block, names: dict[int, str]) -> Iterator[str]:
    indent = ""
    for step in block.steps:
        for line in _step(step, names):
            yield indent + line
        if isinstance(step, (plan.Scan, plan.Walk)):
            indent += "  "
    if block.result:
        yield f"{indent}→ {', '.join(map(_operand, block.result))}{' (the first will do)' if block.single else ''}"


def _inner(block: Block, names: dict[int, str]) -> Iterator[str]:
    yield from ("  " + line for line in _block(block, names))


def _step(step: Step, names: dict[int, str]) -> Iterator[str]:
    match step:
        case plan.Input(to):
            yield f"v{to.id} = input"
        case plan.Base(to):
            yield f"v{to.id} = base data"
        case plan.Defined(source):
            yield f"test v{source.id} is defined"
        case plan.Get(to, source, index):
            yield f"v{to.id} = {_operand(source)}[{_operand(index)}]"
        case plan.Read(to, source, path, way):
            root = "input" if source is None else f"v{source.id}"
            yield f"v{to.id} = {'.'.join((root, *path))}{' or an empty object' if way and path else ''}"
        case plan.Branch(to, path):
            yield f"v{to.id} = branch {'.'.join(('data', *path))}"
        case plan.Settle(to, source):
            yield f"v{to.id} = all of {_operand(source)}"
        case plan.RuleCall(to, unit):
            yield f"v{to.id} = {names.get(unit, f'unit {unit}')}"
        case plan.Scan(index, value, source, ordered, _, _, join):
            parts = ", ".join(f"v{local.id}" if local is not None else "_" for local in (index, value))
            if join is not None:
                yield from _join(join)
            yield f"for {parts} in {_operand(source)}{' in order' if ordered else ''}"
        case plan.Walk(to, name, args):
            yield f"for v{to.id} in {name}({_operands(args)})"
        case plan.MakeArray(to, items):
            yield f"v{to.id} = [{_operands(items)}]"
        case plan.MakeSet(to, items):
            yield f"v{to.id} = {{{_operands(items)}}}"
        case plan.MakeObject(to, pairs):
            made = ", ".join(f"{_operand(index)}: {_operand(value)}" for index, value in pairs)
            yield f"v{to.id} = {{{made}}}"
        case plan.Collect(to, kind, block):
            yield f"v{to.id} = {kind} of"
            yield from _inner(block, names)
        case (
            plan.FunctionCall(to, _, name, args)
            | plan.BuiltinCall(to, name, args)
            | plan.MockCall(to, name, args)
        ):
            yield f"v{to.id} = {name}({_operands(args)})"
        case plan.Format(to, template, _, args):
            yield f"v{to.id} = sprintf({_text(template)}, [{_operands(args)}])"
        case plan.Compute(to, operator, left, right):
            yield f"v{to.id} = {_operand(left)} {_SIGNS[operator]} {_operand(right)}"
        case plan.Test(operator, left, right):
            yield f"test {_operand(left)} {_SIGNS[operator]} {_operand(right)}"
        case plan.Truthy(source):
            yield f"test {_operand(source)}"
        case plan.Shape(kind, source, size):
            yield f"test {_operand(source)} is an {kind} of {size}"
        case plan.Never():
            yield "never"
        case plan.Absent(block):
            yield "none of"
            yield from _inner(block, names)
        case plan.ForAll(index, value, source, block):
            parts = f"v{value.id}" if index is None else f"v{index.id}, v{value.id}"
            yield f"every {parts} in {_operand(source)}"
            yield from _inner(block, names)
        case plan.OnceAgain(numbers):
            yield f"from here on: {', '.join(f'once {number}' for number in numbers)}"
        case plan.Once(number, steps):
            yield f"once {number}, in the first round that gets here"
            for inner in steps:
                yield from ("  " + line for line in _step(inner, names))
        case plan.With(changes):
            yield f"with {', '.join(map(_change, changes))}"
        case plan.EndWith():
            yield "end with"


def _join(join: plan.Join) -> Iterator[str]:
    keys = " and ".join(
        f"{'.'.join(('member', *map(str, path)))} is {_operand(wanted)}"
        for path, wanted in zip(join.by, join.wanted, strict=True)
    )
    yield f"join where {keys}{', by an index that stays with the data' if join.lasting else ''}"
    if join.kept is not None:
        yield f"v{join.kept.to.id} is kept by {_operands(join.kept.by)}, as once {join.kept.number}"


def _change(change: plan.ReplaceInput | plan.ReplaceData | plan.MockFunction) -> str:
    match change:
        case plan.ReplaceInput(path, value):
            return f"{'.'.join(('input', *(str(step.value) for step in path if isinstance(step, Const))))} = {_operand(value)}"
        case plan.ReplaceData(overlay, value):
            return f"{'.'.join(('data', *overlay.path))} = {_operand(value)}"
        case plan.MockFunction(name, value, unit, builtin):
            return f"{name} = {builtin or (_operand(value) if value is not None else f'unit {unit}')}"


def _operands(operands: Iterable[Operand]) -> str:
    return ", ".join(map(_operand, operands))


def _operand(operand: Operand) -> str:
    if isinstance(operand, Const):
        return _text(operand.value)
    return f"v{operand.id}"


def _text(value: Any) -> str:
    if isinstance(value, (set, frozenset)):
        return "{" + ", ".join(sorted(_text(unkey(member)) for member in value)) + "}"
    return json.dumps(to_json(value), ensure_ascii=False, default=str)
