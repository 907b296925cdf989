"""A policy set as files that OPA can load.

    acme/customers.ward   acme/customers.rego          every statement a rule of the set of its verb
    legacy.rego           legacy.rego                  as it is
    *.json, *.yaml        data.json                    all data
                          doorward/decision.rego       what statements ask for, combined: data.doorward.decision
                          doorward/export.rego         which rules take part for which kinds of request

What is written is compiled again before it is handed out, so that a policy that cannot be said in plain Rego (a package that
uses `block` for its own rule as well as for statements) is refused rather than changed.
"""

from __future__ import annotations

from decimal import Decimal
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any, Final

import orjson

from doorward.author.export.asked import export_module
from doorward.engine import PolicySet, compile_policies
from doorward.engine.kinds import kinds_of
from doorward_dsl import CompileError, DoorwardError, Module, ParseError, Program, Source, translate
from doorward_dsl.compile import compile_modules
from doorward_dsl.format import format_source, print_module
from doorward_dsl.parse import parse_module

__all__ = ["ExportError", "export_rego"]

_PACKAGE: Final = "doorward"
_HEADER: Final = """\
# Exported by Doorward from `{name}`; change it there.
#
# Ask `data.doorward.decision`, with the complete document of a request as input. Not in this export: {tests}masks
# resolved to the columns of an answer, and that errors restrict (take an error or no answer for a block, and ask with
# --strict-builtin-errors). A question about a masked column is blocked by `sql.columns_filtered`, joins included.
"""


class ExportError(DoorwardError):
    """The policies cannot be said in plain Rego without a change of meaning."""


def export_rego(policies: PolicySet) -> dict[str, bytes]:
    """The files of an export by name, relative and with `/`. Raises PolicyError, ExportError."""
    program = compile_policies(policies)
    _refuse_clashes(policies, program)
    written: dict[str, str] = {}
    plain = [source for source in policies.sources if source.dialect == "rego"]
    for source in plain:
        written[source.name] = source.text
    for module in translate(program):
        if not module.rules:
            continue  # nothing but test blocks
        written[_name(module, written)] = _text(module)
    exported = _compiled(written)
    kinds = tuple(sorted(kinds_of(policies)))
    written[f"{_PACKAGE}/export.rego"] = print_module(export_module(program, exported, kinds))
    written[f"{_PACKAGE}/decision.rego"] = (
        files("doorward.author.export").joinpath("combine.rego").read_text("utf-8")
    )
    _compiled(written)
    contents = {name: text.encode() for name, text in sorted(written.items())}
    contents["data.json"] = _json(policies.data)
    return contents


def _refuse_clashes(policies: PolicySet, program: Program) -> None:
    if _PACKAGE in policies.data or any(module.package[0] == _PACKAGE for module in program.modules):
        raise ExportError(f"`data.{_PACKAGE}` is taken, which the export needs for itself")
    for one in program.statements:
        if (*one.package, one.verb) in program.rules:
            name = ".".join(one.package)
            raise ExportError(
                f"package `{name}` has a rule `{one.verb}` of its own beside its statements: rename it ({one.span})"
            )


def _name(module: Module, taken: dict[str, str]) -> str:
    path = PurePosixPath(module.span.source.name)
    name = path.with_suffix(".rego").as_posix()
    return f"{path.as_posix()}.rego" if name in taken else name


def _text(module: Module) -> str:
    """A translated module with its header, in canonical form."""
    source = module.span.source
    tests = len(parse_module(source).tests)
    counted = {0: "", 1: "a test block; "}.get(tests, f"{tests} test blocks; ")
    printed = print_module(_without_imports(module))
    name = source.name.encode("unicode_escape").decode()
    return format_source(Source("m.rego", f"{_HEADER.format(name=name, tests=counted)}\n{printed}"))


def _without_imports(module: Module) -> Module:
    from dataclasses import replace

    return replace(module, imports=())


def _compiled(written: dict[str, str]) -> Program:
    """The export, compiled as plain Rego. Raises ExportError."""
    try:
        return compile_modules([parse_module(Source(name, text)) for name, text in sorted(written.items())])
    except (ParseError, CompileError) as error:
        raise ExportError(f"the policies cannot be said in plain Rego: {error}") from error


def _json(data: Any) -> bytes:
    return orjson.dumps(_exact(data), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


def _exact(value: Any) -> Any:
    """A value whose numbers are written digit by digit, also where no float or machine integer holds them."""
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_exact(item) for item in value]
    if isinstance(value, Decimal) or (isinstance(value, int) and abs(value) >= 1 << 53):
        return orjson.Fragment(str(value).encode())
    return value
