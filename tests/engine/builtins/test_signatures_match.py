"""The signatures that are data and the functions that are code tell the same story."""

from __future__ import annotations

import inspect
import json
from importlib import resources

import pytest

from doorward.run.builtins import BUILTINS

from .calls import parameters

SIGNATURES = json.loads((resources.files("doorward_dsl") / "builtins.json").read_text("utf-8"))
# answered by the compiler, which knows where a call stands
COMPILED = {"rego.metadata.chain", "rego.metadata.rule"}


def test_every_signature_has_a_function() -> None:
    assert set(SIGNATURES) - COMPILED == set(BUILTINS)


@pytest.mark.parametrize("name", sorted(BUILTINS))
def test_arity(name: str) -> None:
    signature, builtin = SIGNATURES[name], BUILTINS[name]
    assert builtin.name == name
    assert builtin.relation == signature.get("relation", False)
    listed = parameters(name)
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in listed):
        return
    assert not signature["variadic"]
    required = [parameter for parameter in listed if parameter.default is parameter.empty]
    assert len(required) == len(signature["args"])


def test_what_depends_on_more_than_its_arguments_is_not_called_deterministic() -> None:
    contextual = {name for name in BUILTINS if "call" in inspect.signature(BUILTINS[name].call).parameters}
    certificates = {name for name in contextual if name.startswith("crypto.x509.")}
    assert not {name for name in contextual - certificates if SIGNATURES[name]["deterministic"]}
