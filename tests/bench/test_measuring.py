"""What `make bench` measures is right before it is timed, and what a run leaves behind is whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.by_hand import BY_HAND
from bench.decisions import rules_of
from bench.measure import Contestant, Figure, Question, Row, Settings, Spread, fill
from bench.report import Report

from bench import docs, growth, peers, warehouse

SETTINGS = Settings(rounds=2, slice_seconds=0.0, quick=True, peers=frozenset())


@pytest.mark.parametrize("name", BY_HAND)
def test_a_policy_and_its_twin_by_hand_give_the_right_answers(name: str) -> None:
    rules = rules_of(name)
    assert set(rules.answers) == {True, False}
    peers.doorward(name, rules, SETTINGS)
    peers.by_hand(BY_HAND[name], rules, SETTINGS)


def test_a_wrong_answer_ends_the_run() -> None:
    with pytest.raises(peers.WrongAnswer, match="answers request 1 with 1, where True is right"):
        peers.check("somebody", [True, True], [True, 1])


def test_the_twin_of_the_postgresql_policies_gives_their_reasons() -> None:
    for question in warehouse.questions(SETTINGS):
        assert callable(question.contestants)
        assert question.contestants()


def test_what_grows_gives_the_right_answers() -> None:
    for question in growth.questions(SETTINGS, sizes=(10,)):
        assert callable(question.contestants)
        assert {c.size for c in question.contestants() if c.absent is None} == {10}


def interrupted() -> Row:
    """A row whose third turn was interrupted."""
    turns: list[str] = []

    def round_of(name: str, figure: float) -> Contestant:
        def one_round() -> float:
            turns.append(name)
            if len(turns) == 6:
                raise KeyboardInterrupt
            return figure

        return Contestant(name, one_round, close=lambda: turns.append("closed"))

    question = Question("q", "µs", [round_of("a", 2.0), round_of("b", 6.0)])
    row = Row("decisions", "policy `q`", "µs", "a note")
    with pytest.raises(KeyboardInterrupt):
        for _ in fill(row, question, SETTINGS):
            pass
    assert turns == ["a", "b"] * 3 + ["closed"] * 2
    return row


def test_an_interrupted_run_is_kept_and_read_again(tmp_path: Path) -> None:
    row = interrupted()
    assert [figure.rounds for figure in row.figures] == [[2.0, 2.0], [6.0]]
    assert row.ratio(row.figures[1]) == Spread(3.0, 3.0, 3.0)
    report = Report(rounds=2, rows=[row])
    report.write(tmp_path)
    assert Report.read(tmp_path) == report
    assert "not finished" in (tmp_path / "results.md").read_text()


def test_the_documentation_takes_the_figures_of_a_run(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(docs.PAGE.read_text())
    figures = [Figure("doorward, prepared query", rounds=[2.0]), Figure("OPA, prepared query", rounds=[30.0])]
    report = Report(rounds=1, complete=True, rows=[Row("decisions", "policy `rbac`", "µs", "", figures)])
    docs.write(report, page)
    first = page.read_text()
    assert "| rbac | 2.00 µs | absent | 30.0 µs (15.0 ×, 15.0–15.0) |" in first
    docs.write(report, page)
    assert page.read_text() == first
    assert first.startswith(docs.PAGE.read_text().partition("<!--")[0])


def test_a_page_without_a_place_for_figures_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# nothing here\n")
    with pytest.raises(ValueError, match="has no part between"):
        docs.write(Report(), page)
