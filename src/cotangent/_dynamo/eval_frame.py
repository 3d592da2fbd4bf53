"""`torch._dynamo.eval_frame`: the class of compiled modules, by the name that libraries ask for."""

from ..nn.optimized import OptimizedModule

__all__ = ["OptimizedModule"]
