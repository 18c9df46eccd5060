"""Every parameter once: name, type, default, unit, range and one sentence.

The node's declarations, the command line, ``config/stereo_node.param.yaml`` and the table in the README are derived
from this file or checked against it by a test.
"""

from __future__ import annotations

from typing import Any

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.parameter import INACTIVE, START, Parameter, Value

BACKENDS = ("auto", "torch", "tensorrt", "sgbm")

PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "autostart",
        True,
        "Configure and activate at once; false leaves both to `ros2 lifecycle` or a lifecycle manager.",
        changes=START,
    ),
    Parameter(
        "backend",
        "auto",
        "Matching method; auto takes the best that can run and says which.",
        choices=BACKENDS,
        changes=INACTIVE,
    ),
    Parameter(
        "backend_fallback",
        "torch",
        "What may take over, loudly, where the backend asked for by name cannot be used; sgbm allows torch before it.",
        choices=("none", "torch", "sgbm"),
        changes=INACTIVE,
    ),
    Parameter(
        "weights",
        "",
        "Network weights: a .safetensors file or a name of `ffstereo weights list`; empty = auto.",
        changes=INACTIVE,
    ),
    Parameter("device", "auto", "Where the network runs.", choices=("auto", "cpu", "cuda"), changes=INACTIVE),
    Parameter(
        "precision",
        "auto",
        "Arithmetic of the network; auto takes the fastest that is safe on the device.",
        choices=("auto", "fp32", "bf16", "fp16"),
        changes=INACTIVE,
    ),
    Parameter(
        "iterations",
        8,
        "Refinement iterations of the network, at most as many as the weights were made for; fewer are faster.",
        low=1,
        high=64,
    ),
    Parameter(
        "max_disparity",
        192,
        "Largest disparity searched, at the scaled size; it bounds the nearest depth, scale * f * B / max_disparity.",
        unit="px",
        low=32,
        high=416,
        step=32,
    ),
    Parameter(
        "scale",
        0.0,
        "Image size the backend works at, relative to the camera's; 0 = what the weights do best at, else 1.",
        low=0.125,
        high=4.0,
        zero=True,
    ),
    Parameter(
        "hierarchical",
        False,
        "Solve at half size first, then refine at full size: for large disparities.",
        changes=INACTIVE,
    ),
    Parameter(
        "input_transport",
        "raw",
        "How images come: as they are, or as JPEG or PNG on the topic with /compressed added, as image_transport does.",
        choices=("raw", "compressed"),
        changes=INACTIVE,
    ),
    Parameter(
        "sync",
        "exact",
        "How the four input topics meet, by their stamps.",
        choices=("exact", "approximate"),
        changes=INACTIVE,
    ),
    Parameter(
        "sync_tolerance",
        0.01,
        "Largest stamp difference accepted by approximate sync.",
        unit="s",
        low=0.0,
        high=1.0,
        changes=INACTIVE,
    ),
    Parameter(
        "sync_queue_size",
        10,
        "Messages kept per topic while their partners are awaited.",
        low=2,
        high=100,
        changes=INACTIVE,
    ),
    Parameter(
        "warm_start",
        False,
        "Start from the last disparity where little moved: fewer iterations, with weights whose iterations converge.",
    ),
    Parameter("max_rate", 0.0, "Largest rate at which sets are matched; 0 = as they come.", "Hz", low=0.0, high=1000.0),
    Parameter("min_depth", 0.0, "Nearer points are unknown in depth and cloud.", "m", low=0.0, high=1000.0),
    Parameter("max_depth", 1000.0, "Farther points are unknown in depth and cloud.", "m", low=0.0, high=100000.0),
    Parameter("depth_encoding", "32FC1", "32FC1 in m or 16UC1 in mm.", choices=("32FC1", "16UC1")),
    Parameter("publish_disparity", True, "Publish disparity, where somebody listens."),
    Parameter("publish_depth", True, "Publish depth/image_rect and depth/camera_info, where somebody listens."),
    Parameter("publish_cloud", True, "Publish points2, where somebody listens."),
    Parameter("publish_confidence", True, "Publish confidence, where somebody listens."),
    Parameter("publish_color", True, "Publish disparity/image_color, where somebody listens."),
    Parameter("cloud_stride", 1, "The cloud takes every so many-th row and column.", low=1, high=16),
    Parameter("cloud_rate", 0.0, "Largest rate of the cloud; 0 = that of the depth.", "Hz", low=0.0, high=1000.0),
    Parameter("roi_x", 0, "Left edge of the region of interest; outside of it all is unknown.", "px", 0, 16384),
    Parameter("roi_y", 0, "Upper edge of the region of interest.", "px", 0, 16384),
    Parameter("roi_width", 0, "Width of the region of interest; 0 = up to the image's border.", "px", 0, 16384),
    Parameter("roi_height", 0, "Height of the region of interest; 0 = up to the image's border.", "px", 0, 16384),
    Parameter(
        "left_band_filter", False, "Take out the left band, which the right camera does not see and which is guessed."
    ),
    Parameter(
        "confidence_threshold",
        0.0,
        "Take out what the backend is less sure of; 0 = off, and where the backend gives no confidence.",
        low=0.0,
        high=1.0,
    ),
    Parameter(
        "left_right_tolerance",
        0.0,
        "Take out what the right view puts elsewhere by more than this, at the cost of a second inference; 0 = off.",
        unit="px",
        low=0.0,
        high=100.0,
    ),
    Parameter(
        "flying_pixel_threshold",
        0.0,
        "Take out what lies further than this from both the nearer and the farther surface beside it; 0 = off.",
        unit="px",
        low=0.0,
        high=100.0,
    ),
    Parameter("speckle_size", 0, "Take out islands of at most so many pixels; 0 = off.", low=0, high=100000),
    Parameter(
        "speckle_range", 1.0, "Neighbours that differ by more belong to different islands.", "px", low=0.0, high=100.0
    ),
    Parameter(
        "temporal_weight",
        0.0,
        "Share of the past in what stands still, against flicker; what moves starts anew; 0 = off.",
        low=0.0,
        high=0.95,
    ),
    Parameter(
        "temporal_max_change",
        1.0,
        "A pixel that changes by more starts anew, and the past lags behind by no more.",
        unit="px",
        low=0.0,
        high=100.0,
    ),
    Parameter("diagnostics_window", 10.0, "Time that latencies and rates are taken over.", "s", low=1.0, high=600.0),
    Parameter(
        "min_output_rate",
        0.0,
        "Diagnostics warn below this rate of published sets; 0 = never.",
        "Hz",
        low=0.0,
        high=1000.0,
    ),
    Parameter(
        "max_latency",
        0.0,
        "Diagnostics warn where p95 from stamp to publication is above; 0 = never.",
        unit="s",
        low=0.0,
        high=60.0,
    ),
    Parameter(
        "max_drop_share",
        0.0,
        "Diagnostics warn where more of the sets are lost, those held back on purpose not counted; 0 = never.",
        low=0.0,
        high=1.0,
    ),
    Parameter(
        "error_after",
        10.0,
        "Diagnostics say ERROR where nothing could be published for so long; 0 = never.",
        unit="s",
        low=0.0,
        high=3600.0,
    ),
)

BY_NAME: dict[str, Parameter] = {parameter.name: parameter for parameter in PARAMETERS}


def defaults() -> dict[str, Value]:
    """Name to default, in the order of declaration."""
    return {parameter.name: parameter.default for parameter in PARAMETERS}


def check_all(values: dict[str, Any]) -> dict[str, Value]:
    """Defaults overlaid with ``values``, all checked.

    Raises:
        ParameterError: a value is refused, or a name is unknown.
    """
    unknown = sorted(set(values) - set(BY_NAME))
    if unknown:
        raise ParameterError(f"unknown parameter {', '.join(unknown)}: known are {', '.join(BY_NAME)}")
    return {**defaults(), **{name: BY_NAME[name].check(value) for name, value in values.items()}}
