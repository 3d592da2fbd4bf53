"""Where PyTorch keeps the modes of recording: `torch.autograd.grad_mode`."""

from .modes import (
    _force_original_view_tracking,
    enable_grad,
    enforce_grad_layout_policy,
    inference_mode,
    no_grad,
    set_grad_enabled,
    set_multithreading_enabled,
)

__all__ = [
    "_force_original_view_tracking", "enable_grad", "enforce_grad_layout_policy", "inference_mode",
    "no_grad", "set_grad_enabled", "set_multithreading_enabled",
]  # fmt: skip
