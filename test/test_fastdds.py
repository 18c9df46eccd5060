"""The variable for Fast DDS's profile: each release of ROS 2 has to be given the one that it reads."""

from __future__ import annotations

import importlib.metadata

import pytest

from ffstereo_ros.fastdds import NEW_VARIABLE, OLD_VARIABLE, variables_in_force, variables_to_set

_NEW, _BOTH = (NEW_VARIABLE,), (OLD_VARIABLE, NEW_VARIABLE)


@pytest.mark.parametrize(
    ("release", "to_set", "in_force"),
    [
        ("humble", (OLD_VARIABLE,), (OLD_VARIABLE,)),
        ("jazzy", (OLD_VARIABLE,), (OLD_VARIABLE,)),
        ("kilted", _NEW, _BOTH),
        ("lyrical", _NEW, _BOTH),
        ("rolling", _NEW, _BOTH),
    ],
)
def test_by_the_release_that_is_sourced(
    release: str, to_set: tuple[str, ...], in_force: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROS_DISTRO", release)
    assert variables_to_set() == to_set
    assert variables_in_force() == in_force


@pytest.mark.parametrize(
    ("name", "version", "to_set"),
    [
        ("rclpy", "7.1.1", (OLD_VARIABLE,)),
        ("rclpy", "9.1.2", _NEW),
        ("ros-rclpy", "10.0.3", _NEW),
        ("rclpy", "unreadable", _BOTH),
        ("neither", "9.1.2", _BOTH),
    ],
)
def test_else_by_the_version_of_rclpy(
    name: str, version: str, to_set: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def installed(asked: str) -> str:
        if asked != name:
            raise importlib.metadata.PackageNotFoundError(asked)
        return version

    monkeypatch.delenv("ROS_DISTRO", raising=False)
    monkeypatch.setattr(importlib.metadata, "version", installed)
    assert variables_to_set() == to_set
