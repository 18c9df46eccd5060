"""The node with the torch backend, as a process: weights from a file, disparity and confidence out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ros_rig import HEIGHT, WIDTH, Rig, good_frame

pytest.importorskip("torch", reason="needs torch")

from ffstereo_ros.network.checkpoint.metadata import WeightsMetadata
from ffstereo_ros.network.checkpoint.store import LoadedWeights, save_weights
from ffstereo_ros.ros.processes import ModuleProcess
from ffstereo_ros.training.start import fresh_model

StartNode = Callable[..., ModuleProcess]
_START_SECONDS = 60.0  # importing torch on a busy machine takes most of it


def test_disparity_and_confidence_of_a_network(rig: Rig, start_node: StartNode, tmp_path: Path) -> None:
    model, file = fresh_model("mini", 0), tmp_path / "random.safetensors"
    save_weights(file, LoadedWeights(model.config, model.state_dict(), WeightsMetadata("random", "none", "a test")))
    node = start_node("-p", "backend:=torch", "-p", f"weights:={file}", "-p", "device:=cpu", "-p", "iterations:=1")
    rig.listen("disparity", "confidence")
    rig.spin_until(rig.connected, _START_SECONDS, what="the node's topics")
    disparity = rig.answer("disparity", good_frame(), _START_SECONDS)

    def confidences() -> list[object]:
        return [each for each in rig.received["confidence"] if each.header.stamp == disparity.header.stamp]

    rig.spin_until(confidences, what="the confidence of the same set")
    values = np.frombuffer(confidences()[0].data, np.float32).reshape(HEIGHT, WIDTH)
    assert 0 <= values.min() < values.max() <= 1
    assert np.frombuffer(disparity.image.data, np.float32).size == HEIGHT * WIDTH
    assert "torch (weights random," in node.tail(100)
    rig.spin_until(lambda: int(rig.status.get("published", 0)) > 0, what="the count of what was published")
