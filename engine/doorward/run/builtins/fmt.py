"""The verbs of Go's `fmt`, as `sprintf` offers them.

A mistake in a template does not fail: it shows in the result, as `%!d(string=x)`, `%!d(MISSING)` or `%!(EXTRA
int64=1)`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from doorward.run.errors import BuiltinError
from doorward.run.values import Value

from .numeric import number_text, sized
from .operands import MAX_TEXT, NUMBERS, utf8
from .terms import quoted, term_text

__all__ = ["sprintf"]

_MAX_WIDTH: Final = 1_000_000
_INT64: Final = 1 << 63
_FLAGS: Final = {"#": "sharp", "0": "zero", "+": "plus", "-": "minus", " ": "space"}
_BASES: Final = {"b": ("b", "0b"), "o": ("o", "0"), "O": ("o", "0o"), "x": ("x", "0x"), "X": ("X", "0X")}

Argument = int | float | str


@dataclass(slots=True)
class _Verb:
    """One directive: `%[flags][width][.precision]verb`."""

    flags: set[str] = field(default_factory=set)
    width: int | None = None
    precision: int | None = None
    letter: str = ""

    def pad(self, text: str) -> str:
        missing = (self.width or 0) - len(text)
        if missing <= 0:
            return text
        if "minus" in self.flags:
            return text + " " * missing
        return ("0" if "zero" in self.flags else " ") * missing + text

    def pad_number(self, sign: str, text: str) -> str:
        """Padded, with zeros between the sign and the digits where zeros are asked for."""
        if "zero" in self.flags and "minus" not in self.flags and self.width is not None:
            return sign + text.rjust(self.width - len(sign), "0")
        missing = (self.width or 0) - len(sign) - len(text)
        blank = " " * max(missing, 0)
        return sign + text + blank if "minus" in self.flags else blank + sign + text

    def sign(self, negative: bool) -> str:
        return "-" if negative else "+" if "plus" in self.flags else " " if "space" in self.flags else ""


def sprintf(template: str, values: list[Value]) -> str:
    """The template with the values put in."""
    return _Template(template, [_argument(value) for value in values]).filled()


def _argument(value: Value) -> Argument:
    if type(value) is Decimal or type(value) is float:
        double = float(value)
        return double if abs(double) != float("inf") else number_text(value)
    if type(value) in NUMBERS or type(value) is str:
        return value  # type: ignore[no-any-return]
    return term_text(value)


def _type(argument: Argument) -> str:
    if type(argument) is int:
        return "int64" if _small(argument) else "big.Int"
    return "float64" if type(argument) is float else "string"


def _small(value: int) -> bool:
    return -_INT64 <= value < _INT64


class _Template:
    """A template on its way from left to right."""

    def __init__(self, text: str, arguments: list[Argument]) -> None:
        self.text = text
        self.arguments = arguments
        self.place = 0
        self.next = 0
        self.reordered = False
        self.good_index = True

    def filled(self) -> str:
        parts: list[str] = []
        size = 0
        while True:
            percent = self.text.find("%", self.place)
            parts.append(self.text[self.place : percent if percent >= 0 else None])
            if percent < 0:
                break
            self.place = percent + 1
            parts.append(self.directive())
            size += len(parts[-1]) + len(parts[-2])
            if size > MAX_TEXT:
                raise BuiltinError(f"sprintf: the result would be longer than {MAX_TEXT} characters")
        if not self.reordered and self.next < len(self.arguments):
            extra = (f"{_star(one)}={_put(_Verb(letter='v'), one)}" for one in self.arguments[self.next :])
            parts.append(f"%!(EXTRA {', '.join(extra)})")
        return "".join(parts)

    def directive(self) -> str:
        verb, problems = _Verb(), ""
        self.good_index = True
        while self.at() in _FLAGS:
            verb.flags.add(_FLAGS[self.at()])
            self.place += 1
        indexed = self.index()
        if self.at() == "*":
            self.place += 1
            verb.width = self.count()
            if verb.width is None:
                problems += "%!(BADWIDTH)"
            elif verb.width < 0:
                verb.width = -verb.width
                verb.flags = verb.flags - {"zero"} | {"minus"}
            indexed = False
        else:
            verb.width = self.digits()
            if indexed and verb.width is not None:
                self.good_index = False
        if self.at() == "." and self.place + 1 < len(self.text):
            self.place += 1
            if indexed:
                self.good_index = False
            indexed = self.index()
            if self.at() == "*":
                self.place += 1
                verb.precision = self.count()
                if verb.precision is None or verb.precision < 0:
                    problems += "%!(BADPREC)"
                    verb.precision = None
                indexed = False
            else:
                verb.precision = self.digits() or 0
        if not indexed:
            self.index()
        verb.letter = self.at()
        self.place += 1
        return problems + self.result(verb)

    def result(self, verb: _Verb) -> str:
        if not verb.letter:
            return "%!(NOVERB)"
        if verb.letter == "%":
            return "%"
        if not self.good_index:
            return f"%!{verb.letter}(BADINDEX)"
        if self.next >= len(self.arguments):
            return f"%!{verb.letter}(MISSING)"
        argument = self.arguments[self.next]
        self.next += 1
        if verb.letter in "vw" and _type(argument) != "big.Int":
            # these take `#` and `+` for themselves: Go syntax, and names of fields
            verb.flags = verb.flags - {"sharp", "plus"} | ({"syntax"} if "sharp" in verb.flags else set())
        return _put(verb, argument)

    def at(self) -> str:
        return self.text[self.place : self.place + 1]

    def digits(self) -> int | None:
        start = self.place
        while self.at() and self.at() in "0123456789":
            self.place += 1
        if start == self.place:
            return None
        if self.place - start > 7 or int(self.text[start : self.place]) > _MAX_WIDTH:
            raise BuiltinError(f"sprintf: a width or precision over {_MAX_WIDTH} is refused")
        return int(self.text[start : self.place])

    def count(self) -> int | None:
        """The argument that stands for a `*`, None where it is not a fitting integer."""
        if self.next >= len(self.arguments):
            return None
        found = self.arguments[self.next]
        self.next += 1
        return found if type(found) is int and abs(found) <= _MAX_WIDTH else None

    def index(self) -> bool:
        """Take an explicit index, `[n]`; whether there was one."""
        if self.at() != "[":
            return False
        self.reordered = True
        end = self.text.find("]", self.place)
        inside = self.text[self.place + 1 : end] if end > 0 else ""
        self.place = end + 1 if end > 0 else self.place + 1
        if inside.isdecimal() and len(inside) < 8 and 1 <= int(inside) <= len(self.arguments):
            self.next = int(inside) - 1
            return True
        self.good_index = False
        return end > 0


def _star(argument: Argument) -> str:
    kind = _type(argument)
    return f"*{kind}" if kind == "big.Int" else kind


def _put(verb: _Verb, argument: Argument) -> str:
    if verb.letter == "T":
        return verb.pad(_star(argument)[: verb.precision])
    if type(argument) is int:
        done = _integer(verb, argument)
    elif type(argument) is float:
        done = _float(verb, argument)
    else:
        done = _string(verb, str(argument))
    if done is not None:
        return done
    plain = _Verb(verb.flags, verb.width, verb.precision, "v")
    if type(argument) is int and not _small(argument):
        return f"%!{verb.letter}(big.Int={argument})"
    return f"%!{verb.letter}({_type(argument)}={_put(plain, argument)})"


def _integer(verb: _Verb, value: int) -> str | None:
    letter = verb.letter
    sized("sprintf", value)
    if letter in "dv" or (letter == "s" and not _small(value)):
        digits, prefix = str(abs(value)), ""
    elif letter in _BASES:
        base, prefix = _BASES[letter]
        digits = format(abs(value), base)
        if letter == "O":
            digits = "0" + digits if "sharp" in verb.flags and not digits.startswith("0") else digits
        elif "sharp" not in verb.flags:
            prefix = ""
    elif letter in "cqU" and _small(value):
        return _character(verb, value)
    else:
        return None
    flags = verb.flags
    if verb.precision is not None:
        digits = "" if verb.precision == 0 and value == 0 else digits.rjust(verb.precision, "0")
        flags = flags - {"zero"}
        if not digits:
            return " " * (verb.width or 0)
    if letter == "o" and digits.startswith("0"):
        prefix = ""
    plain = _Verb(flags, verb.width, None, letter)
    if "zero" in flags and "minus" not in flags and verb.width is not None and _small(value):
        # zeros count as digits, so that a prefix comes on top of the width
        sign = verb.sign(value < 0)
        return sign + prefix + digits.rjust(verb.width - len(sign), "0")
    return plain.pad_number(verb.sign(value < 0) + prefix, digits)


def _character(verb: _Verb, value: int) -> str:
    char = chr(value) if 0 <= value < 0x110000 and not 0xD800 <= value < 0xE000 else "\ufffd"
    if verb.letter == "c":
        return verb.pad(char)
    if verb.letter == "q":
        inside = quoted(char)[1:-1].replace('\\"', '"')
        if "plus" in verb.flags and not char.isascii():
            inside = f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
        return verb.pad("'" + ("\\'" if char == "'" else inside) + "'")
    code = f"U+{value & (2 * _INT64 - 1):0{max(verb.precision or 0, 4)}X}"
    if "sharp" in verb.flags and char.isprintable():
        code += f" '{char}'"
    return _Verb(verb.flags - {"zero"}, verb.width).pad(code)


def _float(verb: _Verb, value: float) -> str | None:
    letter, precision = verb.letter, verb.precision
    size = abs(value)
    if letter in "vgG":
        text = _general(size, precision, keep_zeros="sharp" in verb.flags)
        text = text.upper() if letter == "G" else text
    elif letter in "fF":
        text = f"{size:.{6 if precision is None else precision}f}"
    elif letter in "eE":
        text = f"{size:.{6 if precision is None else precision}{letter}}"
    elif letter in "xXb":
        text = _binary(letter, size, precision)
    else:
        return None
    negative = value < 0 or (value == 0 and str(value).startswith("-"))
    return verb.pad_number(verb.sign(negative), text)


def _general(size: float, precision: int | None, *, keep_zeros: bool = False) -> str:
    """`%g`: so many digits, or the fewest that give the number back; with an exponent from `1e+06` on."""
    if precision is not None or keep_zeros:
        return format(size, f"{'#' if keep_zeros else ''}.{6 if precision is None else precision}g")
    _, digits, exponent = Decimal(repr(size)).normalize().as_tuple()
    text = "".join(map(str, digits))
    point = len(text) + int(exponent) - 1 if size else 0
    if not -4 <= point < 6:
        return (
            f"{text[0]}{'.' if len(text) > 1 else ''}{text[1:]}e{'-' if point < 0 else '+'}{abs(point):02d}"
        )
    return format(Decimal(repr(size)).normalize(), "f")


def _binary(letter: str, size: float, precision: int | None) -> str:
    """`%x` and `%b`: the significand in base 16 or 10 and the exponent of two."""
    fraction, exponent = math.frexp(size)
    whole, exponent = int(fraction * (1 << 53)), exponent - 1
    if letter == "b":
        return f"{whole}p{exponent - 52:+d}"
    if not whole:
        exponent = 0
    places = 13
    if precision is not None and precision < places:
        spare = 4 * (places - precision)
        half, low = 1 << (spare - 1), whole & ((1 << spare) - 1)
        whole >>= spare
        if low > half or (low == half and whole & 1):
            whole += 1
        places = precision
        if whole >> (4 * places + 1):
            whole, exponent = whole >> 1, exponent + 1
    digits = f"{whole & ((1 << 4 * places) - 1):0{places}x}" if places else ""
    digits = digits.rstrip("0") if precision is None else digits.ljust(precision, "0")
    text = f"0x{whole >> (4 * places)}{'.' if digits else ''}{digits}p{exponent:+03d}"
    return text.upper() if letter == "X" else text


def _string(verb: _Verb, value: str) -> str | None:
    letter = verb.letter
    if letter in "xX":
        data = utf8(value)[: verb.precision]
        spaced = "space" in verb.flags
        digits = data.hex(" ") if spaced else data.hex()
        if "sharp" in verb.flags and data:
            digits = " ".join("0x" + pair for pair in digits.split(" "))
        return verb.pad(digits.upper() if letter == "X" else digits)
    cut = value[: verb.precision]
    if letter == "q" or (letter == "v" and "syntax" in verb.flags):
        if "sharp" in verb.flags and letter == "q" and "`" not in cut and (cut.isprintable() or "\t" in cut):
            return verb.pad(f"`{cut}`")
        text = quoted(cut)
        if "plus" in verb.flags:
            text = "".join(c if c.isascii() else _ascii(c) for c in text)
        return verb.pad(text)
    return verb.pad(cut) if letter in "sv" else None


def _ascii(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
