"""Strings: search, cut, trim, replace, join."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from doorward.run.errors import BuiltinError
from doorward.run.values import Value

from .builtin import Meter, contextual, pure
from .operands import (
    ARRAYS,
    SETS,
    bounded,
    integer,
    items,
    mapping,
    members,
    operand_error,
    string,
    strings,
    wrong_element,
    wrong_type,
)

__all__ = ["BUILTINS"]

# what Go takes for white space
_SPACE: Final = "".join(
    map(
        chr,
        (
            *range(9, 14),
            32,
            0x85,
            0xA0,
            0x1680,
            *range(0x2000, 0x200B),
            0x2028,
            0x2029,
            0x202F,
            0x205F,
            0x3000,
        ),
    )
)


def contains(text: Value, part: Value) -> bool:
    base = string("contains", 1, text)
    return string("contains", 2, part) in base


def startswith(text: Value, prefix: Value) -> bool:
    return string("startswith", 1, text).startswith(string("startswith", 2, prefix))


def endswith(text: Value, suffix: Value) -> bool:
    return string("endswith", 1, text).endswith(string("endswith", 2, suffix))


def lower(text: Value) -> Value:
    return _each_alone(string("lower", 1, text), str.lower)


def upper(text: Value) -> Value:
    return _each_alone(string("upper", 1, text), str.upper)


def _each_alone(text: str, convert: Callable[[str], str]) -> str:
    """The case of each character by itself, as Go has it: `ß` has no capital of one character and stays."""
    if text.isascii():
        return convert(text)
    converted = (convert(char) for char in text)
    return "".join(
        [
            new if len(new) == 1 else _SPECIAL_CASE.get(old, old)
            for old, new in zip(text, converted, strict=True)
        ]
    )


_SPECIAL_CASE: Final = {"İ": "i"}


def indexof(text: Value, part: Value) -> Value:
    base, search = string("indexof", 1, text), string("indexof", 2, part)
    if not search:
        raise BuiltinError("indexof: empty search character")
    return base.find(search)


def indexof_n(meter: Meter, text: Value, part: Value) -> Value:
    base, search = string("indexof_n", 1, text), string("indexof_n", 2, part)
    if not search:
        raise BuiltinError("indexof_n: empty search character")
    found = []
    place = base.find(search)
    # places may overlap, so that each takes a look at all of what is searched for
    steps = len(search) >> 10
    while place >= 0:
        found.append(place)
        if steps:
            meter.charge(steps)
        place = base.find(search, place + 1)
    return found


def substring(text: Value, offset: Value, length: Value) -> Value:
    base = string("substring", 1, text)
    start, size = integer("substring", 2, offset), integer("substring", 3, length)
    if start < 0:
        raise BuiltinError("substring: negative offset")
    return base[start:] if size < 0 else base[start : start + size]


def occurrences(text: Value, part: Value) -> Value:
    return string("strings.count", 1, text).count(string("strings.count", 2, part))


def _split(text: str, delimiter: str) -> list[str]:
    return text.split(delimiter) if delimiter else list(text)


def split(text: Value, delimiter: Value) -> Value:
    base, cut = string("split", 1, text), string("split", 2, delimiter)
    return _split(base, cut)


def split_n(text: Value, delimiter: Value, limit: Value) -> Value:
    name = "strings.split_n"
    base, cut, wanted = string(name, 1, text), string(name, 2, delimiter), integer(name, 3, limit)
    parts = _split(base, cut)
    return parts[:wanted] if wanted >= 0 else parts[max(len(parts) + wanted, 0) :]


def concat(delimiter: Value, parts: Value) -> Value:
    join = string("concat", 1, delimiter)
    if type(parts) in SETS:
        texts = members(parts)
    elif type(parts) in ARRAYS:
        texts = parts
    else:
        raise wrong_type("concat", 2, parts, "set", "array")
    size = 0
    for text in texts:
        if type(text) is not str:
            raise wrong_element("concat", 2, parts, text, "string")
        size += len(text) + len(join)
    bounded("concat", size)
    return join.join(texts)


def replace(text: Value, old: Value, new: Value) -> Value:
    base, search, put = string("replace", 1, text), string("replace", 2, old), string("replace", 3, new)
    if len(put) > len(search):
        bounded("replace", len(base) + base.count(search) * (len(put) - len(search)))
    return base.replace(search, put)


def replace_n(meter: Meter, pairs: Value, text: Value) -> Value:
    name = "strings.replace_n"
    patterns, base = mapping(name, 1, pairs), string(name, 2, text)
    table: dict[str, str] = {}
    for old, new in items(patterns):
        if type(old) is not str:
            raise operand_error(name, 1, "non-string key found in pattern object")
        if type(new) is not str:
            raise operand_error(name, 1, "non-string value found in pattern object")
        table[old] = new
    if not table:
        return base
    size = len(base)
    parts: list[str] = []
    end = 0
    # the first key, in order, that matches at a place wins: so `ab` never gets a chance beside `a`
    few = sum(map(len, table)) <= _FEW
    for old, place in _with_pattern(table, base) if few else _with_lengths(meter, table, base):
        new = table[old]
        size += len(new)
        bounded(name, size)
        parts += base[end:place], new
        end = place + len(old)
    return "".join([*parts, base[end:]])


_FEW: Final = 256
"""Characters of all keys together up to which trying one after the other at each place is soon done."""


def _with_pattern(keys: Mapping[str, str], text: str) -> Iterator[tuple[str, int]]:
    """Each key that is found, and where."""
    for match in re.finditer("|".join(map(re.escape, keys)), text):
        yield match.group(), match.start()


def _with_lengths(meter: Meter, keys: Mapping[str, str], text: str) -> Iterator[tuple[str, int]]:
    """The same for many keys: of those that match at a place the first in order is the shortest."""
    by_start: dict[str, set[int]] = {}
    for one in keys:
        by_start.setdefault(one[:1], set()).add(len(one))
    if "" in by_start:
        yield from _with_pattern({"": keys[""]}, text)
        return
    lengths = {start: sorted(found) for start, found in by_start.items()}
    place, end = 0, len(text)
    while place < end:
        tried = lengths.get(text[place], ())
        meter.charge(len(tried))
        for length in tried:
            old = text[place : place + length]
            if old in keys:
                yield old, place
                place += length
                break
        else:
            place += 1


def trim(text: Value, cutset: Value) -> Value:
    base, cut = string("trim", 1, text), string("trim", 2, cutset)
    return _without(base, cut, left=True, right=True)


def trim_left(text: Value, cutset: Value) -> Value:
    base, cut = string("trim_left", 1, text), string("trim_left", 2, cutset)
    return _without(base, cut, left=True)


def trim_right(text: Value, cutset: Value) -> Value:
    base, cut = string("trim_right", 1, text), string("trim_right", 2, cutset)
    return _without(base, cut, right=True)


def _without(text: str, cutset: str, *, left: bool = False, right: bool = False) -> str:
    """The text without characters of a set at its ends. The one of Python looks through all of the set each time."""
    cut = set(cutset)
    start, end = 0, len(text)
    while left and start < end and text[start] in cut:
        start += 1
    while right and start < end and text[end - 1] in cut:
        end -= 1
    return text[start:end]


def trim_prefix(text: Value, prefix: Value) -> Value:
    return string("trim_prefix", 1, text).removeprefix(string("trim_prefix", 2, prefix))


def trim_suffix(text: Value, suffix: Value) -> Value:
    return string("trim_suffix", 1, text).removesuffix(string("trim_suffix", 2, suffix))


def trim_space(text: Value) -> Value:
    return string("trim_space", 1, text).strip(_SPACE)


def reverse(text: Value) -> Value:
    return string("strings.reverse", 1, text)[::-1]


def any_prefix(texts: Value, prefixes: Value) -> bool:
    name = "strings.any_prefix_match"
    found, wanted = _texts(name, 1, texts), set(_texts(name, 2, prefixes))
    lengths = sorted(set(map(len, wanted)))
    return any(text[:size] in wanted for text in found for size in lengths)


def any_suffix(texts: Value, suffixes: Value) -> bool:
    name = "strings.any_suffix_match"
    found, wanted = _texts(name, 1, texts), set(_texts(name, 2, suffixes))
    lengths = sorted(set(map(len, wanted)))
    return any(text[max(len(text) - size, 0) :] in wanted for text in found for size in lengths)


def _texts(name: str, position: int, value: Value) -> list[str]:
    if type(value) is str:
        return [value]
    if type(value) not in ARRAYS and type(value) not in SETS:
        raise wrong_type(name, position, value, "string", "set", "array")
    return strings(name, position, value)


_PURE: Final = pure(
    {
        "contains": contains,
        "startswith": startswith,
        "endswith": endswith,
        "lower": lower,
        "upper": upper,
        "indexof": indexof,
        "substring": substring,
        "split": split,
        "concat": concat,
        "replace": replace,
        "trim": trim,
        "trim_left": trim_left,
        "trim_right": trim_right,
        "trim_prefix": trim_prefix,
        "trim_suffix": trim_suffix,
        "trim_space": trim_space,
        "strings.count": occurrences,
        "strings.split_n": split_n,
        "strings.reverse": reverse,
        "strings.any_prefix_match": any_prefix,
        "strings.any_suffix_match": any_suffix,
    }
)

BUILTINS: Final = {**_PURE, **contextual({"indexof_n": indexof_n, "strings.replace_n": replace_n})}
