from __future__ import annotations

import importlib.util

import pytest

from ffstereo_ros.evaluation.doctor_system import check_system
from ffstereo_ros.evaluation.findings import Finding, is_bad
from ffstereo_ros.fastdds import NEW_VARIABLE, OLD_VARIABLE


def transport(monkeypatch, value, variable=OLD_VARIABLE, release="jazzy"):
    """The first finding about the transport with a profile variable set, or with none."""
    for name in (OLD_VARIABLE, NEW_VARIABLE, "RMW_IMPLEMENTATION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROS_DISTRO", release)
    if value is not None:
        monkeypatch.setenv(variable, str(value))
    return next(finding for finding in check_system() if finding.check == "transport")


def test_says_what_can_run():
    found = {finding.check: finding for finding in check_system()}
    assert "sgbm can run" in found["opencv"].text
    assert {"torch", "tensorrt", "ros"} <= set(found)


@pytest.mark.skipif(importlib.util.find_spec("rclpy") is None, reason="needs rclpy: the transport is Fast DDS's")
def test_the_transport_profile_is_read(monkeypatch, tmp_path):
    assert transport(monkeypatch, None).level == "warn"
    assert transport(monkeypatch, tmp_path / "nowhere.xml").level == "bad"
    profile = tmp_path / "profile.xml"
    profile.write_text("<transport_descriptor><type>UDPv4</type></transport_descriptor>")
    assert transport(monkeypatch, profile).level == "warn"
    profile.write_text("<type>SHM</type><segment_size>67108864</segment_size>")
    assert transport(monkeypatch, profile).level == "ok"
    unread = transport(monkeypatch, profile, NEW_VARIABLE)
    assert unread.level == "warn"
    assert "does not read" in unread.text
    assert transport(monkeypatch, profile, NEW_VARIABLE, "kilted").level == "ok"


def test_a_finding_is_one_line():
    finding = Finding("bad", "rows", "4 px off", "recalibrate")
    assert finding.line() == "BAD  rows        4 px off; recalibrate"
    assert is_bad([Finding("warn", "a", "b"), finding])
    assert not is_bad([Finding("warn", "a", "b")])
