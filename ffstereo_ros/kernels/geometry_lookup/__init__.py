"""Geometry lookup: samples of the filtered volume and the all-pairs correlation around the current disparity."""
