"""torch.func: grad, vmap, jvp and their relatives, as interpreter levels."""

from . import custom as _custom  # noqa: F401  (Functions find it through their hook)
from .mapping import vmap
from .stateless import functional_call, stack_module_state
from .transforms import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp

__all__ = [
    "functional_call", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize",
    "stack_module_state", "vjp", "vmap",
]  # fmt: skip
