"""torch.func: grad, vmap, jvp and their relatives, as interpreter levels."""

from . import custom as _custom
from .mapping import vmap
from .transforms import grad, grad_and_value, hessian, jacfwd, jacrev, jvp, linearize, vjp

__all__ = ["grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "vjp", "vmap"]
