"""`torch.compile`: functions traced as they run, into programs.

The module itself is callable, as PyTorch's function is; `trace` gives the tape of a function of tensors.
"""

from .api import trace
from .function import Compiled, compile, every, switched_off
from .tape import Tape

__all__ = ["Compiled", "Tape", "compile", "every", "switched_off", "trace"]
