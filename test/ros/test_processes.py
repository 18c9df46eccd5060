"""A private graph is one that nobody is in."""

from __future__ import annotations

import socket

from ffstereo_ros.ros.processes import private_graph


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
