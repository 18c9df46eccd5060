"""Optional packages: what they are called, and what to do where one is missing."""

from __future__ import annotations

import importlib.util

from ffstereo_ros.errors import MissingDependencyError

# Import name -> what people call it, and how it is had. OpenCV is required and yet no dependency of the distribution:
# pip has it under four names, and would put any of them over the one that ROS 2 brings.
_KNOWN = {
    "cv2": ("OpenCV", "pip install opencv-python-headless, or apt install python3-opencv with ROS 2"),
    "yaml": ("PyYAML", "pip install pyyaml"),
    "skimage": ("scikit-image", "pip install scikit-image"),
    **{
        name: (name, f"pip install {name}")
        for name in (
            *("numpy", "torch", "safetensors", "tqdm", "matplotlib", "jinja2", "rosbags", "onnx", "onnxscript"),
            "huggingface_hub",
        )
    },
    **{
        name: (name, "source a ROS 2 that has it, or run `make demo` in the repository, which brings it along")
        for name in (
            *("rclpy", "sensor_msgs", "stereo_msgs", "diagnostic_msgs", "std_msgs", "std_srvs", "rcl_interfaces"),
            *("message_filters", "cv_bridge", "sensor_msgs_py"),
        )
    },
}


def explain(error: ImportError) -> MissingDependencyError | None:
    """Which package is missing or broken, and what to do; None where it is none of them but a mistake of ours."""
    module = (error.name or "").partition(".")[0]
    if module not in _KNOWN:
        return None
    if isinstance(error, ModuleNotFoundError):
        return _missing(module)
    name, remedy = _KNOWN[module]
    reason = str(error).partition("\n")[0]
    return MissingDependencyError(f"{name} does not load ({reason}): {remedy}")


def require(*modules: str) -> None:
    """Asks for what is needed late, before the work that would be lost.

    Raises:
        MissingDependencyError: one is not installed.
    """
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise _missing(module)


def _missing(module: str) -> MissingDependencyError:
    name, remedy = _KNOWN[module]
    return MissingDependencyError(f"{name} is not installed: {remedy}")
