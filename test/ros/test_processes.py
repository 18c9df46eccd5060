"""A private graph is one that nobody is in; its settings are found wherever the package is."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

import ffstereo_ros
from ffstereo_ros.errors import InputFileError
from ffstereo_ros.ros import processes
from ffstereo_ros.ros.processes import PROFILE, config_file, private_graph


def _domain() -> int:
    with private_graph() as environment:
        return int(environment["ROS_DOMAIN_ID"])


def test_two_graphs_are_two() -> None:
    with private_graph() as environment:
        assert _domain() != int(environment["ROS_DOMAIN_ID"])


def test_a_domain_with_a_node_left_over_is_not_taken() -> None:
    domain = _domain()
    # Discovered on this host alone, a participant listens at its own port and not at the multicast one.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as third_participant:
        third_participant.bind(("", 7400 + 250 * domain + 10 + 2 * 2))
        assert _domain() != domain


def test_domains_with_remains_of_killed_processes_come_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_SHARED_MEMORY", str(tmp_path))
    domain = _domain()
    (tmp_path / f"fastrtps_port{7400 + 250 * domain + 11}").touch()
    (tmp_path / "fastrtps_port7001").touch()  # of no domain of ours
    assert _domain() != domain
    for each in range(1, 102):
        (tmp_path / f"fastdds_port{7400 + 250 * each + 13}").touch()
    assert _domain() == domain


def test_a_config_file_is_found_where_pip_puts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an environment without a sourced workspace, as after ``pip install`` into a plain venv."""
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    package = tmp_path / "lib" / "python3.12" / "site-packages" / "ffstereo_ros"
    monkeypatch.setattr(ffstereo_ros, "__file__", str(package / "__init__.py"))
    with pytest.raises(InputFileError, match=f"config file {PROFILE}: in none of {package.parent}/config, {tmp_path}/"):
        config_file(PROFILE)
    share = tmp_path / "share" / "ffstereo_ros" / "config"
    share.mkdir(parents=True)
    (share / PROFILE).touch()
    assert config_file(PROFILE) == share / PROFILE
