"""`torch._subclasses`: what libraries ask of it."""

from . import fake_tensor

__all__ = ["fake_tensor"]
