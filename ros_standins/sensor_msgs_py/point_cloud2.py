"""Stand-in for sensor_msgs_py.point_cloud2: ``read_points``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The numbers of sensor_msgs/PointField.
_DATATYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}


def read_points(cloud: Any, field_names: Sequence[str] | None = None, skip_nans: bool = False) -> NDArray[Any]:
    """The points as a structured array ``[N]``, row by row.

    The real function's ``reshape_organized_cloud`` is left out: it takes width for height.

    Args:
        cloud: sensor_msgs/PointCloud2.
        field_names: the fields wanted, None = all.
        skip_nans: leave out points with a NaN in any wanted field.
    """
    order = ">" if cloud.is_bigendian else "<"
    dtype = np.dtype(
        {
            "names": [field.name for field in cloud.fields],
            "formats": [order + _DATATYPES[field.datatype] for field in cloud.fields],
            "offsets": [field.offset for field in cloud.fields],
            "itemsize": cloud.point_step,
        }
    )
    rows = np.frombuffer(cloud.data, np.uint8).reshape(cloud.height, cloud.row_step)
    packed = np.ascontiguousarray(rows[:, : cloud.width * cloud.point_step])
    points = packed.view(dtype).reshape(cloud.height * cloud.width)
    if field_names is not None:
        points = points[list(field_names)]
    if skip_nans:
        points = points[~np.any([np.isnan(points[name]) for name in points.dtype.names or ()], axis=0)]
    return points
