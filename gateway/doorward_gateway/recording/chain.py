"""The form of one record, and the chain.

A line of the log is a JSON object in UTF-8, without spaces, its members in this order: `body`, `kind`,
`node`, `prev`, `seq`, `session`, `time`, and last `hash`; members of `body` are sorted by name, at every
depth.

- `seq` counts from 1, without gaps, over all segments of a directory.
- `prev` is the `hash` of the record before; of the first, 64 zeros.
- `hash` is the SHA-256, in hex, of the line as it stands **without its last member**: of the bytes before the
  last `,"hash":"`, and a closing brace.

So whoever wants to check a log needs no JSON library that agrees with ours in every detail:

    import hashlib, json, pathlib, sys
    seq, prev = 0, "0" * 64
    for file in sorted(pathlib.Path(sys.argv[1]).glob("segment-*.jsonl")):
        for line in file.read_bytes().splitlines():
            record = json.loads(line)
            covered, _, _ = line.rpartition(b',"hash":"')
            seq += 1
            assert record["hash"] == hashlib.sha256(covered + b"}").hexdigest(), (file, seq, "changed")
            assert (record["seq"], record["prev"]) == (seq, prev), (file, seq, "dropped or reordered")
            prev = record["hash"]
    head = json.loads((pathlib.Path(sys.argv[1]) / "HEAD").read_bytes())
    assert head["seq"] <= seq, "cut off"

The file `HEAD` names the last record that was acknowledged, `{"hash":…,"seq":…}`; without it, records cut off
the end would not be missed. The first record is of kind `genesis`, the first of every later segment of kind
`segment`; both carry the version of this form. `recovered` says what a crash left and where that was put.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

__all__ = [
    "FORMAT",
    "GENESIS_PREV",
    "HEAD_NAME",
    "HEAD_SIZE",
    "MAX_LINE",
    "MalformedRecord",
    "Record",
    "decode",
    "encode",
    "encode_body",
    "head_bytes",
    "read_head",
    "segment_name",
]

FORMAT: Final = 1
GENESIS_PREV: Final = "0" * 64
HEAD_NAME: Final = "HEAD"
HEAD_SIZE: Final = 128
MAX_LINE: Final = 16 << 20
"""The longest line, in bytes."""

_TAIL: Final = b',"hash":"'
_TAIL_LENGTH: Final = len(_TAIL) + 64 + len(b'"}')
_TYPES: Final = {
    "body": dict,
    "kind": str,
    "node": str,
    "prev": str,
    "seq": int,
    "session": str,
    "time": str,
    "hash": str,
}


class MalformedRecord(ValueError):
    """A line is not a record, or not the one that was written. The message says which, in a few words.

    `cut_short`: its end is missing.
    """

    def __init__(self, message: str, *, cut_short: bool = False) -> None:
        super().__init__(message)
        self.cut_short = cut_short


@dataclass(frozen=True, slots=True)
class Record:
    """One record, as read back; `body` depends on `kind`, see `bodies`."""

    seq: int
    time: str
    node: str
    session: str
    kind: str
    body: Mapping[str, Any]
    prev: str
    hash: str

    def document(self) -> dict[str, Any]:
        """The record as JSON, as it stands in the log."""
        return {name: getattr(self, name) for name in _TYPES}


def encode_body(body: Mapping[str, Any]) -> bytes:
    """The canonical bytes of a body. Raises `ValueError` for what JSON cannot hold."""
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def encode(
    seq: int, time: str, node: str, session: str, kind: str, body: bytes, prev: str
) -> tuple[bytes, str]:
    """The line of a record, with its line end, and its hash. `body` comes from `encode_body`."""
    quote = orjson.dumps
    covered = b'{"body":%b,"kind":%b,"node":%b,"prev":"%b","seq":%d,"session":%b,"time":"%b"' % (
        body,
        quote(kind),
        quote(node),
        prev.encode(),
        seq,
        quote(session),
        time.encode(),
    )
    digest = hashlib.sha256(covered)
    digest.update(b"}")
    own = digest.hexdigest()
    return b'%b,"hash":"%b"}\n' % (covered, own.encode()), own


def decode(line: bytes) -> Record:
    """The record of a whole line, its hash checked; the chain is the caller's. Raises `MalformedRecord`."""
    if not line.endswith(b"\n"):
        if len(line) > MAX_LINE:
            raise MalformedRecord("is too long")
        raise MalformedRecord("is cut short", cut_short=True)
    line = line[:-1]
    covered, tail = line[:-_TAIL_LENGTH], line[-_TAIL_LENGTH:]
    if not tail.startswith(_TAIL) or not tail.endswith(b'"}'):
        raise MalformedRecord("is not a record")
    if hashlib.sha256(covered + b"}").hexdigest().encode() != tail[len(_TAIL) : -2]:
        raise MalformedRecord("does not match its hash")
    try:
        members = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise MalformedRecord("is not JSON") from error
    if not isinstance(members, dict) or list(members) != list(_TYPES):
        raise MalformedRecord("does not have the members of a record")
    if not all(type(members[name]) is kind for name, kind in _TYPES.items()):
        raise MalformedRecord("has a member of the wrong type")
    return Record(**members)


def head_bytes(seq: int, own_hash: str) -> bytes:
    """The content of `HEAD` when this record is the last that was acknowledged; always `HEAD_SIZE` bytes.

    One size, within one sector: so it can be written over in place, by one call, whole or not at all.
    """
    content = b'{"hash":"%b","seq":%d}' % (own_hash.encode(), seq)
    return content.ljust(HEAD_SIZE - 1) + b"\n"


def read_head(content: bytes) -> tuple[int, str] | None:
    """Number and hash of the record that `HEAD` names; `None` when these are not the bytes of a `HEAD`."""
    try:
        head = orjson.loads(content)
        seq, own_hash = head["seq"], head["hash"]
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return None
    if type(seq) is not int or type(own_hash) is not str or head_bytes(seq, own_hash) != content:
        return None
    return seq, own_hash


def segment_name(first_seq: int) -> str:
    """The file of the segment that begins with that record; names sort as numbers do."""
    return f"segment-{first_seq:016d}.jsonl"
