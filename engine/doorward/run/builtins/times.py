"""Time: instants are nanoseconds since 1970 that fit in 64 bits; the calendar and zones come from the tz
database.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from doorward.run.errors import BuiltinError
from doorward.run.values import Value

from .builtin import BuiltinCall, contextual, pure
from .golayout import LAYOUTS, WEEKDAYS, Moment, days_from_civil, days_in_month, form, parse
from .operands import ARRAYS, NUMBERS, exact_integer, integer, number, string, wrong_type
from .terms import quoted

__all__ = ["BUILTINS"]

_INT64: Final = 1 << 63
_SECOND: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": _SECOND,
    "m": 60 * _SECOND,
    "h": 3600 * _SECOND,
}
_HOURS: Final = {"d": 24, "w": 7 * 24, "y": 365 * 24}
_PART: Final = re.compile(r"([0-9]*)(\.[0-9]*)?([^0-9.]*)")
_LONG_PART: Final = re.compile(r"([0-9.]+)(ms|us|µs|ns|[a-z])")


def now_ns(call: BuiltinCall) -> Value:
    return call.now_ns


def parse_ns(layout: Value, value: Value) -> Value:
    name = "time.parse_ns"
    shape, text = string(name, 1, layout), string(name, 2, value)
    return _parsed(name, LAYOUTS.get(shape, shape), text)


def parse_rfc3339_ns(value: Value) -> Value:
    name = "time.parse_rfc3339_ns"
    return _parsed(name, LAYOUTS["RFC3339"], string(name, 1, value))


def _parsed(name: str, layout: str, text: str) -> int:
    try:
        moment = parse(layout, text)
    except ValueError as error:
        raise BuiltinError(f"{name}: {error}") from None
    return _checked(name, moment.nanoseconds())


def _checked(name: str, instant: int) -> int:
    if not -_INT64 <= instant < _INT64:
        raise BuiltinError(f"{name}: time outside of valid range")
    return instant


def _zone(name: str, key: str) -> tzinfo:
    if key in ("", "UTC", "Local"):  # a policy must not depend on where it runs
        return UTC
    if ".." in key or key[0] in "/\\":
        raise BuiltinError(f"{name}: time: invalid location name")
    try:
        return ZoneInfo(key)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BuiltinError(f"{name}: unknown time zone {key}") from None


def _instant(name: str, value: Value) -> tuple[int, tzinfo, str]:
    """The nanoseconds, the zone and the layout of `ns`, `[ns, zone]` or `[ns, zone, layout]`."""
    zone: tzinfo = UTC
    layout, ns = "", value
    if type(value) in ARRAYS and value:
        ns = number(name, 1, value[0])
        if len(value) > 1:
            zone = _zone(name, string(name, 1, value[1]))
        if len(value) > 2:
            layout = string(name, 1, value[2])
    elif type(value) not in NUMBERS:
        raise wrong_type(name, 1, value, "either number (ns) or [number (ns), string (tz)]")
    exact = exact_integer(ns)
    if exact is None or not -_INT64 <= exact < _INT64:
        raise BuiltinError(f"{name}: timestamp too big")
    return exact, zone, layout


def _offset(seconds: int, zone: tzinfo) -> tuple[int, str]:
    """Seconds east of UTC, and the zone's abbreviation, at an instant in seconds."""
    if zone is UTC:
        return 0, "UTC"
    local = (_EPOCH + timedelta(seconds=seconds)).astimezone(zone)
    east = local.utcoffset() or timedelta(0)
    return round(east.total_seconds()), local.tzname() or ""


def _moment(ns: int, zone: tzinfo) -> Moment:
    seconds, nanosecond = divmod(ns, _SECOND)
    east, abbreviation = _offset(seconds, zone)
    at = _EPOCH + timedelta(seconds=seconds + east)
    return Moment(at.year, at.month, at.day, at.hour, at.minute, at.second, nanosecond, east, abbreviation)


def form_instant(value: Value) -> Value:
    ns, zone, layout = _instant("time.format", value)
    shape = LAYOUTS.get(layout, layout) if layout else LAYOUTS["RFC3339Nano"]
    return form(_moment(ns, zone), shape)


def date(value: Value) -> Value:
    ns, zone, _ = _instant("time.date", value)
    at = _moment(ns, zone)
    return [at.year, at.month, at.day]


def clock(value: Value) -> Value:
    ns, zone, _ = _instant("time.clock", value)
    at = _moment(ns, zone)
    return [at.hour, at.minute, at.second]


def weekday(value: Value) -> Value:
    ns, zone, _ = _instant("time.weekday", value)
    at = _moment(ns, zone)
    return WEEKDAYS[(days_from_civil(at.year, at.month, at.day) + 3) % 7]


def add_date(value: Value, years: Value, months: Value, days: Value) -> Value:
    name = "time.add_date"
    ns, zone, _ = _instant(name, value)
    add_years, add_months, add_days = (
        integer(name, 2, years),
        integer(name, 3, months),
        integer(name, 4, days),
    )
    at = _moment(ns, zone)
    day = days_from_civil(at.year + add_years, at.month + add_months, at.day + add_days)
    local = ((day * 24 + at.hour) * 60 + at.minute) * 60 + at.second
    _checked(name, local * _SECOND)
    # a local time that the zone's clocks skip or show twice is settled as Go does
    guess, _ = _offset(local, zone)
    east, _ = _offset(local - guess, zone)
    return _checked(name, (local - east) * _SECOND + at.nanosecond)


def diff(first: Value, second: Value) -> Value:
    name = "time.diff"
    ns1, zone, _ = _instant(name, first)
    ns2, _, _ = _instant(name, second)
    earlier, later = _moment(min(ns1, ns2), zone), _moment(max(ns1, ns2), zone)
    year, month, day = later.year - earlier.year, later.month - earlier.month, later.day - earlier.day
    seconds = _of_day(later) - _of_day(earlier)
    if seconds < 0:
        seconds += 24 * 3600
        day -= 1
    if day < 0:
        day += days_in_month(earlier.year, earlier.month)
        month -= 1
    if month < 0:
        month += 12
        year -= 1
    return [year, month, day, seconds // 3600, seconds // 60 % 60, seconds % 60]


def _of_day(at: Moment) -> int:
    return (at.hour * 60 + at.minute) * 60 + at.second


def parse_duration_ns(value: Value) -> Value:
    text = string("time.parse_duration_ns", 1, value)
    plain = _in_hours(text) if any(unit in text for unit in _HOURS) else text
    return _duration(text, plain)


def _in_hours(text: str) -> str:
    """The duration with days, weeks and years as hours."""
    sign, rest = (text[0], text[1:]) if text[:1] in ("-", "+") else ("", text)
    parts, place = [], 0
    while place < len(rest):
        match = _LONG_PART.match(rest, place)
        if match is None:
            raise _bad_duration("invalid duration", text)
        digits, unit = match.groups()
        if unit in _HOURS:
            if re.fullmatch(r"[0-9]+\.?[0-9]*|\.[0-9]+", digits) is None:
                raise _bad_duration("invalid duration", text)
            digits, unit = f"{float(digits) * _HOURS[unit]:.9f}", "h"
        parts.append(digits + unit)
        place = match.end()
    if not parts:
        raise _bad_duration("invalid duration", text)
    return sign + "".join(parts)


def _duration(text: str, plain: str) -> int:
    negative, rest = plain.startswith("-"), plain[1:] if plain[:1] in ("-", "+") else plain
    if rest == "0":
        return 0
    if not rest:
        raise _bad_duration("invalid duration", text)
    total, place = 0, 0
    while place < len(rest):
        match = _PART.match(rest, place)
        if match is None or not (match[1] or len(match[2] or "") > 1):
            raise _bad_duration("invalid duration", text)
        whole, fraction, unit = match.groups()
        if not unit:
            raise _bad_duration("missing unit in duration", text)
        if unit not in _UNITS:
            raise _bad_duration(f"unknown unit {quoted(unit)} in duration", text)
        size = len(whole)
        if size > 20 or (total := total + int(whole or 0) * _UNITS[unit]) > _INT64:
            raise _bad_duration("invalid duration", text)
        digits = (fraction or ".")[1:][:18]
        if digits:
            total += int(float(int(digits)) * (float(_UNITS[unit]) / 10.0 ** len(digits)))
        place = match.end()
    if total > _INT64 - (not negative):
        raise _bad_duration("invalid duration", text)
    return -total if negative else total


def _bad_duration(what: str, text: str) -> BuiltinError:
    return BuiltinError(f"time.parse_duration_ns: time: {what} {quoted(text)}")


BUILTINS: Final = {
    **contextual({"time.now_ns": now_ns}),
    **pure(
        {
            "time.parse_ns": parse_ns,
            "time.parse_rfc3339_ns": parse_rfc3339_ns,
            "time.parse_duration_ns": parse_duration_ns,
            "time.format": form_instant,
            "time.date": date,
            "time.clock": clock,
            "time.weekday": weekday,
            "time.add_date": add_date,
            "time.diff": diff,
        }
    ),
}
