"""Another matcher while the node runs, because the pairs are larger than every engine (for parameters:
test_live_parameters.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_machine import build_stored
from fake_tensorrt import D, H, W
from ros_rig import CX_LEFT, CX_RIGHT, SHIFT, Rig, good_frame

from ffstereo_ros.factory import find_weights, max_iterations
from ffstereo_ros.ros.processes import ModuleProcess

StartNode = Callable[..., ModuleProcess]
LARGER = good_frame(2 * W, 2 * H)
TOO_LARGE = f"the pair is {2 * W}x{2 * H} px and the engines are for {W}x{H} px"


@pytest.fixture
def start_with_engine(start_node: StartNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StartNode:
    """Starts a node beside an engine of W x H px for the weights that ship with the package."""
    pytest.importorskip("torch", reason="needs torch")
    monkeypatch.setenv("FFSTEREO_CACHE", str(tmp_path / "cache"))
    weights = find_weights("")
    build_stored(weights, iterations=max_iterations(weights))

    def start(*options: str) -> ModuleProcess:
        return start_node("-p", f"max_disparity:={D}", *options, module="engine_node")

    return start


def _centre(message: Any) -> float:
    pixels = np.frombuffer(message.image.data, np.float32).reshape(message.image.height, message.image.width)
    return float(pixels[pixels.shape[0] // 2, pixels.shape[1] // 2])


@pytest.mark.parametrize("backend", ["auto", "tensorrt"])
def test_pytorch_takes_over_from_engines_that_are_too_small(
    rig: Rig, start_with_engine: StartNode, backend: str
) -> None:
    node = start_with_engine("-p", f"backend:={backend}")
    rig.listen("disparity")
    rig.spin_until(rig.connected, what="the node's topics")
    rig.answer("disparity", good_frame())
    rig.spin_until(lambda: "tensorrt" in rig.status.get("hardware_id", ""), what="diagnostics of the engine")

    answer = rig.answer("disparity", LARGER, 60.0)
    assert (answer.image.width, answer.image.height) == (2 * W, 2 * H)
    assert abs(_centre(answer) - SHIFT - (CX_RIGHT - CX_LEFT)) < 0.5
    log = node.tail(200)
    assert f"FALLBACK to torch: {TOO_LARGE}: use backend torch, " in log
    assert log.count("FALLBACK") == 1
    assert "(the engines are too small)" in log
    rig.spin_until(lambda: "torch" in rig.status["hardware_id"], what="diagnostics of the new backend")


def test_where_nothing_may_take_over_each_larger_pair_is_refused(rig: Rig, start_with_engine: StartNode) -> None:
    node = start_with_engine("-p", "backend:=tensorrt", "-p", "backend_fallback:=none")
    rig.listen("disparity")
    rig.spin_until(rig.connected, what="the node's topics")
    rig.answer("disparity", good_frame())
    with rig.sending(lambda: rig.send(LARGER), period=0.1):
        rig.spin_until(lambda: int(rig.status.get("dropped_backend_error", 0)) > 5, what="refusals")
    assert f"frame dropped: {TOO_LARGE}" in node.tail(200)
    assert "FALLBACK" not in node.tail(200)
    rig.answer("disparity", good_frame())  # the engine still serves what fits


def test_what_cannot_take_over_is_asked_once(
    rig: Rig, start_with_engine: StartNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FFSTEREO_TEST_WITHOUT_TORCH", "1")
    node = start_with_engine("-p", "backend:=auto")
    rig.listen("disparity")
    rig.spin_until(rig.connected, what="the node's topics")
    rig.answer("disparity", good_frame())
    with rig.sending(lambda: rig.send(LARGER), period=0.1):
        rig.spin_until(lambda: int(rig.status.get("dropped_backend_error", 0)) > 20, what="refusals")
    line = "backend torch cannot take over from engines that are too small: torch is not installed"
    assert node.tail(400).count(line) == 1
    rig.answer("disparity", good_frame())
