"""Calls of built-ins of which all arguments are known when compiling, worked out then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from doorward.compile.plan import Const, Operand
from doorward.run.budget import Limits
from doorward.run.builtins import BUILTINS
from doorward.run.builtins.metering import unfolded
from doorward.run.context import CallContext
from doorward.run.errors import EvaluationError
from doorward.run.values import UNDEFINED

__all__ = ["folded"]

_FOLDED: Final = frozenset(
    """
    abs array.concat array.flatten array.reverse array.slice base64.decode base64.encode base64url.decode
    base64url.encode base64url.encode_no_pad bits.and bits.lsh bits.negate bits.or bits.rsh bits.xor ceil concat contains
    count crypto.md5 crypto.sha1 crypto.sha256 div endswith floor format_int glob.match glob.quote_meta hex.decode
    hex.encode indexof intersection json.marshal json.unmarshal lower max min minus mul net.cidr_contains numbers.range
    object.get object.keys object.union plus product regex.match regex.replace regex.split rem replace round
    semver.compare sort split sprintf startswith strings.replace_n strings.reverse substring sum time.add_date time.clock
    time.date time.diff time.parse_duration_ns time.parse_ns time.parse_rfc3339_ns time.weekday to_number trim trim_left
    trim_prefix trim_right trim_space trim_suffix type_name union units.parse units.parse_bytes upper urlquery.encode
    """.split()  # noqa: SIM905
)
"""Those that depend on nothing but their arguments, and that policies call with literals."""

_LIMITS: Final = Limits(steps=1_000, wall_ms=1_000)
_LARGEST: Final = 4_096
"""Characters of a result when written out: what is longer is made when it is wanted."""


def folded(name: str, args: Sequence[Operand]) -> Const | None:
    """What a built-in gives, or None where that is not known. Where it fails, it is to fail when it runs."""
    values = [arg.value for arg in args if isinstance(arg, Const)]
    if name not in _FOLDED or len(values) < len(args):
        return None
    builtin = BUILTINS[name]
    call = CallContext(now_ns=0, limits=_LIMITS)
    try:
        value = builtin.call(call, *values) if builtin.needs_call else builtin.call(*values)
    except (EvaluationError, RecursionError):
        return None
    if value is UNDEFINED or unfolded(value) > _LARGEST:
        return None
    return Const(frozenset(value) if type(value) is set else value)
