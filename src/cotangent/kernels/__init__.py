"""Computation on plain arrays: what NumPy lacks. Nothing here knows tensors or autograd."""
