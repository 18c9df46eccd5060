"""A stream of the same complaint is one line; a different one is heard at once."""

from __future__ import annotations

from ffstereo_ros.ros.log_limiter import LogLimiter


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def _limiter(burst: int = 20) -> tuple[LogLimiter, list[str], Clock]:
    lines: list[str] = []
    clock = Clock()
    return LogLimiter(lines.append, period=10.0, burst=burst, clock=clock), lines, clock


def test_repetitions_are_counted_and_told_with_the_next_line() -> None:
    say, lines, clock = _limiter()
    for _ in range(5):
        say("truncated")
    say("unknown encoding")
    assert lines == ["truncated", "unknown encoding"]
    clock.now = 10.0
    say("truncated")
    assert lines[-1] == "truncated (4 more since the last line)"


def test_lines_of_one_kind_are_the_same_line() -> None:
    say, lines, _ = _limiter()
    for number in range(5):
        say(f"stamps {number} s apart", kind="stamps")
    assert lines == ["stamps 0 s apart"]


def test_a_flood_of_different_lines_is_bounded() -> None:
    say, lines, clock = _limiter(burst=3)
    for number in range(1000):
        say(str(number))
    assert lines == ["0", "1", "2"]
    clock.now = 10.0
    say("later")
    assert lines[-1] == "later"
