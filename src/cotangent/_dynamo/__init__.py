"""`torch._dynamo`, as programs use it: the same controls as `torch.compiler`, by their former names."""

from ..compiler import allow_in_graph, disable, is_compiling, list_backends, reset, set_stance
from . import config, eval_frame

__all__ = [
    "allow_in_graph", "config", "disable", "eval_frame", "is_compiling", "list_backends", "reset",
    "set_stance",
]  # fmt: skip
