"""Instants as text in Go's layouts, where a reference time (`Mon Jan 2 15:04:05 MST 2006`) shows how to
write.

`form` writes, `parse` reads; both know nanoseconds and years 0 to 9999, which `datetime` does not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from .terms import quoted

__all__ = ["LAYOUTS", "MONTHS", "WEEKDAYS", "Moment", "days_from_civil", "days_in_month", "form", "parse"]

LAYOUTS: Final = {
    "ANSIC": "Mon Jan _2 15:04:05 2006",
    "UnixDate": "Mon Jan _2 15:04:05 MST 2006",
    "RubyDate": "Mon Jan 02 15:04:05 -0700 2006",
    "RFC822": "02 Jan 06 15:04 MST",
    "RFC822Z": "02 Jan 06 15:04 -0700",
    "RFC850": "Monday, 02-Jan-06 15:04:05 MST",
    "RFC1123": "Mon, 02 Jan 2006 15:04:05 MST",
    "RFC1123Z": "Mon, 02 Jan 2006 15:04:05 -0700",
    "RFC3339": "2006-01-02T15:04:05Z07:00",
    "RFC3339Nano": "2006-01-02T15:04:05.999999999Z07:00",
}
"""The layouts that go by a name."""

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

_ELEMENT: Final = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|0[1-6]|002|15|1|2006|2|(?<=_)2006|__2|_2(?!006)|3|4|5|PM|pm"
    r"|[-Z]07:00:00|[-Z]070000|[-Z]07:00|[-Z]0700|[-Z]07|[.,](?:0+|9+)(?![0-9])"
)


@dataclass(slots=True)
class Moment:
    """A date and a time of day in some zone. `offset` is seconds east of UTC."""

    year: int = 0
    month: int = 1
    day: int = 1
    hour: int = 0
    minute: int = 0
    second: int = 0
    nanosecond: int = 0
    offset: int = 0
    zone: str = ""

    def nanoseconds(self) -> int:
        """The instant in nanoseconds since 1970."""
        days = days_from_civil(self.year, self.month, self.day)
        seconds = ((days * 24 + self.hour) * 60 + self.minute) * 60 + self.second - self.offset
        return seconds * 1_000_000_000 + self.nanosecond


def days_from_civil(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the Gregorian calendar; month and day may be out of range and carry over."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    # count years from March, so that the leap day comes last
    shifted = year - (month <= 2)
    era, of_era = divmod(shifted, 400)
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def days_in_month(year: int, month: int) -> int:
    """The number of days of a month (1 to 12)."""
    return days_from_civil(year, month + 1, 1) - days_from_civil(year, month, 1)


def form(moment: Moment, layout: str) -> str:
    """The moment in a layout."""
    return _ELEMENT.sub(lambda match: _shown(moment, match.group()), layout)


def _shown(at: Moment, element: str) -> str:
    kind = element[0]
    if kind in ".,":
        digits = f"{at.nanosecond:09d}".ljust(len(element) - 1, "0")[: len(element) - 1]
        if element[1] == "9":
            digits = digits.rstrip("0")
        return kind + digits if digits else ""
    if element == "MST":
        return at.zone or _offset(at.offset, "-07" if at.offset % 3600 == 0 else "-0700")
    if element[1:3] == "07" and kind in "-Z":
        return "Z" if kind == "Z" and at.offset == 0 else _offset(at.offset, element)
    days = days_from_civil(at.year, at.month, at.day)
    year_day = days - days_from_civil(at.year, 1, 1) + 1
    weekday = WEEKDAYS[(days + 3) % 7]
    half = "PM" if at.hour >= 12 else "AM"
    return {
        "January": MONTHS[at.month - 1],
        "Jan": MONTHS[at.month - 1][:3],
        "1": str(at.month),
        "01": f"{at.month:02d}",
        "Monday": weekday,
        "Mon": weekday[:3],
        "2": str(at.day),
        "_2": f"{at.day:2d}",
        "02": f"{at.day:02d}",
        "__2": f"{year_day:3d}",
        "002": f"{year_day:03d}",
        "15": f"{at.hour:02d}",
        "3": str(at.hour % 12 or 12),
        "03": f"{at.hour % 12 or 12:02d}",
        "4": str(at.minute),
        "04": f"{at.minute:02d}",
        "5": str(at.second),
        "05": f"{at.second:02d}",
        "2006": f"{at.year:04d}",
        "06": f"{at.year % 100:02d}",
        "PM": half,
        "pm": half.lower(),
    }[element]


def _offset(seconds: int, element: str) -> str:
    size = abs(seconds)
    parts = [f"{size // 3600:02d}", f"{size // 60 % 60:02d}", f"{size % 60:02d}"]
    colon = ":" if ":" in element else ""
    shown = parts[: len(element.replace(":", "")) // 2]
    return ("-" if seconds < 0 else "+") + colon.join(shown)


def parse(layout: str, text: str) -> Moment:
    """The moment that a text in a layout stands for; UTC where it names no offset. Raises ValueError."""
    return _Parser(layout, text).moment()


class _Mismatch(Exception):
    """The text does not show what the layout has here; or, with `what`, shows a number that is out of range."""

    def __init__(self, what: str = "") -> None:
        super().__init__(what)
        self.what = what


class _Parser:
    """Takes a text apart from left to right, by the elements of its layout."""

    def __init__(self, layout: str, text: str) -> None:
        self.layout = layout
        self.text = text
        self.rest = text
        self.at = Moment()
        self.found_day: int | None = None
        self.year_day: int | None = None
        self.month: int | None = None
        self.half = ""

    def moment(self) -> Moment:
        place = 0
        for match in _ELEMENT.finditer(self.layout):
            self.skip(self.layout[place : match.start()])
            place = match.end()
            hold = self.rest
            try:
                self.take(match.group(), self.layout[place:])
            except _Mismatch as mismatch:
                if mismatch.what:
                    raise self.problem(f": {mismatch.what} out of range") from None
                raise self.expected(hold, match.group()) from None
        self.skip(self.layout[place:])
        if self.rest:
            raise self.problem(f": extra text: {quoted(self.rest)}")
        self.settle()
        return self.at

    def problem(self, what: str) -> ValueError:
        return ValueError(f"parsing time {quoted(self.text)}{what}")

    def expected(self, found: str, element: str) -> ValueError:
        return self.problem(f" as {quoted(self.layout)}: cannot parse {quoted(found)} as {quoted(element)}")

    def skip(self, prefix: str) -> None:
        literal, hold = prefix, self.rest
        while literal:
            if literal[0] == " ":
                if self.rest and self.rest[0] != " ":
                    raise self.expected(hold, prefix)
                literal, self.rest = literal.lstrip(" "), self.rest.lstrip(" ")
            elif not self.rest or self.rest[0] != literal[0]:
                raise self.expected(hold, prefix)
            else:
                literal, self.rest = literal[1:], self.rest[1:]

    def settle(self) -> None:
        at = self.at
        if self.half == "PM" and at.hour < 12:
            at.hour += 12
        elif self.half == "AM" and at.hour == 12:
            at.hour = 0
        year_days = days_from_civil(at.year + 1, 1, 1) - days_from_civil(at.year, 1, 1)
        if self.year_day is not None:
            if not 1 <= self.year_day <= year_days:
                raise self.problem(": day-of-year out of range")
            month, day = 1, self.year_day
            while day > days_in_month(at.year, month):
                day -= days_in_month(at.year, month)
                month += 1
            if self.month not in (None, month):
                raise self.problem(": day-of-year does not match month")
            if self.found_day not in (None, day):
                raise self.problem(": day-of-year does not match day")
            at.month, at.day = month, day
            return
        at.month = 1 if self.month is None else self.month
        at.day = 1 if self.found_day is None else self.found_day
        if not 1 <= at.day <= days_in_month(at.year, at.month):
            raise self.problem(": day out of range")

    def take(self, element: str, after: str) -> None:
        at, kind = self.at, element[0]
        if kind in ".,":
            self.fraction(len(element) - 1 if element[1] == "0" else None)
        elif element == "2006":
            at.year = int(self.matched(r"[0-9]{4}"))
        elif element == "06":
            short = int(self.matched(r"[0-9]{2}"))
            at.year = short + (1900 if short >= 69 else 2000)
        elif element in ("January", "Jan"):
            self.month = self.name(MONTHS, short=element == "Jan") + 1
        elif element in ("Monday", "Mon"):
            self.name(WEEKDAYS, short=element == "Mon")
        elif element in ("1", "01"):
            self.month = self.number(element, 1, 12, "month")
        elif element in ("2", "_2", "02"):
            if element == "_2":
                self.rest = self.rest.removeprefix(" ")
            self.found_day = self.number(element, 0, 99, "day")
        elif element in ("002", "__2"):
            self.year_day = int(self.matched(r"[0-9]{3}" if element == "002" else r" {0,2}[0-9]{1,3}"))
        elif element == "15":
            at.hour = self.number("3", 0, 23, "hour")
        elif element in ("3", "03"):
            at.hour = self.number(element, 0, 12, "hour")
        elif element in ("4", "04"):
            at.minute = self.number(element, 0, 59, "minute")
        elif element in ("5", "05"):
            at.second = self.number(element, 0, 59, "second")
            following = _ELEMENT.search(after)
            if following is None or following.group()[0] not in ".,":
                self.fraction(None)
        elif element in ("PM", "pm"):
            self.half = self.matched("AM|PM" if element == "PM" else "am|pm").upper()
        elif element == "MST":
            self.abbreviation()
        else:
            self.offset(element)

    def matched(self, pattern: str) -> str:
        match = re.match(pattern, self.rest)
        if match is None:
            raise _Mismatch
        self.rest = self.rest[match.end() :]
        return match.group()

    def number(self, element: str, low: int, high: int, what: str) -> int:
        value = int(self.matched(r"[0-9]{2}" if element[0] == "0" else r"[0-9]{1,2}"))
        if not low <= value <= high:
            raise _Mismatch(what)
        return value

    def name(self, names: tuple[str, ...], *, short: bool) -> int:
        for index, name in enumerate(names):
            wanted = name[:3] if short else name
            if self.rest[: len(wanted)].lower() == wanted.lower():
                self.rest = self.rest[len(wanted) :]
                return index
        raise _Mismatch

    def fraction(self, digits: int | None) -> None:
        """So many digits after a point or comma; without a number, any that are there."""
        if digits is None:
            match = re.match(r"[.,]([0-9]+)", self.rest)
            if match is None:
                return
            self.rest = self.rest[match.end() :]
            found = match[1]
        else:
            found = self.matched(rf"[.,][0-9]{{{digits}}}")[1:]
        self.at.nanosecond = int(found[:9].ljust(9, "0"))

    def abbreviation(self) -> None:
        if self.rest.startswith("UTC"):
            self.rest, self.at.zone = self.rest[3:], "UTC"
            return
        # an abbreviation that is not UTC says nothing: the same one stands for several offsets
        self.at.zone = self.matched(
            r"ChST|MeST|GMT(?:[-+](?:2[0-3]|1[0-9]|0?[0-9])(?![0-9]))?|[-+](?:2[0-3]|1[0-9]|0?[0-9])(?![0-9])"
            r"|(?:[A-Z]{4}T|WITA|[A-Z]{3}T|[A-Z]{3})(?![A-Z])"
        )

    def offset(self, element: str) -> None:
        if element[0] == "Z" and self.rest.startswith("Z"):
            self.rest = self.rest[1:]
            return
        pattern = element[1:].replace("07", "[0-9]{2}").replace("00", "[0-9]{2}")
        text = self.matched(f"[-+]{pattern}").replace(":", "")
        hours, minutes, seconds = int(text[1:3]), int(text[3:5] or 0), int(text[5:7] or 0)
        for value, limit, what in ((hours, 24, "hour"), (minutes, 60, "minute"), (seconds, 60, "second")):
            if value > limit:
                raise _Mismatch(f"time zone offset {what}")
        size = (hours * 60 + minutes) * 60 + seconds
        self.at.offset = -size if text[0] == "-" else size
