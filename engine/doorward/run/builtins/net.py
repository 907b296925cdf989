"""Networks and addresses, and the look-up of names behind the network capability."""

from __future__ import annotations

import re
import socket
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, summarize_address_range
from socket import AF_INET, inet_pton
from typing import Final

from doorward.run.errors import BuiltinError
from doorward.run.values import Value, key

from .builtin import BuiltinCall, Meter, contextual, pure
from .effectful import effectful, permit_host
from .operands import ARRAYS, MAX_ITEMS, SETS, bounded, items, members, string

__all__ = ["BUILTINS", "MAX_ADDRESSES"]

MAX_ADDRESSES: Final = 1 << 18
"""The most addresses that `net.cidr_expand` lists."""

_STEPS_A_NETWORK: Final = 8
"""What reading a network takes."""

_LONGEST: Final = 64
"""No network takes more characters."""

_PREFIX: Final = re.compile(r"[0-9]{1,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Network:
    """A network as the numbers of its first and last address, with its width in bits (32 or 128)."""

    first: int
    last: int
    width: int
    shown: str = ""
    ends: tuple[bytes, bytes] | None = None
    """First and last address of a network of IPv4 in the order of bytes, which is also theirs."""

    def holds(self, other: _Network) -> bool:
        return self.width == other.width and self.first <= other.first and other.last <= self.last

    def meets(self, other: _Network) -> bool:
        return self.width == other.width and self.first <= other.last and other.first <= self.last


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """The address; one of IPv4 written as IPv6 is one of IPv4. None where the text is none."""
    if "%" in text:
        return None
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return found if mapped is None else mapped


@lru_cache(maxsize=4096)
def _network(text: str) -> _Network | None:
    # Remembered, because the networks of a policy are asked about in every evaluation.
    if len(text) > _LONGEST:
        return None
    host, slash, prefix = text.partition("/")
    address = _address(host)
    if not slash or address is None or _PREFIX.fullmatch(prefix) is None:
        return None
    bits, written = int(prefix), 128 if ":" in host else 32
    if bits > written:
        return None
    if written == 128 and address.version == 4:
        if bits < 96:
            return None
        bits -= 96
    width = 32 if address.version == 4 else 128
    size = 1 << (width - bits)
    first = int(address) // size * size
    last = first + size - 1
    ends = (first.to_bytes(4, "big"), last.to_bytes(4, "big")) if width == 32 else None
    return _Network(first, last, width, f"{type(address)(first)}/{bits}", ends)


def _parsed(name: str, text: str) -> _Network:
    found = _network(text)
    if found is None:
        raise BuiltinError(f"{name}: invalid CIDR address: {text}")
    return found


def is_valid(value: Value) -> bool:
    return type(value) is str and _network(value) is not None


def intersects(left: Value, right: Value) -> bool:
    name = "net.cidr_intersects"
    first = _parsed(name, string(name, 1, left))
    return first.meets(_parsed(name, string(name, 1, right)))


def contains(network: Value, part: Value) -> bool:
    # What policies nearly always ask, an address of IPv4 in a network of theirs, takes no more than it has to.
    if type(network) is str and type(part) is str:
        whole = _network(network)
        if whole is not None and whole.ends is not None:
            try:
                address = inet_pton(AF_INET, part)
            except (OSError, ValueError):
                pass
            else:
                low, high = whole.ends
                return low <= address <= high
    return _contains("net.cidr_contains", network, part)


def overlap(network: Value, part: Value) -> bool:
    return _contains("net.cidr_overlap", network, part)


def _contains(name: str, network: Value, part: Value) -> bool:
    whole = _parsed(name, string(name, 1, network))
    text = string(name, 1, part)
    try:
        number = int.from_bytes(inet_pton(AF_INET, text), "big")
    except (OSError, ValueError):
        pass  # no address of IPv4, or a network
    else:
        return whole.width == 32 and whole.first <= number <= whole.last
    return whole.holds(_part(name, text))


def _part(name: str, text: str) -> _Network:
    """A network, or an address as the network of one."""
    address = _address(text)
    if address is not None:
        return _Network(int(address), int(address), 32 if address.version == 4 else 128)
    found = _network(text)
    if found is None:
        raise BuiltinError(f"{name}: not a valid textual representation of an IP address or CIDR: {text}")
    return found


def contains_matches(meter: Meter, networks: Value, parts: Value) -> Value:
    """The pairs of places. What is within a network begins within it, so the parts are looked at in that order."""
    name = "net.cidr_contains_matches"
    wholes = list(_indexed(name, 1, networks))
    if not wholes:
        return frozenset()
    inner = [(_part(name, string(name, 2, text)), index) for text, index in _indexed(name, 2, parts)]
    if not inner:
        return frozenset()
    outer = [(_parsed(name, string(name, 1, text)), place) for text, place in wholes]
    meter.charge(_STEPS_A_NETWORK * (len(inner) + len(outer)))
    found = set()
    for width in (32, 128):
        within = sorted(
            (one for one in inner if one[0].width == width), key=lambda one: (one[0].first, one[0].last)
        )
        starts = [one.first for one, _ in within]
        for network, place in outer:
            if network.width != width:
                continue
            begin, end = bisect_left(starts, network.first), bisect_right(starts, network.last)
            meter.charge(end - begin)
            for one, index in within[begin:end]:
                if one.last <= network.last:
                    found.add(key([place, index]))
                    meter.charge(2)
            bounded(name, len(found), MAX_ITEMS)
    return frozenset(found)


def _indexed(name: str, position: int, value: Value) -> Iterator[tuple[Value, Value]]:
    """The texts of a collection (or the one text), each with what the result calls it."""
    if type(value) is str:
        yield value, value
        return
    if type(value) in ARRAYS:
        pairs = list(enumerate(value))
    elif type(value) in SETS:
        pairs = [(member, member) for member in members(value)]
    else:
        pairs = items(value) if type(value) is dict else []
    for place, item in pairs:
        if type(item) in ARRAYS and item:
            yield item[0], place
        elif type(item) is str:
            yield item, place
        else:
            raise BuiltinError(f"{name}: operand {position}: element must be string or non-empty array")


def expand(meter: Meter, network: Value) -> Value:
    name = "net.cidr_expand"
    found = _parsed(name, string(name, 1, network))
    bounded(name, found.last - found.first + 1, MAX_ADDRESSES)
    meter.charge((found.last - found.first) * found.width // 16)
    kind = IPv4Address if found.width == 32 else IPv6Address
    return frozenset(str(kind(number)) for number in range(found.first, found.last + 1))


def merge(meter: Meter, networks: Value) -> Value:
    name = "net.cidr_merge"
    if type(networks) not in ARRAYS and type(networks) not in SETS:
        raise BuiltinError(f"{name}: operand must be an array")
    listed = members(networks) if type(networks) in SETS else networks
    meter.charge(2 * _STEPS_A_NETWORK * len(listed))
    ranges = sorted((_to_merge(name, item) for item in listed), key=lambda r: (r.width, r.first, r.last))
    merged: list[_Network] = []
    for one in ranges:
        before = merged[-1] if merged else None
        if before is not None and before.width == one.width and one.first <= before.last + 1:
            merged[-1] = _Network(before.first, max(before.last, one.last), one.width)
        else:
            merged.append(one)
    return frozenset(text for one in merged for text in _written(one))


def _to_merge(name: str, item: Value) -> _Network:
    if type(item) is not str:
        raise BuiltinError(f"{name}: element must be string")
    address = _address(item)
    if address is None:
        return _parsed(name, item)
    if address.version == 6:
        raise BuiltinError(f"{name}: IPv6 invalid: needs prefix length")
    # a bare address stands for its class, as addresses had before networks were written out
    top = int(address) >> 24
    bits = 8 if top < 128 else 16 if top < 192 else 24
    whole = _parsed(name, f"{address}/{bits}")
    return _Network(whole.first, whole.last, 32, f"{address}/{bits}")


def _written(network: _Network) -> Iterator[str]:
    if network.shown:
        yield network.shown
    elif network.width == 32:
        yield from map(str, summarize_address_range(IPv4Address(network.first), IPv4Address(network.last)))
    else:
        yield from map(str, summarize_address_range(IPv6Address(network.first), IPv6Address(network.last)))


def lookup(call: BuiltinCall, host: Value) -> Value:
    name = "net.lookup_ip_addr"
    wanted = string(name, 1, host)
    address = _address(wanted)
    if address is not None:
        return frozenset([str(address)])
    permit_host(call, name, wanted)
    try:
        answers = socket.getaddrinfo(wanted, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise BuiltinError(f"{name}: lookup {wanted}: {error}") from None
    return frozenset(str(answer[4][0]).partition("%")[0] for answer in answers)


BUILTINS: Final = {
    **pure(
        {
            "net.cidr_is_valid": is_valid,
            "net.cidr_intersects": intersects,
            "net.cidr_contains": contains,
            "net.cidr_overlap": overlap,
        }
    ),
    **contextual(
        {
            "net.cidr_contains_matches": contains_matches,
            "net.cidr_expand": expand,
            "net.cidr_merge": merge,
        }
    ),
    "net.lookup_ip_addr": effectful("net.lookup_ip_addr", lookup, revived=frozenset),
}
