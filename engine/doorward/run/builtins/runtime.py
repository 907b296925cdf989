"""What a policy may learn of the process that decides: nothing, so that a decision depends on the request
alone.
"""

from __future__ import annotations

from typing import Final

from doorward.run.values import Value

from .builtin import pure

__all__ = ["BUILTINS"]


def opa_runtime() -> Value:
    return {}


BUILTINS: Final = pure({"opa.runtime": opa_runtime})
