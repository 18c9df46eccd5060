"""One case of the benchmark: camera, node and listener as processes of a private graph, and what came through."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ffstereo_ros.errors import BackendError
from ffstereo_ros.fastdds import variables_in_force
from ffstereo_ros.ros.bench.composed import DONE
from ffstereo_ros.ros.bench.listener import READY
from ffstereo_ros.ros.processes import ModuleProcess, private_graph

_START_S = 60.0
# The node's last account comes within a second of the last frame.
_SETTLE_S = 2.5
_NODE = {"diagnostics_window": 600.0, "max_depth": 100.0}

# Name of the module of the benchmark, and its command line.
Start = Callable[[str, list[str]], ModuleProcess]


@dataclass(frozen=True)
class Case:
    """What is measured.

    Attributes:
        width, height: size of both rgb8 images, px.
        rate: pairs sent in a second.
        profile: with the large-images transport profile.
        seconds: time of sending.
        composed: the camera is in the node's process and hands its sets over.
    """

    width: int
    height: int
    rate: float
    profile: bool
    seconds: float
    composed: bool = False

    @property
    def count(self) -> int:
        """Pairs sent."""
        return round(self.rate * self.seconds)


@dataclass(frozen=True)
class Outcome:
    """What came through; times in ms.

    Attributes:
        sent: pairs sent, best effort.
        sets: complete sets that the node synchronised.
        published: sets that it published.
        received: sets of which every output reached the listener.
        dropped: sets by cause.
        added_p50, added_p95: from the arrival of a set in the node to the end of its last publication, less the
            backend's own time: what the node adds to it.
        stamped_p50, stamped_p95: from the stamp to the end of the last publication, backend and transport included.
        received_p50, received_p95: from the stamp to the arrival of the last output of a set at the listener.
        stages: p50 of each stage inside the node.
        cpu_share: processor time of the node's process per time of sending; 1 = one core.
    """

    case: Case
    sent: int
    sets: int
    published: int
    received: int
    dropped: dict[str, int]
    added_p50: float
    added_p95: float
    stamped_p50: float
    stamped_p95: float
    received_p50: float
    received_p95: float
    stages: dict[str, float]
    cpu_share: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measure(case: Case, logs: Path) -> Outcome:
    """Runs one case.

    Args:
        logs: folder for what the processes print, and the listener's file.

    Raises:
        BackendError: a process died or did not start; the message holds what it said last.
    """
    with private_graph() as graph, ExitStack() as stack:
        environment = _transport(graph, case.profile)
        file = logs / "listener.json"
        listener = _start(stack, "listener", [str(file)], environment, logs)
        play = _play_composed if case.composed else _play
        cpu = play(case, listener, lambda name, words: _start(stack, name, words, environment, logs))
        listener.stop()
        return _outcome(case, json.loads(file.read_text(encoding="utf-8")), cpu)


def _play(case: Case, listener: ModuleProcess, start: Start) -> float:
    """Node and camera in processes of their own; returns the node's processor time of the sending, s."""
    node = start("node", ["--ros-args", *_parameters(_NODE)])
    _await(lambda: READY in listener.tail(), [listener, node], _START_S)
    time.sleep(1.0)  # the listener sees the node; the node has to see the listener too
    began = _cpu_seconds(node.pid)
    player = start("player", [str(case.width), str(case.height), "--ros-args", *_parameters(_player(case))])
    _await(lambda: player.status is not None, [listener, node], 2 * case.seconds + _START_S)
    time.sleep(_SETTLE_S)
    return _cpu_seconds(node.pid) - began


def _play_composed(case: Case, listener: ModuleProcess, start: Start) -> float:
    """Both in one process, which begins by itself once the listener is there."""
    both = _parameters({**_NODE, **_player(case)})
    node = start("composed", [str(case.width), str(case.height), "--ros-args", *both])
    _await(lambda: READY in listener.tail(), [listener, node], _START_S)
    began = _cpu_seconds(node.pid)
    _await(lambda: DONE in node.tail(), [listener, node], 2 * case.seconds + _START_S)
    time.sleep(_SETTLE_S)
    return _cpu_seconds(node.pid) - began


def _transport(graph: dict[str, str], profile: bool) -> dict[str, str]:
    """The graph's environment; without the profile, an empty name makes Fast DDS fall back to its own transport."""
    return graph if profile else {**graph, **dict.fromkeys(variables_in_force(), "")}


def _start(stack: ExitStack, name: str, arguments: list[str], environment: dict[str, str], logs: Path) -> ModuleProcess:
    process = ModuleProcess(name, f"ffstereo_ros.ros.bench.{name}", arguments, environment, logs / f"{name}.log")
    return stack.enter_context(process)


def _player(case: Case) -> dict[str, float]:
    return {"rate": float(case.rate), "count": case.count, "subscribers": 1}


def _parameters(values: dict[str, float]) -> list[str]:
    return [word for name, value in values.items() for word in ("-p", f"{name}:={value}")]


def _await(condition: Callable[[], bool], alive: list[ModuleProcess], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        for process in alive:
            if process.status is not None:
                raise BackendError(f"the {process.name} ended with {process.status}; it said: {process.tail()}")
        if time.monotonic() > deadline:
            raise BackendError(f"nothing came within {seconds:g} s; the node said: {alive[-1].tail()}")
        time.sleep(0.05)


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process, s; NaN where there is no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return math.nan
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _outcome(case: Case, heard: dict[str, Any], cpu: float) -> Outcome:
    status: dict[str, str] = heard["status"]
    latencies = _latencies_of_complete_sets(heard["arrivals"])

    def time_of(key: str) -> float:
        return float(status.get(f"{key}_ms", "nan"))

    return Outcome(
        case=case,
        sent=case.count,
        sets=int(status.get("sets", 0)),
        published=int(status.get("published", 0)),
        received=len(latencies),
        dropped={key[8:]: int(value) for key, value in status.items() if key.startswith("dropped_") and int(value)},
        added_p50=time_of("in_node_p50") - time_of("backend_p50"),
        added_p95=time_of("in_node_p95") - time_of("backend_p50"),
        stamped_p50=time_of("stamp_to_publish_p50"),
        stamped_p95=time_of("stamp_to_publish_p95"),
        received_p50=_percentile(latencies, 0.5),
        received_p95=_percentile(latencies, 0.95),
        stages={key[:-7]: float(value) for key, value in status.items() if key.endswith("_p50_ms")},
        cpu_share=cpu / case.seconds,
    )


def _latencies_of_complete_sets(arrivals: dict[str, list[tuple[int, int]]]) -> list[float]:
    """From the stamp to the last output of every set that came completely, ms."""
    by_topic = [dict(pairs) for pairs in arrivals.values()]
    complete = set.intersection(*(set(each) for each in by_topic))
    return sorted(1e-6 * (max(each[stamp] for each in by_topic) - stamp) for stamp in complete)


def _percentile(ascending: list[float], share: float) -> float:
    return ascending[math.ceil(share * (len(ascending) - 1))] if ascending else math.nan
