"""What the node and the transport cost, measured between processes with a backend that costs nothing."""
