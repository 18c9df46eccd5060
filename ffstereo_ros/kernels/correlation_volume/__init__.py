"""Group-wise correlation volume, alone, concatenated, or with the first 1x1x1 convolution folded in."""
