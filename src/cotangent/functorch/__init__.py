"""The names of the functorch package, which PyTorch deprecates in favour of torch.func.

Programs that say `import functorch` get this module from `python -m cotangent`.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from .. import func as _func
from .._functorch import make_functional as _modules

__all__ = [
    "FunctionalModule", "FunctionalModuleWithBuffers", "combine_state_for_ensemble", "functionalize", "grad",
    "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "make_functional", "make_functional_with_buffers",
    "vjp", "vmap",
]  # fmt: skip


def _deprecated(function: Callable[..., Any], instead: str = "") -> Callable[..., Any]:
    name = function.__name__

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(
            "We've integrated functorch into PyTorch. As the final step of the integration, "
            f"`functorch.{name}` is deprecated as of PyTorch 2.0 and will be deleted in a future version of "
            f"PyTorch >= 2.3. Please use `{instead or 'torch.func.' + name}` instead; see the PyTorch 2.0 "
            "release notes and/or the `torch.func` migration guide for more details "
            "https://pytorch.org/docs/main/func.migrating.html",
            FutureWarning,
            stacklevel=2,
        )
        return function(*args, **kwargs)

    return called


grad = _deprecated(_func.grad)
grad_and_value = _deprecated(_func.grad_and_value)
hessian = _deprecated(_func.hessian)
jacfwd = _deprecated(_func.jacfwd)
jacrev = _deprecated(_func.jacrev)
jvp = _deprecated(_func.jvp)
vjp = _deprecated(_func.vjp)
vmap = _deprecated(_func.vmap, "torch.vmap")
functionalize = _deprecated(_func.functionalize)
make_functional = _deprecated(_modules.make_functional, "torch.func.functional_call")
make_functional_with_buffers = _deprecated(
    _modules.make_functional_with_buffers, "torch.func.functional_call"
)
combine_state_for_ensemble = _deprecated(_modules.combine_state_for_ensemble, "torch.func.stack_module_state")
FunctionalModule = _modules.FunctionalModule
FunctionalModuleWithBuffers = _modules.FunctionalModuleWithBuffers
