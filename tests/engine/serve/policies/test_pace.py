"""When another host is asked again."""

from __future__ import annotations

from doorward.serve.policies.pace import Pace


def test_after_an_answer_somewhere_between_the_bounds() -> None:
    pace = Pace(10, 20)
    delays = [pace.delay() for _ in range(500)]
    assert all(10 <= delay <= 20 for delay in delays)
    assert max(delays) - min(delays) > 5  # many services do not ask at the same time


def test_after_failures_soon_and_then_ever_more_slowly() -> None:
    pace = Pace(10, 20)
    for bound in (1, 2, 4, 8, 16, 20, 20):
        pace.failed()
        assert all(bound / 2 <= pace.delay() <= bound for _ in range(100))
    for _ in range(10_000):
        pace.failed()
    assert 10 <= pace.delay() <= 20
    pace.answered()
    assert 10 <= pace.delay() <= 20
    pace.failed()
    assert pace.delay() <= 1


def test_never_more_slowly_than_usual() -> None:
    pace = Pace(0.1, 0.2)
    for _ in range(5):
        pace.failed()
        assert pace.delay() <= 0.2
