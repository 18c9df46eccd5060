"""What the demo plays, how it judges what comes back, and how it shows it. No ROS."""
