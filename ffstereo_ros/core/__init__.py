"""Arrays in, arrays out: camera, frame, validity, geometry and the matcher. No ROS, no files, no torch."""
