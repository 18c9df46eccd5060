"""Metric depth from rectified stereo pairs with Fast-FoundationStereo, for ROS 2.

Importing this package needs NumPy alone; torch, TensorRT, OpenCV and rclpy are imported where they are used.
"""

__version__ = "0.1.0"
