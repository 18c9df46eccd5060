"""``ros2 run ffstereo_ros component_container``: a process that loads Python nodes on demand.

It answers the services of ROS 2's own containers, ``~/_container/load_node``, ``unload_node`` and ``list_nodes``, as
``ComposableNodeContainer`` of launch_ros and ``ros2 component`` call them. What can be loaded is what an installed
package names in its entry points of the group ``rclpy_components``: ``package::Class = module:Class``.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Any, cast

from rclpy.logging import LoggingSeverity
from rclpy.node import Node
from rclpy.parameter import Parameter

from ffstereo_ros.errors import FFStereoError, MissingDependencyError, ParameterError
from ffstereo_ros.ros.main import main as run_node

GROUP = "rclpy_components"

# What rclcpp's containers understand beside parameters. rclpy has no intra-process transport: accepted without effect.
_EXTRA_ARGUMENTS = ("use_intra_process_comms", "forward_global_arguments")


def find_component(package: str, plugin: str) -> Callable[..., Node]:
    """What builds the node that ``package`` calls ``plugin``.

    Raises:
        ParameterError: no such component, or its module does not load.
    """
    known = [entry for entry in entry_points(group=GROUP) if entry.name.partition("::")[0] == package]
    found = next((entry for entry in known if entry.name == plugin), None)
    if found is None:
        offered = ", ".join(sorted({entry.name for entry in known})) or "none"
        raise ParameterError(
            f"package '{package}' has no Python component '{plugin}': it has {offered} (entry points {GROUP}); "
            "components in C++ need the container of rclcpp_components"
        )
    try:
        return cast("Callable[..., Node]", found.load())
    except Exception as error:  # whatever the module does when it is imported
        raise ParameterError(f"component '{plugin}' does not load: {type(error).__name__}: {error}") from error


def node_arguments(request: Any) -> dict[str, Any]:
    """The keyword arguments of ``rclpy.node.Node`` for a ``LoadNode.Request``.

    Raises:
        ParameterError: an extra argument that is unknown, or no boolean.
    """
    extra = {each.name: Parameter.from_parameter_msg(each) for each in request.extra_arguments}
    for name, parameter in extra.items():
        if name not in _EXTRA_ARGUMENTS:
            raise ParameterError(f"extra argument {name}: known are {', '.join(_EXTRA_ARGUMENTS)}")
        if parameter.type_ is not Parameter.Type.BOOL:
            raise ParameterError(f"extra argument {name} = {parameter.value!r}: true or false is needed")
    rules = list(request.remap_rules)
    # As rules, not as arguments of Node: they win over what the class calls itself, and may be left out.
    rules += [f"__node:={request.node_name}"] if request.node_name else []
    rules += [f"__ns:={request.node_namespace}"] if request.node_namespace else []
    words = [word for rule in rules for word in ("-r", rule)]
    forward = extra.get("forward_global_arguments")
    return {
        "cli_args": ["--ros-args", *words],
        # The container's own command line (its name, to begin with) is not for the nodes in it.
        "use_global_arguments": bool(forward.value) if forward is not None else False,
        "parameter_overrides": [Parameter.from_parameter_msg(each) for each in request.parameters],
    }


def log_level(request: Any) -> LoggingSeverity:
    """The severity that a ``LoadNode.Request`` asks for; unset leaves it to the process.

    Raises:
        ParameterError: no severity.
    """
    try:
        return LoggingSeverity(request.log_level)
    except ValueError:
        allowed = ", ".join(f"{int(each)} ({each.name.lower()})" for each in LoggingSeverity)
        raise ParameterError(f"log_level = {request.log_level}: allowed is {allowed}") from None


class ComponentContainer(Node):
    """Loads, unloads and lists nodes, all on the executor that this node is added to.

    Attributes:
        left_behind: after ``destroy_node``, true where a node in it could not end its work.

    Raises:
        MissingDependencyError: no composition_interfaces.
    """

    def __init__(self, node_name: str = "component_container", **kwargs: Any) -> None:
        try:
            from composition_interfaces.srv import ListNodes, LoadNode, UnloadNode
        except ImportError as error:
            raise MissingDependencyError(
                f"the component container needs composition_interfaces ({error}): "
                "sudo apt install ros-$ROS_DISTRO-composition-interfaces, or run stereo_node by itself"
            ) from None
        super().__init__(node_name, **kwargs)
        self.left_behind = False
        self._nodes: dict[int, Node] = {}
        self._ids = itertools.count(1)
        self.create_service(LoadNode, "~/_container/load_node", self._load)
        self.create_service(UnloadNode, "~/_container/unload_node", self._unload)
        self.create_service(ListNodes, "~/_container/list_nodes", self._list)

    def _load(self, request: Any, response: Any) -> Any:
        try:
            level = log_level(request)
            node = find_component(request.package_name, request.plugin_name)(**self._arguments(request))
        except Exception as error:  # a constructor may raise anything, and the nodes that are loaded must live on
            ours = isinstance(error, FFStereoError)
            response.error_message = " ".join((str(error) if ours else f"{type(error).__name__}: {error}").split())
            if self.context.ok():  # else the program is ending, and nobody is at fault
                self.get_logger().error(f"{request.plugin_name} is not loaded: {response.error_message}")
            return response
        if level:
            node.get_logger().set_level(level)
        self.executor.add_node(node)
        response.unique_id = next(self._ids)
        self._nodes[response.unique_id] = node
        response.full_node_name = node.get_fully_qualified_name()
        response.success = True
        return response

    def _arguments(self, request: Any) -> dict[str, Any]:
        return {**node_arguments(request), "context": self.context}

    def _unload(self, request: Any, response: Any) -> Any:
        node = self._nodes.pop(request.unique_id, None)
        if node is None:
            loaded = ", ".join(map(str, self._nodes)) or "none"
            response.error_message = f"no node has the id {request.unique_id}: loaded are {loaded}"
            return response
        self.executor.remove_node(node)
        self._end(node)
        response.success = True
        return response

    def _list(self, _: Any, response: Any) -> Any:
        response.unique_ids = list(self._nodes)
        response.full_node_names = [node.get_fully_qualified_name() for node in self._nodes.values()]
        return response

    def _end(self, node: Node) -> None:
        node.destroy_node()
        self.left_behind |= getattr(node, "left_behind", False)

    def destroy_node(self) -> None:
        """Ends every node in it, then the container."""
        while self._nodes:
            self._end(self._nodes.popitem()[1])
        super().destroy_node()


def main(args: Sequence[str] | None = None) -> int:
    """Runs a container until it is told to stop; returns the exit status."""
    return run_node(args, ComponentContainer, program="component_container")


if __name__ == "__main__":
    sys.exit(main())
