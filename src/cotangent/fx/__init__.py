"""`torch.fx`, as far as libraries ask it whether a trace is on.

The graphs of Python calls that `symbolic_trace` makes in PyTorch are not here; `torch.compile` records
operations instead (see compile/), and `torch.graph` draws what a program has recorded.
"""
