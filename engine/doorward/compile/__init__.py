"""From a checked program to Python functions: tree → plan → Python → code objects.

`compile_program` is the way in, `Compiled` what comes out.
"""

from __future__ import annotations

from doorward.compile.compiled import Compiled, CompileOptions, Function, compile_program, run
from doorward.compile.findings import (
    AllowPayload,
    ApprovePayload,
    BlockPayload,
    CredentialPayload,
    Failed,
    Findings,
    Held,
    MaskerSpec,
    MaskPayload,
    Payload,
    StatementInfo,
    Target,
)
from doorward.compile.library import ProgramCode
from doorward.compile.replacements import FunctionName, Replaced, Replacements
from doorward.run.context import CallContext

__all__ = [
    "AllowPayload",
    "ApprovePayload",
    "BlockPayload",
    "CallContext",
    "CompileOptions",
    "Compiled",
    "CredentialPayload",
    "Failed",
    "Findings",
    "Function",
    "FunctionName",
    "Held",
    "MaskPayload",
    "MaskerSpec",
    "Payload",
    "ProgramCode",
    "Replaced",
    "Replacements",
    "StatementInfo",
    "Target",
    "compile_program",
    "run",
]
