"""What ``ros2 param`` shows is what ``params.py`` says; the parameter file and the README table too."""

from __future__ import annotations

from pathlib import Path

import rclpy
import yaml
from rclpy.parameter import Parameter as RosParameter
from ros_rig import Rig

from ffstereo_ros.parameter import Parameter
from ffstereo_ros.params import PARAMETERS, defaults
from ffstereo_ros.params_text import markdown_table, yaml_file
from ffstereo_ros.ros.parameters import declare_parameters

_ROOT = Path(__file__).resolve().parents[2]


def _lowest(parameter: Parameter) -> float | None:
    return 0.0 if parameter.zero else parameter.low


def test_declared_as_described(rig: Rig) -> None:
    node = rclpy.create_node("declares", context=rig.context)
    try:
        assert declare_parameters(node) == defaults()
        for parameter in PARAMETERS:
            descriptor = node.describe_parameter(parameter.name)
            assert descriptor.description.startswith(parameter.description)
            assert descriptor.read_only is (parameter.changes == "start")
            assert descriptor.dynamic_typing is False
            ranges = [*descriptor.integer_range, *descriptor.floating_point_range]
            limits = [(each.from_value, each.to_value) for each in ranges]
            assert limits == ([] if parameter.low is None else [(_lowest(parameter), parameter.high)])
    finally:
        node.destroy_node()


def test_what_only_a_start_can_change_cannot_be_set(rig: Rig) -> None:
    node = rclpy.create_node("refuses", context=rig.context)
    try:
        declare_parameters(node)
        fixed = next(parameter for parameter in PARAMETERS if parameter.changes == "start")
        result = node.set_parameters([RosParameter(fixed.name, value=fixed.default)])[0]
        assert not result.successful
        assert "read-only" in result.reason
    finally:
        node.destroy_node()


def test_the_parameter_file_is_the_declared_one() -> None:
    text = (_ROOT / "config/stereo_node.param.yaml").read_text(encoding="utf-8")
    assert text == yaml_file(), "run: python -m ffstereo_ros.params_text > config/stereo_node.param.yaml"
    assert yaml.safe_load(text) == {"/**": {"ros__parameters": defaults()}}


def test_the_readme_has_the_table() -> None:
    assert markdown_table() in (_ROOT / "README.md").read_text(encoding="utf-8")
