"""What `make bench` asks of servers has the right answers, and a load counts every one of them."""

from __future__ import annotations

from pathlib import Path

from bench.measure import Figure, Row
from bench.report import Report
from bench.served_load import Client
from bench.served_question import DOCUMENTS, RIGHT, write_rules
from bench.served_servers import doorward

from bench import docs, plots
from doorward import Engine


def test_the_rules_of_each_server_give_the_same_answers(tmp_path: Path) -> None:
    write_rules(tmp_path)
    ours = Engine.from_path(tmp_path / "doorward")
    assert [ours.decide(document).verdict == "allow" for document in DOCUMENTS] == RIGHT
    opa = Engine.from_path(tmp_path / "opa")
    assert [opa.prepare("data.bench.rbac.allow").value(document) for document in DOCUMENTS] == RIGHT
    plugin = Engine.from_path(tmp_path / "opa-envoy").prepare("data.bench.envoy.allow").value
    assert plugin(
        {"attributes": {"request": {"http": {"method": "PUT", "headers": {"x-groups": "guests,editor"}}}}}
    )
    assert not plugin(
        {"attributes": {"request": {"http": {"method": "PUT", "headers": {"x-groups": "reader"}}}}}
    )


def test_a_load_counts_every_answer(tmp_path: Path) -> None:
    write_rules(tmp_path)
    with doorward(tmp_path / "doorward") as server:
        used = server.processor_seconds()
        load = Client("doorward", server)
        closed = load.closed(4, 0.2)
        opened = load.open(500, 0.4)
        assert server.processor_seconds() > used
    assert closed.calls > 4
    assert 100 < opened.calls < 400
    assert list(opened.took) == sorted(opened.took)
    assert closed.calls / closed.seconds < 1_000_000


def test_what_was_served_is_drawn_and_told(tmp_path: Path) -> None:
    def figures(values: dict[str, float], size: int = 0) -> list[Figure]:
        return [Figure(name, series=name, size=size, rounds=[value]) for name, value in values.items()] + [
            Figure("OPA, Envoy's Check", absent="not built")
        ]

    ours, theirs = "doorward, stream, its client", "Cerbos, gRPC"
    rows = [
        Row("served", "decisions served, 1 caller", "/s", "", figures({ours: 10.0, theirs: 5.0}, 1)),
        Row("served", "decisions served, 64 callers", "/s", "", figures({ours: 80.0, theirs: 8.0}, 64)),
        Row("served", "processor time served, 64 callers", "µs", "", figures({ours: 9.0, theirs: 90.0})),
        Row("served", "time served, p50", "µs", "", figures({ours: 300.0, theirs: 900.0})),
        Row("served", "time served, p99", "µs", "", figures({ours: 700.0, theirs: 2100.0})),
    ]
    report = Report(rounds=1, complete=True, rows=rows)
    assert [path.name for path in plots.draw(report, tmp_path)] == ["bench-served.png"]
    page = tmp_path / "page.md"
    page.write_text(docs.PAGE.read_text())
    docs.write(report, page)
    assert "| who | 1 caller | 64 callers | server's processor | p50 | p99 |" in page.read_text()
    assert "| Cerbos, gRPC | 5.00 /s (0.50 ×) | 8.00 /s (0.10 ×) | 90.0 µs (10.0 ×) |" in page.read_text()
    assert "| OPA, Envoy's Check | absent |" in page.read_text()
