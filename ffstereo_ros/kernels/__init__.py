"""CUDA kernels, one folder an operation: a PyTorch reference beside the CUDA source and one checked public function.

The public function is in the folder's ``op.py``; it takes CPU tensors too and then runs the reference. The CUDA source
is compiled by NVRTC for the GPU at hand, at the first call with new channel counts, and cached on disk: no compiler is
needed. Launches neither wait nor read anything back, so after one warm-up call they can be captured in a CUDA graph.
"""
