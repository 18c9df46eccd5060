"""In which environment variable Fast DDS looks for its profile, which ROS 2 releases disagree about."""

from __future__ import annotations

import importlib.metadata
import os

OLD_VARIABLE, NEW_VARIABLE = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"

_OLD_RELEASES = ("foxy", "galactic", "humble", "iron", "jazzy")
_FIRST_NEW_RCLPY = 9  # Kilted's; Jazzy has 7
_RCLPY = ("rclpy", "ros-rclpy")  # its distribution in a ROS 2 installation, and as a wheel


def variables_to_set() -> tuple[str, ...]:
    """The old name up to Jazzy, which knows no other; the new one from Kilted on; both where the release is unknown.

    Kilted reads the old one as well, with a warning at every start.
    """
    new = _is_new_release()
    if new is None:
        return (OLD_VARIABLE, NEW_VARIABLE)
    return (NEW_VARIABLE,) if new else (OLD_VARIABLE,)


def variables_in_force() -> tuple[str, ...]:
    """The names that this release reads."""
    return (OLD_VARIABLE,) if _is_new_release() is False else (OLD_VARIABLE, NEW_VARIABLE)


def _is_new_release() -> bool | None:
    """Whether this is Kilted or later, by the release that is sourced, else by rclpy's version; None = unknown."""
    release = os.environ.get("ROS_DISTRO")
    if release:
        return release not in _OLD_RELEASES
    for name in _RCLPY:
        try:
            return int(importlib.metadata.version(name).split(".")[0]) >= _FIRST_NEW_RCLPY
        except (importlib.metadata.PackageNotFoundError, ValueError):
            continue
    return None
