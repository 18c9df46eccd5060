"""What people have on disk: images, calibration, depth pictures and clouds."""
