"""`torch.onnx`: traced modules as ONNX files.

`export` traces the module with the tape of `torch.compile` (`sizes.py`, which traces at several sizes to find
out what depends on them), and writes each instruction as ONNX nodes (`translate_*.py`, on the builder of
`graph.py`). The package `onnx` is an extra: `pip install cotangent[onnx]`.
"""

from __future__ import annotations

from . import errors
from .errors import OnnxExporterError
from .export import ONNXProgram, OperatorExportTypes, TrainingMode, export, is_in_onnx_export

__all__ = [
    "errors",
    "export",
    "is_in_onnx_export",
    "ONNXProgram",
    "OnnxExporterError",
    "OperatorExportTypes",
    "TrainingMode",
]
