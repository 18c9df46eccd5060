"""The parts of a volume's first 3x3x3 convolution that depend on one image alone, added without a wide volume."""
