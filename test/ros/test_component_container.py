"""Nodes are loaded into a real container, used, listed and unloaded; what cannot be loaded is answered."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from rclpy.logging import LoggingSeverity
from rclpy.parameter import Parameter
from ros_rig import Rig, good_frame
from std_srvs.srv import SetBool

from ffstereo_ros.errors import ParameterError
from ffstereo_ros.ros.component_container import find_component, log_level, node_arguments
from ffstereo_ros.ros.processes import ModuleProcess
from ffstereo_ros.ros.stereo_node import StereoNode

MODULE = "ffstereo_ros.ros.component_container"
COMPONENT = {"package_name": "ffstereo_ros", "plugin_name": "ffstereo_ros::StereoNode"}
SMALL = {"backend": "sgbm", "max_disparity": 64}

Call = Callable[..., Any]


def _messages(**values: Any) -> list[Any]:
    return [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]


@pytest.fixture(scope="module")
def call(lasting_rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Call]:
    """Calls a service of a container that lives through the file: ``call("LoadNode", field=value)``."""
    services = pytest.importorskip("composition_interfaces.srv", reason="needs composition_interfaces of ROS 2")
    rig = lasting_rig
    names = {"LoadNode": "load_node", "UnloadNode": "unload_node", "ListNodes": "list_nodes"}
    log = tmp_path_factory.mktemp("container") / "log"
    arguments = ["--ros-args", "-r", "__node:=rack", "-r", "__ns:=/robot"]
    with ModuleProcess("container", MODULE, arguments, {}, log) as container:
        rig.watched.append(container)

        def call(kind: str, **fields: Any) -> Any:
            return rig.call(getattr(services, kind), f"/robot/rack/_container/{names[kind]}", **fields)

        yield call
        rig.watched.remove(container)
        assert container.stop() == 0, container.tail(60)
        assert "Traceback" not in container.tail(300), container.tail(300)


def test_a_loaded_node_works_under_the_name_topics_and_parameters_it_was_given(lasting_rig: Rig, call: Call) -> None:
    inputs = [f"{topic}:=/{topic}" for topic in good_frame().messages()]
    loaded = call(
        "LoadNode",
        **COMPONENT,
        node_name="eyes",
        node_namespace="/front",
        remap_rules=[*inputs, "disparity:=/disparity"],
        parameters=_messages(**SMALL, depth_encoding="16UC1"),
    )
    assert (loaded.success, loaded.full_node_name, loaded.error_message) == (True, "/front/eyes", "")
    lasting_rig.listen("disparity")
    lasting_rig.spin_until(lasting_rig.connected, what="the loaded node's topics")
    lasting_rig.answer("disparity", good_frame())
    lasting_rig.spin_until(lambda: lasting_rig.status.get("name") == "front/eyes: stereo", what="its diagnostics")
    assert lasting_rig.get("depth_encoding", node="/front/eyes") == ["16UC1"]
    assert call("UnloadNode", unique_id=loaded.unique_id).success


def test_ids_are_unique_and_a_node_that_was_unloaded_is_gone(lasting_rig: Rig, call: Call) -> None:
    ids = [call("LoadNode", **COMPONENT, node_name=name, parameters=_messages(**SMALL)).unique_id for name in "ab"]
    listed = call("ListNodes")
    assert dict(zip(listed.unique_ids, listed.full_node_names)) == dict(zip(ids, ["/a", "/b"], strict=True))
    assert call("UnloadNode", unique_id=ids[0]).success
    lasting_rig.spin_until(lambda: "a" not in lasting_rig.node.get_node_names(), what="/a to go")
    again = call("UnloadNode", unique_id=ids[0])
    assert (again.success, again.error_message) == (False, f"no node has the id {ids[0]}: loaded are {ids[1]}")
    third = call("LoadNode", **COMPONENT, node_name="a", parameters=_messages(**SMALL))
    assert third.unique_id not in ids
    assert all(call("UnloadNode", unique_id=each).success for each in (ids[1], third.unique_id))
    assert list(call("ListNodes").unique_ids) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"plugin_name": "ffstereo_ros::Nothing"}, "has no Python component 'ffstereo_ros::Nothing': it has ffstereo"),
        ({"package_name": "no_such"}, "package 'no_such' has no Python component 'ffstereo_ros::StereoNode'"),
        ({"parameters": _messages(scale=99.0)}, "scale = 99.0: allowed is 0, 0.125 to 4"),
        ({"node_name": "not a name"}, "not a name"),
        ({"remap_rules": ["nonsense"]}, "nonsense"),
        ({"log_level": 7}, "log_level = 7: allowed is 0 (unset), 10 (debug), 20 (info), 30 (warn), 40 (error), 50"),
        ({"extra_arguments": _messages(thread_num=2)}, "extra argument thread_num: known are use_intra_process_comms"),
    ],
)
def test_what_cannot_be_loaded_is_answered_with_the_reason(call: Call, changes: dict[str, Any], reason: str) -> None:
    before = call("ListNodes")
    answer = call("LoadNode", **{**COMPONENT, "parameters": _messages(**SMALL), **changes})
    assert not answer.success
    assert reason in answer.error_message
    assert "\n" not in answer.error_message
    assert call("ListNodes") == before


@pytest.mark.parametrize(("level", "told"), [(0, True), (40, False)])
def test_a_log_level_is_that_of_the_loaded_node(level: int, told: bool, lasting_rig: Rig, call: Call) -> None:
    loaded = call("LoadNode", **COMPONENT, node_name=f"level{level}", log_level=level, parameters=_messages(**SMALL))
    assert lasting_rig.call(SetBool, f"/level{level}/enable", data=False).success
    assert (f"[level{level}]: disabled" in lasting_rig.watched[-1].tail(50)) is told
    assert call("UnloadNode", unique_id=loaded.unique_id).success


def _request(**fields: Any) -> SimpleNamespace:
    empty = {"node_name": "", "node_namespace": "", "remap_rules": [], "parameters": [], "extra_arguments": []}
    return SimpleNamespace(**{**empty, **fields})


def test_a_component_is_found_by_its_package_and_name() -> None:
    assert find_component("ffstereo_ros", "ffstereo_ros::StereoNode") is StereoNode
    with pytest.raises(ParameterError, match=r"no Python component 'StereoNode': it has ffstereo_ros::StereoNode"):
        find_component("ffstereo_ros", "StereoNode")


def test_what_is_left_empty_is_left_to_the_node() -> None:
    assert node_arguments(_request())["cli_args"] == ["--ros-args"]
    given = node_arguments(_request(node_name="eyes", remap_rules=["a:=b"]))
    assert given["cli_args"] == ["--ros-args", "-r", "a:=b", "-r", "__node:=eyes"]


@pytest.mark.parametrize(("extra", "forwarded"), [({}, False), ({"forward_global_arguments": True}, True)])
def test_the_containers_own_arguments_are_forwarded_on_demand(extra: dict[str, bool], forwarded: bool) -> None:
    request = _request(extra_arguments=_messages(use_intra_process_comms=True, **extra))
    assert node_arguments(request)["use_global_arguments"] is forwarded


def test_an_extra_argument_that_is_no_boolean_is_refused() -> None:
    with pytest.raises(ParameterError, match="use_intra_process_comms = 'yes': true or false is needed"):
        node_arguments(_request(extra_arguments=_messages(use_intra_process_comms="yes")))


def test_a_log_level_that_is_none_is_refused() -> None:
    assert [log_level(_request(log_level=each)) for each in (0, 30)] == [LoggingSeverity.UNSET, LoggingSeverity.WARN]
    with pytest.raises(ParameterError, match=r"log_level = 7: allowed is 0 \(unset\), 10 \(debug\)"):
        log_level(_request(log_level=7))


def test_without_composition_interfaces_it_says_what_to_install() -> None:
    code = f"import sys; sys.modules['composition_interfaces'] = None; from {MODULE} import main; sys.exit(main(['x']))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 1
    assert run.stderr.startswith("component_container: the component container needs composition_interfaces")
    assert "apt install ros-$ROS_DISTRO-composition-interfaces" in run.stderr
    assert run.stderr.count("\n") == 1
