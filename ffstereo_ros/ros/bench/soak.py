"""The soak: a node that is not left in peace for minutes, and what it has to show for it in the end."""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ffstereo_ros.errors import BackendError
from ffstereo_ros.ros.bench.listener import READY
from ffstereo_ros.ros.bench.soak_guests import OVER
from ffstereo_ros.ros.bench.soak_memory import WARM_S, growth, peaks, private_memory, weighed
from ffstereo_ros.ros.processes import ModuleProcess, private_graph

_ALLOWED_GROWTH = 0.05
# Memory follows what is wanted, by a third up and down: it takes minutes until both halves have seen it all.
_SETTLED_S, _ALLOWED_SHORT = 180.0, 0.5
_START_S = 60.0
# A listener that is killed has listened for so long, or has found no way to the node in this time (Fast DDS may stumble
# over what the last one left in shared memory), and the next comes after a pause.
_VICTIM_S, _LOST_S, _PAUSE_S = 8.0, 30.0, 12.0
_SAMPLE_S = 0.25


@dataclass(frozen=True)
class Soak:
    """What is run.

    Attributes:
        minutes: time of sending.
        width, height: size of both rgb8 images, px.
        rate: pairs sent in a second.
    """

    minutes: float = 30.0
    width: int = 640
    height: int = 480
    rate: float = 30.0


@dataclass(frozen=True)
class SoakOutcome:
    """What was seen; times in ms, memory in MB.

    Attributes:
        sent, bad, jumps: sets, broken sets by kind, and steps back of the clock, by the camera.
        sets, published, dropped: by the node.
        heard: disparities that reached the listener.
        latency: from the stamp to the disparity's arrival at the listener: p50, p95, p99, max.
        peaks: the most private memory of the node, without the shared memory of the transport, in each half of the time
            after the first minute.
        rests: its private memory at each rest after the first minute.
        growth: by how much it grew, from half to half or from rest to rest; 0.05 = 5 %.
        done: what listeners and callers did; ``killed`` listeners were ended with -9.
        faults: what was not as it has to be; empty = passed.
    """

    soak: Soak
    sent: int
    bad: dict[str, int]
    jumps: int
    sets: int
    published: int
    dropped: dict[str, int]
    heard: int
    latency: dict[str, float]
    peaks: list[float]
    rests: list[float]
    growth: float
    done: dict[str, int]
    faults: list[str]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def run_soak(soak: Soak, logs: Path) -> SoakOutcome:
    """Runs it, on a graph of its own.

    Args:
        logs: folder for what the processes print and write.

    Raises:
        BackendError: the node or somebody around it died, or did not start; the message holds what it said last.
    """
    with private_graph() as graph, ExitStack() as stack:

        def start(name: str, arguments: list[str]) -> ModuleProcess:
            module = f"ffstereo_ros.ros.bench.{name}"
            return stack.enter_context(ModuleProcess(name, module, arguments, graph, logs / f"{name}.log"))

        node = start("node", [])
        size = [str(soak.width), str(soak.height)]
        jump = min(60.0, 20.0 * soak.minutes)
        ros = ["--ros-args", "-p", f"rate:={float(soak.rate)}", "-p", f"jump_every:={jump}"]
        camera = start("soak_camera", [*size, str(logs / "camera.json"), *ros])
        guests = start("soak_guests", [str(60.0 * soak.minutes), str(logs / "guests.json")])
        watch = _Watch(node, lambda: start("listener", [str(logs / "listener.json")]), [node, camera, guests])
        watch.until(lambda: OVER in guests.tail(), 60.0 * soak.minutes + 2 * _START_S)
        watch.end_victim()
        camera.stop()
        watch.until(lambda: guests.status is not None, _START_S, [node])
        status = node.stop()
        said = node.log.read_text(encoding="utf-8", errors="replace")
    heard = json.loads((logs / "guests.json").read_text(encoding="utf-8"))
    totals = json.loads((logs / "camera.json").read_text(encoding="utf-8"))
    heard["done"]["killed"] = watch.killed
    return _outcome(soak, totals, heard, watch.memory(), _end_faults(status, said))


class _Watch:
    """Looks after everybody: who died, the node's memory, and the listener that is to be killed."""

    def __init__(
        self, node: ModuleProcess, start_victim: Callable[[], ModuleProcess], alive: list[ModuleProcess]
    ) -> None:
        self.killed = 0
        self._node = node
        self._start_victim = start_victim
        self._alive = alive
        self._victim: ModuleProcess | None = None
        self._next = time.monotonic() + _PAUSE_S
        self._samples: list[tuple[float, float]] = []

    def until(self, condition: Callable[[], bool], seconds: float, alive: list[ModuleProcess] | None = None) -> None:
        """Waits for the condition.

        Raises:
            BackendError: somebody died, or it takes longer than ``seconds``.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            for process in self._alive if alive is None else alive:
                if process.status is not None:
                    raise BackendError(f"the {process.name} ended with {process.status}; it said: {process.tail()}")
            if time.monotonic() > deadline:
                raise BackendError(f"the soak does not end; the guests said: {self._alive[-1].tail()}")
            self._samples.append((time.monotonic(), private_memory(self._node.pid)))
            if alive is None:
                self._tend_victim()
            time.sleep(_SAMPLE_S)

    def end_victim(self) -> None:
        """Kills the listener that lives, if one does."""
        if self._victim is not None:
            self._victim.send_signal(signal.SIGKILL)
            self._victim.stop()
            self._victim = None
            self.killed += 1

    def memory(self) -> list[tuple[float, float]]:
        """``time.monotonic()``, s, and private memory of the node then, MB."""
        return [(when, amount) for when, amount in self._samples if math.isfinite(amount)]

    def _tend_victim(self) -> None:
        if time.monotonic() < self._next:
            return
        if self._victim is None:
            self._victim = self._start_victim()
            self._next = time.monotonic() + _VICTIM_S
        elif READY in self._victim.tail() or time.monotonic() > self._next + _LOST_S:
            self.end_victim()
            self._next = time.monotonic() + _PAUSE_S


def _end_faults(status: int, said: str) -> list[str]:
    faults = [f"the node ended with {status}"] if status != 0 else []
    faults += [f"the node's log holds '{word}'" for word in ("Traceback", "a fault of this package") if word in said]
    return faults


def _outcome(
    soak: Soak, totals: dict[str, Any], heard: dict[str, Any], memory: list[tuple[float, float]], faults: list[str]
) -> SoakOutcome:
    status: dict[str, str] = heard["status"]
    dropped = {key[8:]: int(value) for key, value in status.items() if key.startswith("dropped_") and int(value)}
    sets, published = int(status.get("sets", 0)), int(status.get("published", 0))
    halves, rests = peaks(memory), weighed(memory, heard["rests"])
    faults = [*faults, *heard["wrong"]]
    if sets != published + sum(dropped.values()) or not sets:
        faults.append(f"{sets} sets came in, but {published} were published and {sum(dropped.values())} dropped")
    grown = max((each for each in (growth(halves), growth(rests)) if math.isfinite(each)), default=math.nan)
    allowed = _ALLOWED_GROWTH if 60.0 * soak.minutes >= WARM_S + _SETTLED_S else _ALLOWED_SHORT
    if grown > allowed:
        faults.append(f"memory grew by {100 * grown:.1f} % after the first minute: allowed is {100 * allowed:g} %")
    if not dropped.get("bad_image") or not dropped.get("bad_calibration"):
        faults.append("no broken image or no broken calibration was counted")
    return SoakOutcome(
        soak=soak,
        sent=totals["sent"],
        bad=totals["bad"],
        jumps=totals["jumps"],
        sets=sets,
        published=published,
        dropped=dropped,
        heard=len(heard["latencies"]),
        latency=_percentiles(heard["latencies"]),
        peaks=[round(each, 2) for each in halves],
        rests=[round(each, 2) for each in rests],
        growth=grown,
        done=heard["done"],
        faults=faults,
    )


def _percentiles(ascending: list[float]) -> dict[str, float]:
    if not ascending:
        return {}
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: 1e3 * ascending[math.ceil(share * (len(ascending) - 1))] for name, share in shares.items()}
