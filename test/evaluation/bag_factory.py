"""Small recordings whose truth is known: a textured wall at one disparity."""

from __future__ import annotations

import numpy as np

HEIGHT, WIDTH, SHIFT = 48, 96, 6
# The principal points differ, as on cameras that are rectified for a near convergence: cx_right - cx_left.
F, CX, CY, BASELINE, CX_OFFSET = 80.0, 48.0, 24.0, 0.15, 2.0
DEPTH = F * BASELINE / (SHIFT + CX_OFFSET)  # 1.5 m


class BagFactory:
    """Writes a bag of either ROS with rosbags; every message has a stamp of its own.

    Args:
        path: of the bag.
        storage: mcap, sqlite3, or ros1.
    """

    def __init__(self, path, storage="mcap"):
        from rosbags.typesys import Stores, get_typestore

        self.ros1 = storage == "ros1"
        self.store = get_typestore(Stores.ROS1_NOETIC if self.ros1 else Stores.ROS2_JAZZY)
        self.types = self.store.types
        self.connections = {}
        self.path = path
        if self.ros1:
            from rosbags.rosbag1 import Writer

            self.writer = Writer(path)
        else:
            from rosbags.rosbag2 import StoragePlugin, Writer

            self.writer = Writer(path, version=9, storage_plugin=StoragePlugin[storage.upper()])

    def __enter__(self):
        self.writer.open()
        return self

    def __exit__(self, *error):
        self.writer.close()

    def write(self, topic, kind, message, stamp):
        """Adds a message received at ``stamp`` ns."""
        if topic not in self.connections:
            self.connections[topic] = self.writer.add_connection(topic, kind, typestore=self.store)
        serialize = self.store.serialize_ros1 if self.ros1 else self.store.serialize_cdr
        self.writer.write(self.connections[topic], stamp, serialize(message, kind))

    def header(self, stamp, frame="left_optical"):
        time = self.types["builtin_interfaces/msg/Time"](sec=stamp // 10**9, nanosec=stamp % 10**9)
        more = {"seq": 0} if self.ros1 else {}
        return self.types["std_msgs/msg/Header"](stamp=time, frame_id=frame, **more)

    def image(self, values, encoding, stamp, padding=0):
        """An Image message of ``[H, W, ...]`` values; ``padding`` bytes end each row."""
        rows = np.ascontiguousarray(values).view(np.uint8).reshape(values.shape[0], -1)
        rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
        return self.types["sensor_msgs/msg/Image"](
            header=self.header(stamp),
            height=values.shape[0],
            width=values.shape[1],
            encoding=encoding,
            is_bigendian=0,
            step=rows.shape[1],
            data=rows.reshape(-1),
        )

    def info(self, stamp, right):
        """CameraInfo of one side."""
        roi = self.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
        P = np.array([F, 0, CX + CX_OFFSET * right, -F * BASELINE * right, 0, F, CY, 0, 0, 0, 1, 0], np.float64)
        arrays = {"d": np.zeros(5), "k": P.reshape(3, 4)[:, :3].reshape(-1), "r": np.eye(3).reshape(-1), "p": P}
        arrays = {name.upper() if self.ros1 else name: value for name, value in arrays.items()}
        more = {"distortion_model": "plumb_bob", "binning_x": 0, "binning_y": 0, "roi": roi, **arrays}
        return self.types["sensor_msgs/msg/CameraInfo"](header=self.header(stamp), height=HEIGHT, width=WIDTH, **more)

    def pair(self, stamp, *, right_stamp=None, seed=0, namespace="/stereo", with_info=True):
        """One set of the four messages; the texture follows ``seed``."""
        right_stamp = stamp if right_stamp is None else right_stamp
        wide = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH + SHIFT), dtype=np.uint8)
        for side, begin, at in (("left", 0, stamp), ("right", SHIFT, right_stamp)):
            picture = np.ascontiguousarray(wide[:, begin : begin + WIDTH])
            message = self.image(picture, "mono8", at, padding=3)
            self.write(f"{namespace}/{side}/image_rect", "sensor_msgs/msg/Image", message, at)
            if with_info:
                info = self.info(at, side == "right")
                self.write(f"{namespace}/{side}/camera_info", "sensor_msgs/msg/CameraInfo", info, at)

    def compressed(self, topic, values, stamp, suffix=".png"):
        """A CompressedImage of ``[H, W]`` or BGR ``[H, W, 3]`` values."""
        import cv2

        data = cv2.imencode(suffix, values)[1].reshape(-1)
        kind = "sensor_msgs/msg/CompressedImage"
        self.write(topic, kind, self.types[kind](header=self.header(stamp), format=suffix[1:], data=data), stamp)

    def depth(self, stamp, encoding="16UC1", metres=DEPTH, topic="/stereo/depth/image_rect"):
        """A depth image of a wall; its first row is unknown."""
        values = np.full((HEIGHT, WIDTH), metres, np.float32)
        values[0] = np.nan
        stored = np.nan_to_num(values * 1000).astype(np.uint16) if encoding == "16UC1" else values
        self.write(topic, "sensor_msgs/msg/Image", self.image(stored, encoding, stamp), stamp)

    def disparity(self, stamp, value=SHIFT, topic="/stereo/truth"):
        """A DisparityImage of a wall (``Z = f T / d``: the offset is inside); its first row is unknown."""
        values = np.full((HEIGHT, WIDTH), value + CX_OFFSET, np.float32)
        values[0] = -1
        window = self.types["sensor_msgs/msg/RegionOfInterest"](0, 0, HEIGHT, WIDTH, False)
        kind = "stereo_msgs/msg/DisparityImage"
        fields = {"f": F, "valid_window": window, "min_disparity": 0.0, "max_disparity": 64.0, "delta_d": 0.0}
        fields["T" if self.ros1 else "t"] = BASELINE
        message = self.types[kind](header=self.header(stamp), image=self.image(values, "32FC1", stamp), **fields)
        self.write(topic, kind, message, stamp)

    def cloud(self, points, stamp, frame="lidar", topic="/points"):
        """A PointCloud2 of ``[N, 3]`` m with an intensity behind each point."""
        kind = "sensor_msgs/msg/PointCloud2"
        field = self.types["sensor_msgs/msg/PointField"]
        fields = [field(name=name, offset=4 * n, datatype=7, count=1) for n, name in enumerate(("x", "y", "z", "i"))]
        data = np.column_stack((points, np.ones(len(points)))).astype("<f4").view(np.uint8).reshape(-1)
        message = self.types[kind](
            header=self.header(stamp, frame),
            height=1,
            width=len(points),
            fields=fields,
            is_bigendian=False,
            point_step=16,
            row_step=16 * len(points),
            data=data,
            is_dense=False,
        )
        self.write(topic, kind, message, stamp)

    def static_transform(self, parent, child, translation, quaternion, stamp):
        """One transform on ``/tf_static``."""
        types = self.types
        transform = types["geometry_msgs/msg/Transform"](
            translation=types["geometry_msgs/msg/Vector3"](*map(float, translation)),
            rotation=types["geometry_msgs/msg/Quaternion"](*map(float, quaternion)),
        )
        stamped = types["geometry_msgs/msg/TransformStamped"](
            header=self.header(stamp, parent), child_frame_id=child, transform=transform
        )
        kind = "tf2_msgs/msg/TFMessage"
        self.write("/tf_static", kind, types[kind](transforms=[stamped]), stamp)
