"""`torch.onnx`, so far for programs that import it and export nothing unless they are asked to.

There is no exporter yet: `torch.onnx.export` is a missing name, and asking for it says so.
"""

from __future__ import annotations

__all__ = ["is_in_onnx_export"]


def is_in_onnx_export() -> bool:
    """Whether the running code is being exported: no, as long as there is no exporter.

    Example:
        >>> import cotangent as torch
        >>> torch.onnx.is_in_onnx_export()
        False
    """
    return False
