"""`torch.fx.passes`: programs that read and change graphs."""

from . import graph_drawer as graph_drawer, shape_prop as shape_prop, split_module as split_module

__all__ = ["graph_drawer", "shape_prop", "split_module"]
