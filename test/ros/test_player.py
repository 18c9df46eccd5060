"""The player as a process: its parameters are taken and refused as the node's are, and a signal ends it with 0."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from rclpy.qos import qos_profile_sensor_data
from ros_rig import INPUTS, Rig, wait_for_exit

from ffstereo_ros.ros.processes import ModuleProcess

StartPlayer = Callable[..., ModuleProcess]


@pytest.fixture
def start_player(rig: Rig, tmp_path: Path) -> Iterator[StartPlayer]:
    """``start_player("rate:=5")``: that of the benchmark, which needs no scikit-image for its pair."""
    for publisher in rig.publishers.values():
        rig.node.destroy_publisher(publisher)
    with ExitStack() as stack:

        def start(*values: str, module: str = "player") -> ModuleProcess:
            parameters = (word for value in values for word in ("-p", value))
            words = ["160", "96", "--ros-args", *parameters]
            return stack.enter_context(
                ModuleProcess(module, f"ffstereo_ros.ros.bench.{module}", words, {}, tmp_path / "player.log")
            )

        yield start


def _listen(rig: Rig) -> list[object]:
    """What comes, of any of its topics."""
    came: list[object] = []
    for topic, kind in INPUTS.items():
        rig.node.create_subscription(kind, topic, came.append, qos_profile_sensor_data)
    return came


def test_an_int_is_taken_for_the_rate(rig: Rig, start_player: StartPlayer) -> None:
    came = _listen(rig)
    player = start_player("rate:=5", "count:=3", "subscribers:=1")
    rig.spin_until(lambda: player.status is not None, what="the end of the player")
    assert player.status == 0, player.tail(60)
    assert came


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("rate:=0", "rate = 0 Hz: allowed is 0.01 to 1000 Hz (default 10.0)"),
        ("rate:=fast", "rate = 'fast' Hz: a number is needed (default 10.0)"),
        ("count:=-1", "count = -1: allowed is 0 to 1e+09 (default 0)"),
        ("subscribers:=1.5", "subscribers = 1.5: an integer is needed (default 0)"),
    ],
)
def test_a_refusal_is_one_line_and_status_1(value: str, line: str, start_player: StartPlayer) -> None:
    player = start_player(value)
    assert wait_for_exit(player) == 1
    assert player.tail(100) == f"stereo_player: {line}"


def test_a_refusal_ends_the_node_beside_it(start_player: StartPlayer) -> None:
    player = start_player("rate:=0", module="composed")
    assert wait_for_exit(player) == 1
    assert player.tail(1) == "composed_player: rate = 0 Hz: allowed is 0.01 to 1000 Hz (default 10.0)"
    assert "Traceback" not in player.tail(100)


def test_a_signal_while_it_sends_ends_it_without_a_word(rig: Rig, start_player: StartPlayer) -> None:
    came = _listen(rig)
    player = start_player("rate:=1000.0")
    rig.spin_until(lambda: came, what="a message")
    player.send_signal(signal.SIGTERM)
    assert wait_for_exit(player) == 0, player.tail(60)
    assert player.tail(100) == ""
