"""``ros2 run ffstereo_ros stereo_player``: publishes the demo's pair as a camera driver would."""

from __future__ import annotations

import array
import copy
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from ffstereo_ros.core.camera import StereoCamera
from ffstereo_ros.demo.motorcycle import KnownPair, load_motorcycle
from ffstereo_ros.errors import FFStereoError
from ffstereo_ros.parameter import START, Parameter
from ffstereo_ros.ros.parameters import declare
from ffstereo_ros.ros.synchronisation import StereoSet

FRAME = "left_camera_optical_frame"

_RATE = Parameter("rate", 10.0, "Pairs a second.", "Hz", low=0.01, high=1000.0, changes=START)
_COUNT = Parameter("count", 0, "Pairs to send; 0 = endless.", low=0, high=10**9, changes=START)
_SUBSCRIBERS = Parameter("subscribers", 0, "Waits for so many on every topic.", low=0, high=1000, changes=START)


class StereoPlayer(Node):
    """Publishes one pair and both CameraInfo again and again, best effort, stamped with the time of sending.

    With ``hand_over`` nothing is published: each set goes to that function, with headers of its own.

    Parameters: ``rate`` (Hz), ``count`` (pairs, 0 = endless), ``subscribers`` (wait until every topic has this many).

    Raises:
        ParameterError: a parameter is refused.
    """

    def __init__(
        self,
        pair: KnownPair,
        node_name: str = "stereo_player",
        hand_over: Callable[[StereoSet], None] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(node_name, **kwargs)
        rate = float(declare(self, _RATE))
        self._count, self._subscribers = int(declare(self, _COUNT)), int(declare(self, _SUBSCRIBERS))
        left, right = camera_infos(pair.camera)
        self._messages = {
            "left/image_rect": rgb_image(pair.left),
            "right/image_rect": rgb_image(pair.right),
            "left/camera_info": left,
            "right/camera_info": right,
        }
        self._hand_over = hand_over
        published = {} if hand_over else self._messages
        self._topics = {
            topic: self.create_publisher(type(message), topic, qos_profile_sensor_data)
            for topic, message in published.items()
        }
        self.sent = 0
        self.create_timer(1.0 / rate, self._send)

    @property
    def finished(self) -> bool:
        """All pairs that were asked for are sent."""
        return 0 < self._count <= self.sent

    def _send(self) -> None:
        if self.finished or not self._awaited():
            return
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=FRAME)
        self.sent += 1
        if self._hand_over is not None:
            # The last set may still be in work: its messages are left as they are.
            self._hand_over(StereoSet(*(_with_header(message, header) for message in self._messages.values())))
            return
        for topic, message in self._messages.items():
            message.header = header
            self._topics[topic].publish(message)

    def _awaited(self) -> bool:
        """Once everybody is there, a subscriber that leaves no longer stops the camera."""
        counts = (publisher.get_subscription_count() for publisher in self._topics.values())
        return self.sent > 0 or min(counts, default=self._subscribers) >= self._subscribers


def rgb_image(pixels: NDArray[np.uint8]) -> Image:
    """uint8 ``[H, W, 3]`` RGB as an rgb8 message in the frame of the left camera."""
    height, width = pixels.shape[:2]
    data = array.array("B")
    data.frombytes(memoryview(np.ascontiguousarray(pixels)).cast("B"))
    message = Image(height=height, width=width, encoding="rgb8", step=3 * width, data=data)
    message.header.frame_id = FRAME
    return message


def _with_header(message: Any, header: Header) -> Any:
    """The same data under another header."""
    other = copy.copy(message)
    other.header = header
    return other


def camera_infos(camera: StereoCamera) -> tuple[CameraInfo, CameraInfo]:
    """Left and right CameraInfo of a rectified pair: both in the left camera's frame, as REP 104 wants it."""
    infos = []
    for cx, baseline in ((camera.cx_left, 0.0), (camera.cx_right, camera.baseline)):
        info = CameraInfo(width=camera.width, height=camera.height, distortion_model="plumb_bob")
        info.header.frame_id = FRAME
        info.d = [0.0] * 5
        info.k = [camera.f, 0.0, cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0]
        info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
        info.p = [camera.f, 0.0, cx, -camera.f * baseline, 0.0, camera.fy, camera.cy, 0.0, 0.0, 0.0, 1.0, 0.0]
        infos.append(info)
    return infos[0], infos[1]


def main(args: Sequence[str] | None = None, load_pair: Callable[[], KnownPair] = load_motorcycle) -> int:
    """Plays until all pairs are sent or it is told to stop.

    Args:
        args: the command line, the program's own by default.
        load_pair: what is played; a benchmark puts its own here.

    Returns:
        0 when done, 1 where the pair cannot be had or a parameter is refused (told in one line).
    """
    try:
        pair = load_pair()
    except FFStereoError as error:
        return _refuse(error)
    rclpy.init(args=list(sys.argv if args is None else args))
    try:
        _play(StereoPlayer(pair))
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except FFStereoError as error:
        return _refuse(error)
    except Exception:
        if rclpy.ok():  # what is sent while the signal handler shuts ROS down is no failure
            raise
    finally:
        # RCLError in a race with the signal handler: the context is already down.
        try:
            rclpy.try_shutdown()
        except Exception as error:
            if rclpy.ok():
                print(f"stereo_player: shutdown: {error}", file=sys.stderr)
    return 0


def _refuse(error: FFStereoError) -> int:
    print(f"stereo_player: {error}", file=sys.stderr)
    return 1


def _play(player: StereoPlayer) -> None:
    executor = SingleThreadedExecutor()
    executor.add_node(player)
    try:
        while rclpy.ok() and not player.finished:
            executor.spin_once(timeout_sec=1.0)
        # Best effort: what is still on its way is lost when the writer goes away.
        executor.spin_once(timeout_sec=0.5)
    finally:
        player.destroy_node()
        executor.shutdown()  # left to the garbage collector, rclpy may free its guard condition twice and say so


if __name__ == "__main__":
    sys.exit(main())
