"""Stand-in for sensor_msgs_py: reading point clouds."""
