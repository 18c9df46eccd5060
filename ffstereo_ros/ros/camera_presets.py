"""``config/cameras/NAME.yaml``: the topics, frame and node parameters that go with a camera driver."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ffstereo_ros.errors import InputFileError, ParameterError
from ffstereo_ros.parameter import Value
from ffstereo_ros.params import BY_NAME
from ffstereo_ros.ros.processes import config_file

CAMERAS = ("realsense", "zed", "oak", "usb", "isaac_sim")

# What image_transport adds to the name of an image that it compresses, and the node with it.
COMPRESSED_SUFFIX = "/compressed"

# Launch argument and the node's own name of each input, in the order of the node's inputs.
INPUT_ARGUMENTS = {
    "left_image": "left/image_rect",
    "left_camera_info": "left/camera_info",
    "right_image": "right/image_rect",
    "right_camera_info": "right/camera_info",
}
_KEYS = {"driver", "namespace", "frame", "topics", "parameters"}


@dataclass(frozen=True)
class CameraPreset:
    """What the launch files need to know of a camera.

    Attributes:
        driver: how to start the driver so that it sends what the node needs, for people.
        namespace: of the driver's topics, and so of the node.
        frame: ``frame_id`` of the left image.
        topics: by launch argument, relative to the namespace.
        parameters: those of the node that differ from the defaults.
        use_sim_time: the camera is simulated.
    """

    driver: str
    namespace: str
    frame: str
    topics: dict[str, str]
    parameters: dict[str, Value]
    use_sim_time: bool = False


# Without a preset: the node's own topic names.
NO_CAMERA = CameraPreset("", "", "left_camera_optical_frame", dict(INPUT_ARGUMENTS), {})


def load_preset(name: str) -> CameraPreset:
    """The preset of a camera; an empty name is the one of a camera with the node's own topic names.

    Raises:
        ParameterError: no such camera.
        InputFileError: its file is missing or holds something else; the message names it.
    """
    if not name:
        return NO_CAMERA
    if name not in CAMERAS:
        raise ParameterError(f"camera = '{name}': allowed is {', '.join(CAMERAS)}, or empty and the topics by hand")
    path = config_file(f"cameras/{name}.yaml")
    try:
        return _preset(yaml.safe_load(path.read_text(encoding="utf-8")), path.parents[1])
    except (OSError, yaml.YAMLError, TypeError, ValueError, ParameterError) as error:
        raise InputFileError(f"camera preset {path}: {' '.join(str(error).split())}") from error


def _preset(content: Any, share: Path) -> CameraPreset:
    keys = set(content)
    if not _KEYS <= keys <= {*_KEYS, "use_sim_time"}:
        raise ValueError(f"keys are {', '.join(sorted(keys))}; needed are {', '.join(sorted(_KEYS))}")
    topics = {str(key): str(value) for key, value in content["topics"].items()}
    absolute = [topic for topic in topics.values() if topic.startswith("/")]
    if topics.keys() != INPUT_ARGUMENTS.keys() or absolute:
        raise ValueError(f"topics must be {', '.join(INPUT_ARGUMENTS)}, relative to the namespace")
    unknown = content["parameters"].keys() - BY_NAME.keys()
    if unknown:
        raise ValueError(f"the node has no parameter {', '.join(sorted(unknown))}")
    return CameraPreset(
        driver=" ".join(str(content["driver"]).split()).replace("SHARE/config", str(share)),
        namespace=str(content["namespace"]),
        frame=str(content["frame"]),
        topics=topics,
        parameters={name: BY_NAME[name].check(value) for name, value in content["parameters"].items()},
        use_sim_time=bool(content.get("use_sim_time", False)),
    )
