"""The benchmark's figures as text."""

from __future__ import annotations

from collections.abc import Sequence

from ffstereo_ros import markdown
from ffstereo_ros.ros.bench.session import Outcome

_COLUMNS = (
    "images",
    "Hz",
    "profile",
    "sent",
    "sets",
    "published",
    "received",
    "added p50 / p95 ms",
    "stamp to publish p50 / p95 ms",
    "stamp to received p50 / p95 ms",
    "node's CPU",
)


_METHOD = """\
# What the node adds

`ffstereo bench node --json docs/benchmarks/node.json --report docs/benchmarks/node.md` writes this page.

Three processes of one host with DDS between them: a camera that sends rgb8 pairs and both CameraInfo, best effort; the
node, its backend replaced by a constant; a listener to all six outputs (disparity, depth and its CameraInfo,
confidence, cloud, colour image), reliable. "Profile" is `config/fastdds_large_images.xml` in all three. "Composed" is
camera and node in one process, the sets handed over without transport, and the profile for the outputs.

- sent: pairs sent. sets: pairs with both CameraInfo that the node synchronised; the rest was lost by the transport.
- published: sets that the node published; it drops a set only when a newer one waits.
- received: sets of which all six outputs reached the listener.
- added: from the arrival of a set in the node to the end of its last publication, less the backend's time.
- stamp to publish, stamp to received: from the stamp of the left image to the end of the last publication, and to the
  arrival of the last output; camera and transport included.
- node's CPU: its processor time per time of sending; 100 % = one core. Camera and listener share the same cores.
"""


def table(outcomes: Sequence[Outcome]) -> str:
    """The figures as a Markdown table."""
    return markdown.table(_COLUMNS, map(_row, outcomes))


def _row(outcome: Outcome) -> tuple[str, ...]:
    case = outcome.case
    return (
        f"{case.width}x{case.height}",
        f"{case.rate:g}",
        "composed" if case.composed else "with" if case.profile else "without",
        str(outcome.sent),
        str(outcome.sets),
        str(outcome.published),
        str(outcome.received),
        f"{outcome.added_p50:.1f} / {outcome.added_p95:.1f}",
        f"{outcome.stamped_p50:.1f} / {outcome.stamped_p95:.1f}",
        f"{outcome.received_p50:.1f} / {outcome.received_p95:.1f}",
        f"{100 * outcome.cpu_share:.0f} %",
    )


def report(outcomes: Sequence[Outcome], machine: dict[str, str]) -> str:
    """Method, machine and table as Markdown."""
    return markdown.page(_METHOD, machine, table(outcomes))
