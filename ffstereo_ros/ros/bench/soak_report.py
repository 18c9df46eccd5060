"""The soak's outcome as text."""

from __future__ import annotations

from collections.abc import Mapping

from ffstereo_ros import markdown
from ffstereo_ros.ros.bench.soak import SoakOutcome

_METHOD = """\
# What the node survives

`ffstereo bench soak --json docs/benchmarks/soak.json --report docs/benchmarks/soak.md` writes this page.

Processes of one host with DDS between them: a camera that sends rgb8 pairs and both CameraInfo, best effort, one set
in a hundred broken, its clock set back by 1000 s again and again; the node, its backend replaced by a constant;
listeners that come and go; listeners to all outputs that are killed with -9; callers that set parameters (allowed ones
and ones that have to be refused), switch the node off and on, ask for single pairs, restart it by its lifecycle, and
let it rest. In the first minute everything is done once, with a listener to every topic, so that what is allocated once
is there.

- sent: pairs sent. sets: pairs with both CameraInfo that the node synchronised. The rest was sent while the node was
  not active, or was lost by the transport.
- Every set is published, or dropped for one cause: in = out + drops.
- latency: from the stamp to the arrival of the disparity at a listener; camera, transport and the way out included, so
  publication was earlier. max, where it is seconds, comes of killed listeners: Fast DDS waits 2 s a message for what
  one had locked in shared memory (eProsima/Fast-DDS#6117), and the node says so.
- memory: the node's own, without the shared memory of the transport. It follows what is wanted of the node: seconds
  after a change it gives back what it no longer needs. peaks: the most in each half of the time after the first minute.
  at rest: each time that the node was unconfigured for some seconds. growth: from the first half to the second, or from
  the first rest to any later one, whichever is more.
"""

_SHORT = "shorter than the first minute"


def table(outcome: SoakOutcome) -> str:
    """The figures as a Markdown table."""
    soak, latency = outcome.soak, outcome.latency
    rows = {
        "ran": f"{soak.minutes:g} min, {soak.width}x{soak.height} at {soak.rate:g} Hz",
        "sent": f"{outcome.sent}, of these broken {sum(outcome.bad.values())} ({_counts(outcome.bad)})",
        "clock set back": f"{outcome.jumps} times",
        "sets": str(outcome.sets),
        "published": str(outcome.published),
        "dropped": f"{sum(outcome.dropped.values())} ({_counts(outcome.dropped)})",
        "sets - published - dropped": str(outcome.sets - outcome.published - sum(outcome.dropped.values())),
        "heard": f"{outcome.heard} disparities",
        "latency ms": ", ".join(f"{name} {value:.1f}" for name, value in latency.items()) or "none",
        "memory MB, peaks": ", ".join(f"{each:.1f}" for each in outcome.peaks) or _SHORT,
        "memory MB, at rest": ", ".join(f"{each:.1f}" for each in outcome.rests) or _SHORT,
        "growth": f"{100 * outcome.growth:.2f} %",
        "done meanwhile": _counts(outcome.done),
        "verdict": "passed" if not outcome.faults else "; ".join(outcome.faults),
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows.items())])


def report(outcome: SoakOutcome, machine: Mapping[str, str]) -> str:
    """Method, machine and table as Markdown."""
    return markdown.page(_METHOD, machine, table(outcome))


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"
