"""Rego's built-in functions on the values of `doorward.run.values`.

`BUILTINS` maps each name to its function; the signatures are data, in `doorward_dsl/builtins.json`. A family
is a file with an explicit table; nothing is registered by being imported.
"""

from __future__ import annotations

from typing import Final

from . import (
    aggregates,
    aws,
    certificates,
    composites,
    crypto,
    encoding,
    formats,
    globs,
    graph,
    graphqls,
    http,
    json_patch,
    json_schemas,
    json_text,
    jwt,
    net,
    numbers,
    operators,
    parse_module,
    regexes,
    runtime,
    strings,
    templates,
    times,
    types,
    units,
    uri,
    yaml_text,
)
from .builtin import Builtin, BuiltinCall, Table
from .metering import metered

__all__ = ["BUILTINS", "Builtin", "BuiltinCall", "Table"]

BUILTINS: Final[Table] = metered(
    {
        **aggregates.BUILTINS,
        **aws.BUILTINS,
        **certificates.BUILTINS,
        **composites.BUILTINS,
        **crypto.BUILTINS,
        **encoding.BUILTINS,
        **formats.BUILTINS,
        **globs.BUILTINS,
        **graph.BUILTINS,
        **graphqls.BUILTINS,
        **http.BUILTINS,
        **json_patch.BUILTINS,
        **json_schemas.BUILTINS,
        **json_text.BUILTINS,
        **jwt.BUILTINS,
        **net.BUILTINS,
        **numbers.BUILTINS,
        **operators.BUILTINS,
        **parse_module.BUILTINS,
        **regexes.BUILTINS,
        **runtime.BUILTINS,
        **strings.BUILTINS,
        **templates.BUILTINS,
        **times.BUILTINS,
        **types.BUILTINS,
        **units.BUILTINS,
        **uri.BUILTINS,
        **yaml_text.BUILTINS,
    }
)
"""Every built-in by its dotted name."""
