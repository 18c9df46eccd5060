"""``ros2 run ffstereo_ros stereo_node``."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from ffstereo_ros.backends.freed_memory import keep_freed_memory
from ffstereo_ros.errors import FFStereoError
from ffstereo_ros.ros.stereo_node import StereoNode


def main(
    args: Sequence[str] | None = None,
    create_node: Callable[[], Node] = StereoNode,
    program: str = "stereo_node",
    companion: Callable[[Node], Node] | None = None,
) -> int:
    """Runs one node until it is told to stop.

    Args:
        args: the command line, the program's own by default.
        create_node: what builds the node, which says in ``left_behind`` that a thread of it did not end.
        program: what a refusal begins with.
        companion: builds another node for the same executor, from the first.

    Returns:
        0 after SIGINT or SIGTERM, 1 on a refusal (told in one line).
    """
    keep_freed_memory()  # of the process, so not for the node to do, which may be a guest in another's
    interrupt = _Interrupt()
    signal.signal(signal.SIGINT, interrupt)
    try:
        rclpy.init(args=list(sys.argv if args is None else args))
    except Exception as error:  # rclpy has a type for each kind of unreadable argument or parameter file
        return _refuse(program, error)
    try:
        return _run(create_node, companion, interrupt, program)
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except Exception as error:
        if not rclpy.ok():  # a signal shut ROS down while the node was built: all that is begun then fails
            return 0
        # What ROS refuses (a QoS override, a name) is the user's input as much as a parameter; the rest is our fault.
        if isinstance(error, FFStereoError) or type(error).__module__.startswith("rclpy"):
            return _refuse(program, error)
        raise
    finally:
        _shut_down(program)


class _Interrupt:
    """SIGINT as KeyboardInterrupt while the node is built, which may take long; not while it spins.

    There rclpy's own handler ends the spinning, and an exception would come up anywhere, in a ``__del__`` too.
    """

    spinning = False

    def __call__(self, number: int, frame: object) -> None:
        if not self.spinning:
            raise KeyboardInterrupt


def _run(
    create_node: Callable[[], Node], companion: Callable[[Node], Node] | None, interrupt: _Interrupt, program: str
) -> int:
    nodes = [create_node()]
    try:
        if companion is not None:
            nodes.append(companion(nodes[0]))
        # Not the multi-threaded one: on two cores it starves itself (14 to 76 of 400 to 600 messages came through).
        executor = SingleThreadedExecutor()
        for each in nodes:
            executor.add_node(each)
        interrupt.spinning = True
        executor.spin()
    except ExternalShutdownException:
        pass
    except Exception:
        if rclpy.ok():  # a timer that publishes while the signal handler shuts the context down is no failure
            raise
    finally:
        for each in reversed(nodes):
            each.destroy_node()
        if nodes[0].left_behind:
            _leave_at_once(program)
    return 0


def _leave_at_once(program: str) -> None:
    """Ends the process without the interpreter's goodbye, which aborts a thread that is inside native code."""
    print(f"{program}: the frame in work does not end: leaving without it", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _refuse(program: str, error: Exception) -> int:
    print(f"{program}: {' '.join(str(error).split())}", file=sys.stderr)
    return 1


def _shut_down(program: str) -> None:
    try:
        rclpy.try_shutdown()
    except Exception as error:
        # RCLError in a race with the signal handler: the context is already down.
        if rclpy.ok():
            print(f"{program}: shutdown: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
