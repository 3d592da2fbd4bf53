"""Spectral normalisation by a hook, the older form."""

from __future__ import annotations

from typing import Any, TypeVar

from ...autograd.modes import no_grad
from ...functions import dot, mv
from .. import functional as F
from ..modules.module import Module
from ..parameter import Parameter
from ._norms import matrix_of, refuse_uninitialized, usual_dim

__all__ = [
    "SpectralNorm",
    "SpectralNormLoadStateDictPreHook",
    "SpectralNormStateDictHook",
    "remove_spectral_norm",
    "spectral_norm",
]

AnyModule = TypeVar("AnyModule", bound=Module)


class SpectralNorm:
    """The hook that divides a weight by its largest singular value before each forward pass.

    Args:
        name: name of the weight.
        n_power_iterations: steps of power iteration in each forward pass in training.
        dim: dimension of the outputs.
        eps: kept away from 0 by this much when vectors are normalised.

    Raises:
        ValueError: for a number of steps that is not positive.
    """

    _version = 1

    def __init__(
        self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.name = name
        self.dim = dim
        self.n_power_iterations = n_power_iterations
        self.eps = eps

    def reshape_weight_to_matrix(self, weight: Any) -> Any:
        """The weight as a matrix whose rows are the outputs.

        Args:
            weight: the weight.
        """
        return matrix_of(weight, self.dim)

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Any:
        """The normalised weight.

        Args:
            module: whose weight it is.
            do_power_iteration: whether to improve the estimate of the singular vectors first.
        """
        weight, u, v = (getattr(module, self.name + suffix) for suffix in ("_orig", "_u", "_v"))
        matrix = matrix_of(weight, self.dim)
        if do_power_iteration:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v = F.normalize(mv(matrix.t(), u), dim=0, eps=self.eps, out=v)
                    u = F.normalize(mv(matrix, v), dim=0, eps=self.eps, out=u)
                # Copies: the next forward pass writes into the buffers.
                u, v = u.clone(), v.clone()
        return weight / dot(u, mv(matrix, v))

    def remove(self, module: Module) -> None:
        """Make the weight a parameter again.

        Args:
            module: whose weight it is.
        """
        with no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        for suffix in ("", "_u", "_v", "_orig"):
            delattr(module, self.name + suffix)
        module.register_parameter(self.name, Parameter(weight.detach()))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, do_power_iteration=module.training))

    def _solve_v_and_rescale(self, weight_mat: Any, u: Any, target_sigma: Any) -> Any:
        """The right vector that belongs to `u`, for files that do not hold it."""
        v = mv(weight_mat.t().mm(weight_mat).pinverse(), mv(weight_mat.t(), u))
        return v.mul_(target_sigma / dot(u, mv(weight_mat, v)))

    @staticmethod
    def apply(module: Module, name: str, n_power_iterations: int, dim: int, eps: float) -> SpectralNorm:
        """Put the hook on a module.

        Args:
            module: the module.
            name: as in the class.
            n_power_iterations: as in the class.
            dim: as in the class.
            eps: as in the class.

        Returns:
            The hook.

        Raises:
            RuntimeError: if there is one already.
            ValueError: if there is no such weight.
        """
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, SpectralNorm) and hook.name == name:
                raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
        made = SpectralNorm(name, n_power_iterations, dim, eps)
        weight: Any = module._parameters[name]
        if weight is None:
            raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
        refuse_uninitialized(weight, "SpectralNorm", "spectral")
        with no_grad():
            rows, columns = matrix_of(weight, dim).size()
            u = F.normalize(weight.new_empty(rows).normal_(0, 1), dim=0, eps=eps)
            v = F.normalize(weight.new_empty(columns).normal_(0, 1), dim=0, eps=eps)
        delattr(module, name)
        module.register_parameter(name + "_orig", weight)
        # Not a parameter: what is trained is the original.
        setattr(module, name, weight.data)
        module.register_buffer(name + "_u", u)
        module.register_buffer(name + "_v", v)
        module.register_forward_pre_hook(made)
        module._register_state_dict_hook(SpectralNormStateDictHook(made))
        module._register_load_state_dict_pre_hook(SpectralNormLoadStateDictPreHook(made))
        return made


class SpectralNormLoadStateDictPreHook:
    """Reads files of versions that did not hold the right singular vector.

    Args:
        fn: the hook whose weight it is.
    """

    def __init__(self, fn: SpectralNorm) -> None:
        self.fn = fn

    def __call__(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        hook = self.fn
        version = local_metadata.get("spectral_norm", {}).get(hook.name + ".version", None)
        if version is not None and version >= 1:
            return
        key = prefix + hook.name
        has_all = all(key + suffix in state_dict for suffix in ("_orig", "_u", "_v"))
        if version is None and has_all and key not in state_dict:
            return
        lacking = [key + suffix for suffix in ("_orig", "", "_u") if key + suffix not in state_dict]
        if lacking:
            missing_keys.extend(lacking if strict else ())
            return
        with no_grad():
            original = state_dict[key + "_orig"]
            sigma = (original / state_dict.pop(key)).mean()
            matrix = matrix_of(original, hook.dim)
            state_dict[key + "_v"] = hook._solve_v_and_rescale(matrix, state_dict[key + "_u"], sigma)


class SpectralNormStateDictHook:
    """Writes the version into the metadata of a state.

    Args:
        fn: the hook whose weight it is.
    """

    def __init__(self, fn: SpectralNorm) -> None:
        self.fn = fn

    def __call__(self, module: Module, state_dict: Any, prefix: str, local_metadata: dict[str, Any]) -> None:
        versions = local_metadata.setdefault("spectral_norm", {})
        key = self.fn.name + ".version"
        if key in versions:
            raise RuntimeError(f"Unexpected key in metadata['spectral_norm']: {key}")
        versions[key] = self.fn._version


def spectral_norm(
    module: AnyModule,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> AnyModule:
    """Divide a weight by its largest singular value; `parametrizations` has the newer form.

    Args:
        module: whose weight it is.
        name: its name.
        n_power_iterations: steps of power iteration in each forward pass in training.
        eps: kept away from 0 by this much when vectors are normalised.
        dim: dimension of the outputs.

    Returns:
        The module.

    Source: https://arxiv.org/abs/1802.05957

    Example:
        >>> import cotangent as torch
        >>> sorted(torch.nn.utils.spectral_norm(torch.nn.Linear(2, 3)).state_dict())
        ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    SpectralNorm.apply(module, name, n_power_iterations, usual_dim(module, dim), eps)
    return module


def remove_spectral_norm(module: AnyModule, name: str = "weight") -> AnyModule:
    """Make a weight that `spectral_norm` normalises a parameter again.

    Args:
        module: whose weight it is.
        name: its name.

    Returns:
        The module.

    Raises:
        ValueError: if it is not normalised.
    """
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, SpectralNorm) and hook.name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            break
    else:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    for hooks, kind in (
        (module._state_dict_hooks, SpectralNormStateDictHook),
        (module._load_state_dict_pre_hooks, SpectralNormLoadStateDictPreHook),
    ):
        bare = {key: getattr(hook, "hook", hook) for key, hook in hooks.items()}
        own = [key for key, hook in bare.items() if isinstance(hook, kind) and hook.fn.name == name]
        for key in own[:1]:
            del hooks[key]
    return module
