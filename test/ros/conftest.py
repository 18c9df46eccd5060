"""Real processes on real DDS: each node has a graph of its own, and a test fails at once with the log of what died."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs rclpy: ROS 2, or the ros-jazzy-* wheels of PyPI")

from ros_rig import Rig

from ffstereo_ros.ros.processes import ModuleProcess, private_graph

StartNode = Callable[..., ModuleProcess]


@pytest.fixture
def rig() -> Iterator[Rig]:
    """A camera and a listener in this process, on a ROS graph of their own."""
    with _rig() as rig:
        yield rig


@pytest.fixture
def start_node(rig: Rig, tmp_path: Path) -> Iterator[StartNode]:
    """Starts a node process, ``start_node("-p", "scale:=0.5")``; it is stopped by SIGINT and must end with 0."""
    with _starter(rig, tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def lasting_rig() -> Iterator[Rig]:
    """A rig for all tests of a file."""
    with _rig() as rig:
        yield rig


@pytest.fixture(scope="module")
def lasting_node(lasting_rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleProcess]:
    """A node that has to live through all tests of a file; its disparity is listened to."""
    with _starter(lasting_rig, tmp_path_factory.mktemp("node")) as start:
        node = start()
        lasting_rig.listen("disparity")
        lasting_rig.spin_until(lasting_rig.connected, what="the node's topics")
        yield node


@contextmanager
def _rig() -> Iterator[Rig]:
    with pytest.MonkeyPatch.context() as patch, private_graph() as environment:
        for name, value in environment.items():
            patch.setenv(name, value)
        with Rig(domain=int(environment["ROS_DOMAIN_ID"])) as rig:
            yield rig


@contextmanager
def _starter(rig: Rig, logs: Path) -> Iterator[StartNode]:
    running: list[ModuleProcess] = []
    paths = [str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    here = Path(__file__).resolve().parent
    paths += [str(here), str(here.parent)]  # slow_node, fake_machine

    def start(
        *ros_args: str, module: str = "ffstereo_ros.ros.main", seconds: str = "", watched: bool = True
    ) -> ModuleProcess:
        environment = {"PYTHONPATH": os.pathsep.join(paths), "SLOW_NODE_SECONDS": seconds}
        arguments = ["--ros-args", "-p", "backend:=sgbm", "-p", "max_disparity:=64", *ros_args]
        log = logs / f"node{len(running)}.log"
        process = ModuleProcess(f"node {len(running)}", module, arguments, environment, log)
        running.append(process)
        if watched:
            rig.watched.append(process)
        return process

    yield start
    for process in running:
        if process.status is None:
            assert process.stop() == 0, process.tail(60)
            assert "Traceback" not in process.tail(200), process.tail(200)
