"""Windows forget, percentiles are right, and every set is in one column."""

from __future__ import annotations

import pytest

from ffstereo_ros.ros.statistics import DROP_CAUSES, Statistics, Stopwatch, Window


def test_a_window_forgets() -> None:
    window = Window(10.0)
    for second in range(30):
        window.add(float(second), float(second))
    summary = window.percentiles(29.0)
    assert summary is not None
    assert (summary.p50, summary.p95, summary.max) == (24.0, 29.0, 29.0)  # of 19 to 29
    assert window.percentiles(50.0) is None


def test_p95_of_100_values_leaves_out_the_worst_5() -> None:
    window = Window(1000.0)
    for value in range(100):
        window.add(float(value), 0.0)
    summary = window.percentiles(0.0)
    assert summary is not None
    assert (summary.p50, summary.p95, summary.max) == (50.0, 95.0, 99.0)


def test_a_rate_is_of_the_window_and_falls_when_nothing_comes() -> None:
    window = Window(10.0)
    assert window.rate(0.0) == 0.0
    for tenth in range(51):
        window.add(0.0, 0.1 * tenth)
    assert window.rate(5.0) == pytest.approx(10.0, rel=0.03)
    assert window.rate(10.0) == pytest.approx(5.1)
    assert window.rate(30.0) == 0.0


def test_every_set_is_counted_once() -> None:
    statistics = Statistics(10.0)
    for cause in (*DROP_CAUSES, "unheard of"):
        statistics.count_set()
        statistics.count_drop(cause)
    statistics.count_set()
    statistics.count_published({"wait": 0.01, "infer": 0.02, "backend": 0.015}, 0.05)
    values = statistics.values()
    dropped = sum(int(value) for key, value in values.items() if key.startswith("dropped_"))
    assert int(values["sets"]) == int(values["published"]) + dropped
    assert (values["published"], values["dropped_refused"]) == ("1", "2")
    assert (values["infer_p50_ms"], values["stamp_to_publish_max_ms"]) == ("20.00", "50.00")
    assert values["in_node_p95_ms"] == "30.00"  # the backend's time is within infer's


@pytest.mark.parametrize("latency", [-5.0, 1e9])
def test_stamps_of_another_clock_give_no_latency(latency: float) -> None:
    statistics = Statistics(10.0)
    statistics.count_published({}, latency)
    values = statistics.values()
    assert "stamp_to_publish_p50_ms" not in values
    assert values["stamps_of_another_clock"] == "1"


def test_a_fault_is_shown_for_a_while() -> None:
    statistics = Statistics(10.0)
    statistics.count_drop("superseded")
    assert statistics.recent_fault(3.0) is None
    statistics.count_drop("bad_image", "it is truncated")
    assert statistics.recent_fault(3.0) == "it is truncated"
    assert statistics.recent_fault(-1.0) is None


def test_laps_add_up() -> None:
    import time

    watch = Stopwatch(time.monotonic() - 1.0)
    watch.lap("publish")
    watch.lap("publish")
    assert watch.seconds["publish"] == pytest.approx(1.0, abs=0.1)


def test_what_is_held_back_on_purpose_is_not_lost() -> None:
    statistics = Statistics(10.0)
    assert statistics.recent().drop_share == 0.0
    for cause in ("disabled", "rate_limited", "no_subscriber", "switched_off", "shutdown"):
        statistics.count_drop(cause)
    assert statistics.recent().drop_share == 0.0
    statistics.count_published({}, 0.2)
    for cause in ("superseded", "bad_image", "something new"):
        statistics.count_drop(cause)
    recent = statistics.recent()
    assert (recent.drop_share, recent.latency) == (0.75, 0.2)
    assert statistics.values()["dropped_rate_limited"] == "1"


def test_a_set_that_is_wholly_unknown_is_published_and_shown_until_another_comes() -> None:
    statistics = Statistics(10.0)
    statistics.count_published({}, 0.2)
    assert (statistics.recent_unknown(3.0), statistics.values()["published_all_unknown"]) == ("", "0")
    statistics.count_published({}, 0.2, "no known pixel")
    assert statistics.recent_unknown(3.0) == statistics.recent_unknown(-1.0) == "no known pixel"  # however slow
    statistics.count_published({}, 0.2)
    assert (statistics.recent_unknown(3.0), statistics.recent_unknown(-1.0)) == ("no known pixel", "")
    assert (statistics.values()["published"], statistics.values()["published_all_unknown"]) == ("3", "1")
