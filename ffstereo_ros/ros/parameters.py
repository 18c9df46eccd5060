"""``params.py`` declared on a node, and its changes while the node runs: checked together, taken all or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    ParameterType,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.parameter import INACTIVE, START, Parameter, Value
from ffstereo_ros.params import BY_NAME, PARAMETERS
from ffstereo_ros.ros.overrides import tell_unknown_overrides
from ffstereo_ros.ros.settings import NodeSettings

_TYPES: dict[type, int] = {
    bool: ParameterType.PARAMETER_BOOL,
    int: ParameterType.PARAMETER_INTEGER,
    float: ParameterType.PARAMETER_DOUBLE,
    str: ParameterType.PARAMETER_STRING,
}


class LiveParameters:
    """The node's parameters as settings that always hold together.

    Args:
        active: whether the node is active, when what an activation reads cannot change.
        changed: told the new settings, on the executor's thread.

    Attributes:
        values: by name.
        settings: the same, sorted.

    Raises:
        ParameterError: an override is refused.
    """

    def __init__(self, node: Node, active: Callable[[], bool], changed: Callable[[NodeSettings], None]) -> None:
        self.values = declare_parameters(node)
        self.settings = NodeSettings.from_parameters(self.values)
        self._node = node
        self._active = active
        self._changed = changed
        node.add_on_set_parameters_callback(self._check)
        # Humble has neither: there an int is no float, and a change is taken as soon as it is found good.
        self._acts_later = hasattr(node, "add_post_set_parameters_callback")
        if self._acts_later:
            node.add_pre_set_parameters_callback(_widen)
            node.add_post_set_parameters_callback(self._take)

    def restore(self, values: dict[str, Value]) -> None:
        """Sets parameters back, all in one."""
        self._node.set_parameters_atomically([RosParameter(name, value=value) for name, value in values.items()])

    def _check(self, parameters: Sequence[RosParameter]) -> SetParametersResult:
        try:
            NodeSettings.from_parameters(self._with(parameters))
        except ParameterError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if not self._acts_later:
            self._take(parameters)
        return SetParametersResult(successful=True)

    def _take(self, parameters: Sequence[RosParameter]) -> None:
        self.values = self._with(parameters)
        settings = NodeSettings.from_parameters(self.values)
        if settings != self.settings:
            self.settings = settings
            self._changed(settings)

    def _with(self, parameters: Sequence[RosParameter]) -> dict[str, Value]:
        """All values with these in the place of the old; rclpy's own parameters are left out."""
        values = dict(self.values)
        for given in parameters:
            if given.name in BY_NAME:
                values[given.name] = self._allowed(BY_NAME[given.name], given.value)
        return values

    def _allowed(self, parameter: Parameter, given: object) -> Value:
        value = parameter.check(given)
        if parameter.changes == INACTIVE and value != self.values[parameter.name] and self._active():
            name = self._node.get_fully_qualified_name()
            raise ParameterError(
                f"{parameter.name} = {value!r}: cannot change while the node is active; "
                f"`ros2 lifecycle set {name} deactivate`, set it, and activate again"
            )
        return value


def _widen(parameters: Sequence[RosParameter]) -> list[RosParameter]:
    """An int for a float is a float: ``ros2 param set NODE scale 1``."""
    return [
        RosParameter(each.name, value=float(each.value))
        if type(each.value) is int and each.name in BY_NAME and BY_NAME[each.name].type is float
        else each
        for each in parameters
    ]


def declare_parameters(node: Node) -> dict[str, Value]:
    """Declares every parameter of the node and returns the checked values, overrides applied.

    What is given under another name has no effect, and the node's log says so.

    Raises:
        ParameterError: an override has the wrong type or is out of range.
    """
    values = {parameter.name: declare(node, parameter) for parameter in PARAMETERS}
    tell_unknown_overrides(node, values)
    return values


def declare(node: Node, parameter: Parameter) -> Value:
    """Declares one parameter and returns its checked value, an override applied.

    It is declared without a type first: rclpy would refuse an int for a double, and name neither the range nor the
    unit when it refuses a value.

    Raises:
        ParameterError: the override has the wrong type or is out of range.
    """
    given = node.declare_parameter(parameter.name, parameter.default, ParameterDescriptor(dynamic_typing=True)).value
    value = parameter.check(given)
    node.set_parameters([RosParameter(parameter.name, value=value)])
    node.set_descriptor(parameter.name, describe(parameter))
    return value


def describe(parameter: Parameter) -> ParameterDescriptor:
    """The descriptor of one parameter; what only a start can change is read-only."""
    descriptor = ParameterDescriptor(
        type=_TYPES[parameter.type],
        description=f"{parameter.description} [{parameter.unit}]" if parameter.unit else parameter.description,
        additional_constraints=f"one of {parameter.allowed()}" if parameter.choices else "",
        read_only=parameter.changes == START,
    )
    if parameter.low is None or parameter.high is None:
        return descriptor
    if parameter.type is int:
        limits = IntegerRange(from_value=int(parameter.low), to_value=int(parameter.high), step=max(parameter.step, 1))
        descriptor.integer_range = [limits]
    else:
        low = 0.0 if parameter.zero else parameter.low
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=parameter.high)]
    return descriptor
