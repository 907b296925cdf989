"""Where a statement belongs in a tree of reasoning steps, as its sender says.

Labels are `key=value` pairs (`run`, `branch`, `step`, `parent_step`, `trace_id`, `traceparent`, `purpose`
excepted: the purpose is what the credential was issued for). They stand in a comment of the statement, in
the way of sqlcommenter (`/*run='r1',branch='b',step='7'*/`), in `application_name` (`agent
run=r1,branch=b`), or in the start-up options (`-c doorward.run=r1`). They are attribution: nothing is
allowed because of them unless a policy says so.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from doorward_gateway.attribution import MAX_ATTRIBUTION, Attribution

__all__ = ["labels_of", "settle_labels", "statement_labels"]

_NAMES: Final = ("run", "branch", "step", "parent_step", "trace_id")
_PAIR: Final = re.compile(
    r"(?<![\w.])(run|branch|step|parent_step|trace_id|traceparent)='([^'\\]{0,2048})'"
    r"|(?<![\w.])(run|branch|step|parent_step|trace_id|traceparent)=([^\s,;'*]{1,2048})"
)
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_COMMENT_AT_END: Final = re.compile(r"/\*((?:(?!\*/).){1,4096})\*/[\s;]*\Z", re.DOTALL)
_COMMENT_AT_START: Final = re.compile(r"\s*/\*((?:(?!\*/).){1,4096})\*/", re.DOTALL)
_TAIL: Final = 4400


def labels_of(text: str) -> Attribution:
    """The labels in a text of `key=value` pairs; what is not one is passed over."""
    found: dict[str, str] = {}
    for match in _PAIR.finditer(text):
        name, value = match[1] or match[3], unquote(match[2] if match[2] is not None else match[4])
        if name == "traceparent":
            trace = _TRACEPARENT.fullmatch(value)
            if trace is None:
                continue
            name, value = "trace_id", trace[1]
        if value and value.isprintable() and len(value) <= MAX_ATTRIBUTION:
            found[name] = value
    return Attribution(**{name: found.get(name) for name in _NAMES})


def statement_labels(statement: str) -> Attribution:
    """The labels in the comment that ends a statement or stands before it; the one at the end counts more."""
    if "/*" not in statement:
        return Attribution()
    end = _COMMENT_AT_END.search(statement[-_TAIL:])
    start = _COMMENT_AT_START.match(statement[:_TAIL])
    at_end = labels_of(end[1]) if end is not None else Attribution()
    at_start = labels_of(start[1]) if start is not None else Attribution()
    return at_end.or_else(at_start)


def settle_labels(granted: Attribution, *claims: Attribution) -> Attribution:
    """The attribution of one statement: the first claim that names a part wins, then the credential's.

    What the credential was issued for stays: purpose, run and trace are not for its holder to change.
    """
    fixed = Attribution(purpose=granted.purpose, run=granted.run, trace_id=granted.trace_id)
    settled = fixed
    for claim in claims:
        settled = settled.or_else(claim)
    return settled.or_else(granted)
