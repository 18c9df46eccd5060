"""The node and what it is made of: the only place that imports rclpy or messages."""
