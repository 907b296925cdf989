"""Detectors: where in a text something stands that should not be seen.

Each takes a text and gives spans, from left to right, that do not overlap. Patterns are RE2, so that no text makes them slow;
what has a check digit, or a range that nobody is given, is checked, for most numbers of that form are something else.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import re2

__all__ = ["DETECTORS", "Detector", "Span"]

Span: TypeAlias = tuple[int, int]
"""Begin and end, in characters."""

Detector: TypeAlias = Callable[[str], Iterator[Span]]

_CARD_LENGTHS: Final = range(19, 12, -1)
_CARD_FIRST: Final = frozenset("23456")
_IBAN_LENGTHS: Final = range(15, 35)

_DIGITS: Final = re2.compile(r"[0-9](?:[ -]?[0-9]){12,}")
_EMAIL: Final = re2.compile(r"[\pL0-9._%+-]+@[\pL0-9-]+(?:\.[\pL0-9-]+)+")
_IBAN: Final = re2.compile(r"\b[A-Z]{2}[0-9]{2}(?: ?[0-9A-Z]){11,30}\b")
_IPV4: Final = re2.compile(r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b")
_IPV6: Final = re2.compile(r"[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:\.[0-9]{1,3}){0,3}")
_JWT: Final = re2.compile(r"\beyJ[0-9A-Za-z_-]+\.eyJ[0-9A-Za-z_-]+\.[0-9A-Za-z_-]*")
_PHONE: Final = re2.compile(
    r"\+[0-9][0-9 ()./-]{6,18}[0-9]|\(?\b[0-9]{3}\)?[ .-][0-9]{3}[ .-][0-9]{4}\b|\b00[1-9][0-9 ()./-]{6,18}[0-9]"
)
_SSN: Final = re2.compile(r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b")
_SECRET: Final = re2.compile(
    "|".join(
        (
            r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)",
            r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
            r"\bAIza[0-9A-Za-z_-]{35}",
            r"\bgh[pousr]_[0-9A-Za-z]{36,}",
            r"\bgithub_pat_[0-9A-Za-z_]{22,}",
            r"\bglpat-[0-9A-Za-z_-]{20,}",
            r"\bnpm_[0-9A-Za-z]{36}",
            r"\bsk-[0-9A-Za-z_-]{20,}",
            r"\b[rs]k_(?:live|test)_[0-9A-Za-z]{16,}",
            r"\bxox[abeoprs]-[0-9A-Za-z-]{10,}",
            r"\bdwc_[0-9A-Za-z_-]{40,}",
            r"\b[a-z][a-z0-9+.-]*://[^\s:/@]*:[^\s:/@]+@",
            r"(?i:\b(?:api[ _-]?key|secret[ _-]?key|access[ _-]?key|client[ _-]?secret|passwd|password)\b"
            r"[\"']?\s*[:=]\s*[\"']?[^\s\"',;]{6,})",
        )
    )
)


def _found(pattern: re2._Regexp) -> Detector:
    def detect(text: str) -> Iterator[Span]:
        for match in pattern.finditer(text):
            yield match.span()

    return detect


def card_number(text: str) -> Iterator[Span]:
    """Numbers of payment cards (ISO/IEC 7812): 13 to 19 digits with the right check digit, alone or in groups."""
    for match in _DIGITS.finditer(text):
        run = match.group()
        places = [at for at, character in enumerate(run) if character not in " -"]
        digits = "".join(run[at] for at in places)
        begins = [n for n, at in enumerate(places) if at == 0 or run[at - 1] in " -"]
        ends = {n + 1 for n, at in enumerate(places) if at + 1 == len(run) or run[at + 1] in " -"}
        after = 0
        for begin in begins:
            if begin < after or digits[begin] not in _CARD_FIRST:
                continue
            for length in _CARD_LENGTHS:
                end = begin + length
                if end in ends and _luhn(digits[begin:end]):
                    yield match.start() + places[begin], match.start() + places[end - 1] + 1
                    after = end
                    break


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def iban(text: str) -> Iterator[Span]:
    """International bank account numbers (ISO 13616) with the right check digits."""
    for match in _IBAN.finditer(text):
        # what follows may look like more of it: the longest that checks is it
        found = match.group()
        for end in range(len(found), 0, -1):
            plain = found[:end].replace(" ", "")
            if found[end - 1] != " " and len(plain) in _IBAN_LENGTHS and _mod_97(plain):
                yield match.start(), match.start() + end
                break


def _mod_97(plain: str) -> bool:
    return int("".join(str(int(character, 36)) for character in plain[4:] + plain[:4])) % 97 == 1


def ip_address(text: str) -> Iterator[Span]:
    """Addresses of both versions."""
    spans = [match.span() for pattern in (_IPV6, _IPV4) for match in pattern.finditer(text)]
    after = 0
    for begin, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if begin >= after and _is_address(text[begin:end]):
            yield begin, end
            after = end


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return text != "::"


def ssn(text: str) -> Iterator[Span]:
    """United States social security numbers, but those that are never given out."""
    for match in _SSN.finditer(text):
        area, group, serial = match.group().split("-")
        if area not in ("000", "666") and area[0] != "9" and group != "00" and serial != "0000":
            yield match.span()


DETECTORS: Final[dict[str, Detector]] = {
    "card_number": card_number,
    "email": _found(_EMAIL),
    "iban": iban,
    "ip_address": ip_address,
    "jwt": _found(_JWT),
    "phone": _found(_PHONE),
    "secret_key": _found(_SECRET),
    "ssn": ssn,
}
"""By the name that policies use."""
