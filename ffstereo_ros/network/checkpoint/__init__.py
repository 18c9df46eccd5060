"""Weights files: the authors' pickled checkpoints read without running them, and our own safetensors files."""
