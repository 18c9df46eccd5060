"""From what was seen to one diagnostics level and one line."""

from __future__ import annotations

from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus

from ffstereo_ros.ros.settings import Limits
from ffstereo_ros.ros.silence import Silence
from ffstereo_ros.ros.statistics import Recent


@dataclass(frozen=True)
class Health:
    """A level of diagnostic_msgs/DiagnosticStatus and its message."""

    level: bytes
    message: str


@dataclass(frozen=True)
class Sight:
    """What the node knows about itself, once a second.

    Attributes:
        failure: why the last activation failed; empty where it did not.
        resting: why nothing is expected to come out (inactive, disabled, nobody listens); empty where something is.
        silence: why nothing comes in.
        fault: what was wrong with a set of late.
        without_output: time since the last publication, the activation, or the end of the last rest, s.
        unknown: why an output is published without a known pixel; empty where none is.
        warm: output is expected for longer than a window, so that rates can be told.
        recent: the figures that limits are set on.
    """

    failure: str
    resting: str
    silence: Silence | None
    fault: str | None
    without_output: float
    unknown: str
    warm: bool
    recent: Recent


def judge(sight: Sight, limits: Limits, summary: str) -> Health:
    """The worst that holds; ``summary`` where nothing is wrong."""
    if sight.failure:
        return Health(DiagnosticStatus.ERROR, sight.failure)
    if sight.silence is not None and sight.silence.stale:
        return Health(DiagnosticStatus.STALE, sight.silence.line)
    problem = sight.silence.line if sight.silence is not None else sight.fault
    if problem:
        asked_for = sight.silence is None and bool(sight.resting)  # the fault of a pair that `~/compute_once` wanted
        lasts = not asked_for and 0 < limits.error_after <= sight.without_output
        return Health(DiagnosticStatus.ERROR if lasts else DiagnosticStatus.WARN, problem)
    if sight.resting:
        return Health(DiagnosticStatus.OK, sight.resting)
    worries = "; ".join([*([sight.unknown] if sight.unknown else []), *_broken(sight, limits)])
    return Health(DiagnosticStatus.WARN, worries) if worries else Health(DiagnosticStatus.OK, summary)


def _broken(sight: Sight, limits: Limits) -> list[str]:
    """The limits that are broken, a line for each."""
    recent, lines = sight.recent, []
    if sight.warm and recent.output_rate < limits.min_output_rate:
        lines.append(
            f"output rate {recent.output_rate:.1f} Hz is below min_output_rate = {limits.min_output_rate:g} Hz"
        )
    if limits.max_latency and recent.latency is not None and recent.latency > limits.max_latency:
        lines.append(f"p95 latency {recent.latency:.3f} s is above max_latency = {limits.max_latency:g} s")
    if limits.max_drop_share and recent.drop_share > limits.max_drop_share:
        lines.append(f"share of lost sets {recent.drop_share:.2f} is above max_drop_share = {limits.max_drop_share:g}")
    return lines
