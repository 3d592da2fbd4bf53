"""torch.func: grad, vmap, jvp and their relatives, as interpreter levels."""

from . import custom as _custom  # noqa: F401  (Functions find it through their hook)
from .mapping import vmap
from .rearrange import rearrange
from .stateless import functional_call, stack_module_state
from .surroundings import debug_unwrap, functionalize, replace_all_batch_norm_modules_
from .transforms import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp

__all__ = [
    "debug_unwrap", "functional_call", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd",
    "jacrev", "jvp", "linearize", "rearrange", "replace_all_batch_norm_modules_", "stack_module_state", "vjp",
    "vmap",
]  # fmt: skip
