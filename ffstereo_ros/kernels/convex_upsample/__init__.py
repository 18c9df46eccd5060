"""Convex upsampling: each full-resolution disparity is a learned weighting of its 3x3 quarter-resolution neighbours."""
