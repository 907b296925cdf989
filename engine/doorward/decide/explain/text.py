"""An explanation as a terminal shows it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Final

from doorward.decide.combine import NOTHING_GRANTS
from doorward.decide.decision import Decision
from doorward.decide.explain.changes import Change
from doorward.decide.explain.parts import Condition, Nearest, RuleOutcome, StatementOutcome, is_refused
from doorward.decide.explain.shown import cut

__all__ = ["render", "render_condition"]

_MOST: Final = 8
"""Statements that are told of under one heading, unless all are asked for."""

_ESCAPES: Final = {
    "allow": "\x1b[1;32m",
    "approve": "\x1b[1;33m",
    "block": "\x1b[1;31m",
    "good": "\x1b[32m",
    "bad": "\x1b[31m",
    "heading": "\x1b[1m",
    "dim": "\x1b[2m",
    "value": "\x1b[36m",
}
_PLAIN: Final = "\x1b[0m"
_SIGNS: Final = {
    "held": ("+", "good"),
    "not_held": ("-", "dim"),
    "errored": ("!", "bad"),
    "unknown": ("?", "dim"),
}


def render(
    decision: Decision,
    statements: Sequence[StatementOutcome],
    nearest: tuple[Nearest | None, Nearest | None],
    searched: int,
    *,
    color: bool,
    everything: bool,
    width: int,
) -> str:
    """The explanation as lines; see `Explanation.to_text`."""
    writer = _Writer(color, max(width, 40))
    writer.decision(decision)
    held = [one for one in statements if one.outcome == "held"]
    errored = [one for one in statements if one.outcome == "errored"]
    others = [one for one in statements if one.outcome == "not_held"]
    unknown = [one for one in statements if one.outcome == "unknown"]
    most = len(statements) if everything else _MOST
    writer.statements("held", sorted(held, key=lambda one: not one.determining), most)
    writer.statements("could not be evaluated", errored, most)
    writer.statements("may not have been tried", unknown, most)
    shown = others if everything else _might_have_helped(decision, others)
    writer.statements("did not hold", shown, most)
    hidden = len(others) - len(shown)
    if hidden:
        more = "other statements" if hidden > 1 else "other statement"
        writer.line(2, f"{hidden} {more} did not hold", "dim")
    writer.nearest(decision, nearest, searched)
    return "\n".join(writer.lines).rstrip("\n")


def render_condition(told: Condition, *, color: bool = False, width: int = 100) -> str:
    """One condition, what it saw, and the rules it rests on, as lines."""
    writer = _Writer(color, max(width, 40))
    writer.condition(0, told, every=False)
    return "\n".join(writer.lines)


def _might_have_helped(decision: Decision, others: Iterable[StatementOutcome]) -> list[StatementOutcome]:
    """The statements of which one more would have mattered."""
    if decision.verdict != "block" or is_refused(decision):
        return []
    needed = {"allow"} if not any(one.verb == "allow" for one in decision.determining) else set()
    if any(reason.text == NOTHING_GRANTS for reason in decision.reasons):
        needed.add("credential")
    return [one for one in others if one.verb in needed]


class _Writer:
    def __init__(self, color: bool, width: int) -> None:
        self.lines: list[str] = []
        self._color = color
        self._width = width

    def paint(self, text: str, style: str) -> str:
        return f"{_ESCAPES[style]}{text}{_PLAIN}" if self._color and style else text

    def line(self, indent: int, text: str, style: str = "") -> None:
        """A line, broken where it is too long."""
        for part in self._broken(indent, text):
            self.lines.append(" " * indent + self.paint(part, style))

    def _broken(self, indent: int, text: str) -> list[str]:
        clean = "".join(c if c.isprintable() else "·" for c in text)
        room = max(self._width - indent, 30)
        return textwrap.wrap(clean, room, subsequent_indent="  ", break_on_hyphens=False) or [""]

    def placed(self, indent: int, sign: str, style: str, text: str, place: str) -> None:
        """A line with a sign before and a place behind, or below where there is no room."""
        shown = "".join(c if c.isprintable() else "·" for c in text)
        if not place or indent + 2 + len(shown) + 2 + len(place) <= self._width:
            behind = f"  {self.paint(place, 'dim')}" if place else ""
            self.lines.append(f"{' ' * indent}{self.paint(sign, style)} {shown}{behind}")
            return
        first, *rest = self._broken(indent + 2, shown)
        self.lines.append(f"{' ' * indent}{self.paint(sign, style)} {first}")
        self.lines += [" " * (indent + 2) + part for part in rest]
        self.line(indent + 4, place, "dim")

    # --- parts ---

    def decision(self, decision: Decision) -> None:
        self.lines.append(self.paint(decision.verdict, decision.verdict))
        for reason in decision.reasons:
            self.placed(2, "·", "dim", reason.text, reason.place)
        for mask in decision.masks:
            outputs = len(mask.outputs)
            of = f"{outputs} output{'s' if outputs != 1 else ''} of this operation"
            self.placed(2, "·", "dim", f"mask {mask.target} with {mask.method}: {of}", "")
        for approval in decision.approvals:
            within = f" within {approval.within_ms / 1000:g} s" if approval.within_ms else ""
            self.placed(2, "·", "dim", f"consent of {' or '.join(approval.groups)}{within}", "")
        if decision.credential is not None:
            given = decision.credential
            once = ", single use" if given.single_use else ""
            role = f", as {given.role}" if given.role else ""
            self.placed(2, "·", "dim", f"credential for {given.ttl_ms / 1000:g} s{once}{role}", "")
        for error in decision.errors:
            if not error.id:
                self.placed(2, "!", "bad", f"{error.code}: {error.message}", error.place)

    def statements(self, heading: str, statements: Sequence[StatementOutcome], most: int) -> None:
        if not statements:
            return
        self.lines += ["", self.paint(heading, "heading")]
        for one in statements[:most]:
            self._statement(one)
        left = len(statements) - most
        if left > 0:
            self.line(2, f"… and {left} more, which --all shows", "dim")

    def _statement(self, one: StatementOutcome) -> None:
        sign, style = _SIGNS[one.outcome]
        name = f'{one.verb} "{one.reason}"' if one.reason else f"{one.verb} {one.id}"
        self.placed(2, sign, one.verb if one.determining and one.verb in _ESCAPES else style, name, one.place)
        for text in one.says:
            self.line(6, f"asks for {text}" if not text.startswith("mask") else text)
        if one.error is not None and not one.conditions:
            self.line(6, f"{one.error.code}: {one.error.message}", "bad")
        part = "if"
        for told in one.conditions:
            if told.part != part:
                part = told.part
                held = one.outcome == "not_held"
                self.line(6, "unless, which held:" if held else "unless, which did not hold:", "dim")
            self.condition(6, told, every=one.outcome == "held")

    def condition(self, indent: int, told: Condition, *, every: bool) -> None:
        sign, style = _SIGNS[told.outcome]
        self.placed(
            indent,
            sign,
            style if told.outcome != "not_held" else "bad",
            told.text,
            "" if every else told.place,
        )
        if told.tried > 1:
            self.line(indent + 4, f"with each of {told.tried} bindings; this is the nearest", "dim")
        explained = {rule.name for rule in told.rules if rule.definitions}
        for seen in told.seen:
            plain = seen.text in explained or (told.outcome == "held" and seen.text == told.text)
            if not plain or seen.value not in ("true", "undefined", "false"):
                self._seen(indent + 4, seen.text, seen.value)
        if told.error:
            self.line(indent + 4, told.error, "bad")
        for rule in told.rules:
            self._rule(indent + 4, rule)

    def _seen(self, indent: int, text: str, value: str) -> None:
        room = max(self._width - indent - 3, 40)
        name = cut(text, room // 2)
        shown = self.paint(cut(value, room - len(name)), "value")
        self.lines.append(f"{' ' * indent}{name} {self.paint('=', 'dim')} {shown}")

    def _rule(self, indent: int, rule: RuleOutcome) -> None:
        several = len(rule.definitions) + rule.left_out > 1
        if not rule.definitions:
            return
        self.line(
            indent,
            f"`{cut(rule.name, 60)}` {'in none of its definitions' if several else 'asks for'}:",
            "dim",
        )
        for told in rule.definitions:
            self.condition(indent + 2, told, every=False)
        if rule.left_out:
            self.line(indent + 2, f"… and {rule.left_out} more", "dim")

    def nearest(
        self, decision: Decision, nearest: tuple[Nearest | None, Nearest | None], searched: int
    ) -> None:
        if decision.verdict == "allow":
            return
        allow, approval = nearest
        if approval is not None:
            self._changes("the nearest that would wait for consent", approval.changes)
        if allow is not None:
            self._changes("the nearest that would be allowed", allow.changes)
            return
        self.lines += ["", self.paint("the nearest that would be allowed", "heading")]
        if is_refused(decision):
            self.line(2, "none: the engine itself refuses this operation, whatever the policies say", "dim")
        else:
            self.line(2, f"none was found ({searched} changed requests were decided)", "dim")

    def _changes(self, heading: str, changes: Sequence[Change]) -> None:
        self.lines += ["", self.paint(heading, "heading")]
        for change in changes:
            note = "  (follows from the operation)" if change.derived else ""
            self.lines.append(f"  {self.paint('·', 'good')} {change.text}{self.paint(note, 'dim')}")
