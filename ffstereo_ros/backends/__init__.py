"""What turns a prepared pair into a disparity: one port, one method, a file each."""
