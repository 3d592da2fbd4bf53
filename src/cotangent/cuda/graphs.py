"""`torch.cuda.graphs` without CUDA: there is no device whose work could be recorded."""

from __future__ import annotations

from ..absent import refusing
from .texts import dummy

__all__ = [
    "CUDAGraph", "graph", "graph_pool_handle", "is_current_stream_capturing", "make_graphed_callables",
]  # fmt: skip

_DUMMY = "Tried to instantiate dummy base class "

CUDAGraph = dummy("CUDAGraph")
graph = refusing(__name__, "graph", RuntimeError, "torch.cuda.Stream requires CUDA support")
graph_pool_handle = refusing(__name__, "graph_pool_handle", RuntimeError, _DUMMY + "_graph_pool_handle")
is_current_stream_capturing = refusing(
    __name__, "is_current_stream_capturing", RuntimeError, _DUMMY + "_cuda_isCurrentStreamCapturing"
)
make_graphed_callables = refusing(__name__, "make_graphed_callables", RuntimeError, _DUMMY + "CUDAGraph")
