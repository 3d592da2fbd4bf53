"""Puts together the namespaces that PyTorch spreads over several modules: `torch.autograd` first of all.

`cotangent.autograd` is the engine's package; its public face includes functions that stand on higher
floors (gradcheck needs tensors), so the names are entered here, from above.
"""

from __future__ import annotations

from . import autograd
from .autograd import anomaly, forward_ad, function, graph, modes
from .autograd.api import backward, grad
from .autograd.gradcheck import gradcheck, gradgradcheck
from .autograd.variable import Variable


def fill_autograd() -> None:
    """Enter the names of `torch.autograd`."""
    names = {
        "Function": function.Function,
        "NestedIOFunction": function.NestedIOFunction,
        "Variable": Variable,
        "backward": backward,
        "grad": grad,
        "no_grad": modes.no_grad,
        "enable_grad": modes.enable_grad,
        "set_grad_enabled": modes.set_grad_enabled,
        "inference_mode": modes.inference_mode,
        "detect_anomaly": anomaly.detect_anomaly,
        "set_detect_anomaly": anomaly.set_detect_anomaly,
        "gradcheck": gradcheck,
        "gradgradcheck": gradgradcheck,
        "forward_ad": forward_ad,
        "graph": graph,
        "function": function,
        "set_multithreading_enabled": modes.set_multithreading_enabled,
    }
    for name, value in names.items():
        setattr(autograd, name, value)
