"""Parameters that were given to a node which has none of these names: rclpy drops them without a word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from rclpy.node import Node

# Declared by rclpy, of itself or, `qos_overrides.*`, with each topic; which of them depends on the release.
_OF_RCLPY = ("use_sim_time", "start_type_description_service")
_OF_TOPICS = "qos_overrides."

# Of a pair of names, 2 * common letters / all letters. One slip in a name of four letters leaves 0.75 or more; at 0.67
# the player's `rate`, which the node sees in one process with it, would be a `max_rate`.
_NEAR = 0.7
_MOST_NAMES = 8

# A file may hold the QoS of raw and of compressed images, whichever are taken.
_COMPRESSED = "/compressed"


def tell_unknown_overrides(node: Node, names: Iterable[str]) -> None:
    """Warns of each parameter that was given and has no effect, where its name is near one that the node has.

    The others are one line for information: a file for all nodes (``/**``) holds what is meant for others.

    Args:
        names: of the node's parameters, all declared.
    """
    unknown = {
        name: value
        for name, value in _undeclared(node).items()
        if name not in _OF_RCLPY and not name.startswith(_OF_TOPICS)
    }
    warnings, info = describe_unknown(unknown, (*names, *_OF_RCLPY))
    for line in warnings:
        node.get_logger().warning(line)
    if info:
        node.get_logger().info(info)


def tell_unknown_qos(node: Node) -> None:
    """Warns of each QoS parameter that was given and has no effect, where a topic of the node may be meant.

    For when the topics are there: rclpy declares these parameters with them. Those of other topics are for others.
    """
    begins = len(_OF_TOPICS)
    given = {name[begins:]: value for name, value in _undeclared(node).items() if name.startswith(_OF_TOPICS)}
    names = node.get_parameters_by_prefix(_OF_TOPICS[:-1])
    for line in describe_unknown_qos(given, names, node.get_namespace()):
        node.get_logger().warning(line)


def describe_unknown_qos(unknown: Mapping[str, object], names: Iterable[str], namespace: str) -> list[str]:
    """A warning for each of ``unknown`` that may mean one of ``names``: TOPIC.SIDE.POLICY, both.

    Another namespace than that of the node is another camera's, not a slip.
    """
    policies: dict[str, list[str]] = {}
    for name in names:
        side, policy = _side_and_policy(name)
        policies.setdefault(side, []).append(policy)
    lines = []
    for name in sorted(unknown):
        side, policy = _side_and_policy(name)
        meant = _meant(side, policies, namespace)
        if meant is None or policy in policies.get(side, ()):
            continue
        allowed = ", ".join(sorted(policies[meant]))
        remedy = (
            f"of this topic {allowed} can be set" if meant == side else f"did you mean {_OF_TOPICS}{meant}.{policy}?"
        )
        lines.append(f"parameter {_OF_TOPICS}{name} = {unknown[name]} has no effect: {remedy}")
    return lines


def _side_and_policy(name: str) -> tuple[str, str]:
    """TOPIC.SIDE.POLICY to TOPIC.SIDE, of compressed images that of raw ones, and POLICY."""
    side, _, policy = name.replace(_COMPRESSED, "").rpartition(".")
    return side, policy


def _meant(side: str, known: Iterable[str], namespace: str) -> str | None:
    """The one of ``known``, TOPIC.SIDE, that was most likely meant, or None; the namespace may have been left out."""
    sides, begins = tuple(known), f"{namespace.rstrip('/')}/"
    if (whole := f"{begins}{side.lstrip('/')}") in sides:
        return whole
    near = get_close_matches(side, sides, n=1, cutoff=_NEAR) if side.startswith(begins) else []
    return near[0] if near else None


def _undeclared(node: Node) -> dict[str, object]:
    """What was given and nobody has declared, by name."""
    # Not public, and the only place where rclpy keeps it.
    given = getattr(node, "_parameter_overrides", {})
    return {name: each.value for name, each in given.items() if not node.has_parameter(name)}


def describe_unknown(unknown: Mapping[str, object], names: Iterable[str]) -> tuple[list[str], str]:
    """What is to be said of parameters, by name, that are none of ``names``.

    Returns:
        A warning for each that is near one of ``names``, and a line for all others, empty where there are none.
    """
    known = tuple(names)
    meant = {name: nearest(name, known) for name in sorted(unknown)}
    warnings = [
        f"parameter {name} = {unknown[name]} has no effect: the node has none of that name; did you mean {near}?"
        for name, near in meant.items()
        if near
    ]
    others = [name for name, near in meant.items() if not near]
    if not others:
        return warnings, ""
    more = f" and {len(others) - _MOST_NAMES} more" if len(others) > _MOST_NAMES else ""
    verb = "has" if len(others) == 1 else "have"
    plural = "" if len(others) == 1 else "s"
    listed = ", ".join(others[:_MOST_NAMES])
    return warnings, f"parameter{plural} {listed}{more} {verb} no effect on this node: it has none of that name"


def nearest(given: str, names: Iterable[str]) -> str | None:
    """The one of ``names`` that was most likely meant, or None. Of a nested name the last part counts, too."""
    known = tuple(names)
    for part in (given, given.rsplit(".", 1)[-1]):
        if near := get_close_matches(part.lower(), known, n=1, cutoff=_NEAR):
            return near[0]
    return None
