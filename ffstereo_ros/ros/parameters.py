"""``params.py`` declared on a node: types, ranges and descriptions for ``ros2 param describe`` and rqt."""

from __future__ import annotations

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, ParameterType
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from ffstereo_ros.params import PARAMETERS, Parameter, Value

_TYPES: dict[type, int] = {
    bool: ParameterType.PARAMETER_BOOL,
    int: ParameterType.PARAMETER_INTEGER,
    float: ParameterType.PARAMETER_DOUBLE,
    str: ParameterType.PARAMETER_STRING,
}


def declare_parameters(node: Node) -> dict[str, Value]:
    """Declares every parameter and returns the checked values, overrides applied.

    Each is declared without a type first: rclpy would refuse an int for a double, and name neither the range nor the
    unit when it refuses a value.

    Raises:
        ParameterError: an override has the wrong type or is out of range.
    """
    values: dict[str, Value] = {}
    for parameter in PARAMETERS:
        open_descriptor = ParameterDescriptor(dynamic_typing=True)
        given = node.declare_parameter(parameter.name, parameter.default, open_descriptor).value
        values[parameter.name] = parameter.check(given)
        node.set_parameters([RosParameter(parameter.name, value=values[parameter.name])])
        node.set_descriptor(parameter.name, describe(parameter))
    return values


def describe(parameter: Parameter) -> ParameterDescriptor:
    """The descriptor of one parameter; what is not dynamic is read-only."""
    descriptor = ParameterDescriptor(
        type=_TYPES[parameter.type],
        description=f"{parameter.description} [{parameter.unit}]" if parameter.unit else parameter.description,
        additional_constraints=f"one of {parameter.allowed()}" if parameter.choices else "",
        read_only=not parameter.dynamic,
    )
    if parameter.low is None or parameter.high is None:
        return descriptor
    if parameter.type is int:
        limits = IntegerRange(from_value=int(parameter.low), to_value=int(parameter.high), step=max(parameter.step, 1))
        descriptor.integer_range = [limits]
    else:
        descriptor.floating_point_range = [FloatingPointRange(from_value=parameter.low, to_value=parameter.high)]
    return descriptor
