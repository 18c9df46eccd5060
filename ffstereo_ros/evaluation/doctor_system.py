"""What can run on this machine, and how ROS messages travel on it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
from pathlib import Path

from ffstereo_ros.evaluation.findings import Finding
from ffstereo_ros.fastdds import NEW_VARIABLE, variables_in_force, variables_to_set

_PROFILE = "config/fastdds_large_images.xml"


def check_system() -> list[Finding]:
    """OpenCV, torch and CUDA, TensorRT, ROS, and the transport that the environment asks for."""
    return [_opencv(), *_torch(), _tensorrt(), *_ros(), *_transport()]


def _opencv() -> Finding:
    try:
        import cv2
    except ImportError as error:
        return Finding("bad", "opencv", f"does not load ({error})", "pip install opencv-python-headless")
    return Finding("ok", "opencv", f"{cv2.__version__}, Python {platform.python_version()}: backend sgbm can run")


def _torch() -> list[Finding]:
    if importlib.util.find_spec("torch") is None:
        return [
            Finding("note", "torch", "not installed: backend torch cannot run", "pip install torch; sgbm runs without")
        ]
    try:
        import torch
    except Exception as error:  # a broken CUDA installation fails in more ways than ImportError
        return [Finding("bad", "torch", f"does not load ({str(error).splitlines()[0]})", "reinstall torch")]
    findings = [Finding("ok", "torch", f"{torch.__version__}: backend torch can run")]
    if not torch.cuda.is_available():
        return [*findings, Finding("note", "cuda", f"torch sees none: the network runs on {os.cpu_count()} CPU cores")]
    properties = torch.cuda.get_device_properties(0)
    memory = properties.total_memory / 2**30
    text = (
        f"{properties.name}, {memory:.0f} GiB, compute {properties.major}.{properties.minor}, CUDA {torch.version.cuda}"
    )
    return [*findings, Finding("ok", "cuda", text)]


def _tensorrt() -> Finding:
    try:
        version = importlib.metadata.version("tensorrt")
    except importlib.metadata.PackageNotFoundError:
        if importlib.util.find_spec("tensorrt") is None:
            return Finding("note", "tensorrt", "not installed: backend tensorrt cannot run")
        version = "of unknown version"
    return Finding("ok", "tensorrt", f"{version}: backend tensorrt can run where there is an NVIDIA GPU")


def _ros() -> list[Finding]:
    if importlib.util.find_spec("rclpy") is None:
        remedy = "source /opt/ros/<distro>/setup.bash; commands on files and bags work without"
        return [Finding("note", "ros", "rclpy is not on the path: no node, no live topics", remedy)]
    distro = os.environ.get("ROS_DISTRO", "distro not set")
    domain = os.environ.get("ROS_DOMAIN_ID", "0")
    rmw = os.environ.get("RMW_IMPLEMENTATION", "the distro's default")
    return [Finding("ok", "ros", f"{distro}, RMW {rmw}, domain {domain}")]


def _transport() -> list[Finding]:
    """Default Fast DDS loses more than half of best-effort 640x480 pairs on one idle host; a profile cures it."""
    rmw = os.environ.get("RMW_IMPLEMENTATION", "")
    if importlib.util.find_spec("rclpy") is None or (rmw and "fastrtps" not in rmw):
        return []
    files = {name: value for name in variables_in_force() if (value := os.environ.get(name))}
    remedy = f"export {' and '.join(variables_to_set())} = <share>/{_PROFILE} for every process, the camera's too"
    lost = "default Fast DDS loses more than half of best-effort stereo images"
    findings = []
    if not files and os.environ.get(NEW_VARIABLE):
        text = f"{NEW_VARIABLE} is set, which this release of ROS 2 does not read: {lost}"
        findings.append(Finding("warn", "transport", text, remedy))
    elif not files:
        findings.append(Finding("warn", "transport", f"no Fast DDS profile in the environment: {lost}", remedy))
    for name, value in files.items():
        findings.append(_profile(name, Path(value), remedy))
    return findings + _shared_memory()


def _profile(name: str, path: Path, remedy: str) -> Finding:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return Finding("bad", "transport", f"{name} = {path}: no such file, so the default is used", remedy)
    shared = "SHM" in text and "segment_size" in text
    if not shared:
        return Finding("warn", "transport", f"{name} = {path}: no shared memory of its own size in it", remedy)
    return Finding("ok", "transport", f"{name} = {path}: shared memory")


def _shared_memory() -> list[Finding]:
    folder = Path("/dev/shm")
    if not folder.is_dir():
        return []
    free = shutil.disk_usage(folder).free / 2**20
    segments = [path for path in folder.iterdir() if path.name.startswith(("fastrtps_", "fastdds_"))]
    held = sum(path.stat().st_size for path in segments if path.exists()) / 2**20
    text = f"/dev/shm has {free:.0f} MiB free, {len(segments)} Fast DDS files hold {held:.0f} MiB"
    if free < 256:
        remedy = "a participant needs 64 MiB: enlarge /dev/shm (docker: --shm-size=1g) or run `fastdds shm clean`"
        return [Finding("warn", "transport", text, remedy)]
    return [Finding("ok", "transport", text)]
