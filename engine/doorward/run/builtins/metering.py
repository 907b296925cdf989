"""What built-ins cost: the longer their arguments and results, the more of the evaluation's budget they take.

Without this one step could be made to double a text or an array, and few dozen steps to fill any memory.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Final

from doorward.run.errors import BuiltinError
from doorward.run.values import Key, Value

from .builtin import Builtin, BuiltinCall, Table
from .operands import ARRAYS, MAX_ITEMS, MAX_TEXT, SETS

__all__ = ["metered", "unfolded"]

_CHARACTERS_A_STEP: Final = 16
"""Characters that are read or made in about the time of one step."""

_FREE: Final = 256
"""Characters that cost nothing: what nearly every call reads and makes must not be slowed down by counting."""

_PART: Final = 16
"""What a member of a collection counts for where texts count their characters."""

_COMPOSITE: Final = frozenset({dict, *ARRAYS, *SETS})

_SHALLOW: Final = frozenset(
    """
    all and any array.concat array.flatten array.reverse array.slice base64.decode base64.encode base64url.decode
    base64url.encode base64url.encode_no_pad cast_array cast_set concat crypto.hmac.md5 crypto.hmac.sha1 crypto.hmac.sha256
    crypto.hmac.sha512 crypto.md5 crypto.parse_private_keys crypto.sha1 crypto.sha256
    crypto.x509.parse_and_verify_certificates crypto.x509.parse_and_verify_certificates_with_options
    crypto.x509.parse_certificate_request crypto.x509.parse_certificates crypto.x509.parse_keypair
    crypto.x509.parse_rsa_private_key glob.quote_meta graph.reachable graph.reachable_paths graphql.is_valid
    graphql.parse graphql.parse_and_verify graphql.parse_query graphql.parse_schema graphql.schema_is_valid
    hex.decode hex.encode indexof_n intersection io.jwt.decode io.jwt.decode_verify io.jwt.verify_eddsa
    io.jwt.verify_es256 io.jwt.verify_es384 io.jwt.verify_es512 io.jwt.verify_hs256 io.jwt.verify_hs384
    io.jwt.verify_hs512 io.jwt.verify_ps256 io.jwt.verify_ps384 io.jwt.verify_ps512 io.jwt.verify_rs256
    io.jwt.verify_rs384 io.jwt.verify_rs512 json.is_valid json.unmarshal lower max min minus net.cidr_contains_matches
    net.cidr_expand net.cidr_merge numbers.range numbers.range_step object.filter object.keys object.remove or
    re_match regex.find_all_string_submatch_n regex.find_n regex.match regex.replace regex.split
    regex.template_match replace set_diff sort split strings.any_prefix_match strings.any_suffix_match
    strings.replace_n strings.reverse strings.split_n substring trim trim_left trim_prefix trim_right trim_space
    trim_suffix union upper urlquery.decode urlquery.decode_object urlquery.encode yaml.is_valid yaml.unmarshal
    """.split()  # noqa: SIM905
)
"""Those whose work grows with their arguments' length, or that of what they give."""

_DEEP: Final = frozenset(
    """
    internal.template_string io.jwt.encode_sign json.filter json.marshal json.marshal_with_options json.match_schema
    json.patch json.remove json.verify_schema object.subset object.union object.union_n sprintf
    strings.render_template urlquery.encode_object yaml.marshal
    """.split()  # noqa: SIM905
)
"""Those that go through all of an argument, parts of parts too."""

_SLOW: Final = {
    **dict.fromkeys(
        ("json.unmarshal", "strings.replace_n", "yaml.is_valid", "yaml.marshal", "yaml.unmarshal"), 16
    ),
    **dict.fromkeys(("urlquery.decode_object", "urlquery.encode_object"), 4),
    **dict.fromkeys(("regex.find_all_string_submatch_n", "regex.find_n", "regex.replace", "regex.split"), 64),
}
"""How many times as long the slow ones take."""


def unfolded(value: Value) -> int:
    """The size of a value when written out: its characters, and 16 for each member of a collection.

    A value of few parts may hold them so often that writing it out would never end; finding its size takes one
    look at each part.
    """
    if type(value) not in _COMPOSITE:
        return len(value) if type(value) is str else 0
    sizes: dict[int, int] = {}
    waiting = [value]
    while waiting:
        whole = waiting[-1]
        if id(whole) in sizes:
            waiting.pop()
            continue
        size = 0
        pending = len(waiting)
        for part in _parts(whole):
            kind = type(part)
            if kind in _COMPOSITE:
                known = sizes.get(id(part))
                if known is None:
                    waiting.append(part)
                else:
                    size += known
            elif kind is str:
                size += len(part)
        if len(waiting) == pending:
            sizes[id(whole)] = size + _PART * (len(whole) + 1)
            waiting.pop()
    return sizes[id(value)]


def _parts(whole: Value) -> list[Value]:
    if type(whole) is dict:
        return [*(form.value if type(form) is Key else form for form in whole), *whole.values()]
    if type(whole) in SETS:
        return [form.value if type(form) is Key else form for form in whole]
    return list(whole)


def metered(table: Table) -> Table:
    """The table with the built-ins in it that could be made to work for long charging for what they do."""
    return {name: _metered(builtin) for name, builtin in table.items()}


def _metered(builtin: Builtin) -> Builtin:
    name = builtin.name
    if name not in _SHALLOW and name not in _DEEP:
        return builtin
    weigh = _length if name in _SHALLOW else unfolded
    function = builtin.call if builtin.needs_call else _without_call(builtin.call)
    charging = wraps(builtin.call)(_charging(name, function, weigh, _SLOW.get(name, 1)))
    return Builtin(name, charging, needs_call=True, bind=builtin.bind)


def _without_call(function: Callable[..., Value]) -> Callable[..., Value]:
    return lambda _call, *args: function(*args)


def _charging(
    name: str, function: Callable[..., Value], weigh: Callable[[Value], int], factor: int
) -> Callable[..., Value]:
    """The function, taking what its arguments' size, times `factor`, and its result's are worth from the budget."""

    def charging(call: BuiltinCall, *args: Value) -> Value:
        size = 0
        for arg in args:
            kind = type(arg)
            if kind is str:
                size += len(arg)
            elif kind in _COMPOSITE:
                size += weigh(arg)
        if size > _FREE:
            if size > 2 * MAX_TEXT + _PART * MAX_ITEMS:
                raise BuiltinError(
                    f"{name}: the arguments are too large: {_many(size)} characters when written out"
                )
            call.charge(size * factor // _CHARACTERS_A_STEP)
        result = function(call, *args)
        kind = type(result)
        if kind is str:
            if len(result) > _FREE:
                if len(result) > MAX_TEXT:
                    raise BuiltinError(f"{name}: the result is longer than {MAX_TEXT} characters")
                call.charge(len(result) // _CHARACTERS_A_STEP)
        elif kind in _COMPOSITE and len(result) > _CHARACTERS_A_STEP:
            if len(result) > MAX_ITEMS:
                raise BuiltinError(f"{name}: the result has more than {MAX_ITEMS} members")
            call.charge(len(result))
        return result

    return charging


def _length(value: Value) -> int:
    """The size of a value without looking into its parts."""
    return len(value) if type(value) is str else _PART * len(value)


def _many(size: int) -> str:
    return str(size) if size < 10**15 else "more than 10^15"
