"""Setting parameters to zero by masks: `torch.nn.utils.prune`.

A pruned parameter NAME becomes an attribute, the product of `NAME_orig` (trained) and `NAME_mask` (a buffer),
which a hook computes before each forward pass.
"""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

from ...functions import kthvalue, ones_like, rand, rand_like, topk, zeros_like
from ...ops.matrix_norms import norm
from .convert_parameters import parameters_to_vector

# PyTorch's module lists no names; these are those that are no helpers.
__all__ = [
    "BasePruningMethod",
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "PruningContainer",
    "RandomStructured",
    "RandomUnstructured",
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "remove",
]


def _validate_pruning_amount_init(amount: Any) -> None:
    """Raise unless `amount` is a share or a number."""
    if not isinstance(amount, numbers.Real):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    if not 0 <= float(amount) <= (float("inf") if isinstance(amount, numbers.Integral) else 1.0):
        text = f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer"
        raise ValueError(text)


def _validate_pruning_amount(amount: Any, tensor_size: int) -> None:
    """Raise if a number is larger than what there is to prune."""
    if isinstance(amount, numbers.Integral) and int(amount) > tensor_size:
        most = f"the number of parameters to prune={tensor_size}"
        raise ValueError(f"amount={amount} should be smaller than {most}")


def _compute_nparams_toprune(amount: Any, tensor_size: int) -> int:
    """How many of `tensor_size` a number or a share is."""
    return int(amount) if isinstance(amount, numbers.Integral) else round(amount * tensor_size)


def _count(amount: Any, size: int) -> int:
    """How many of `size` are pruned."""
    _validate_pruning_amount(amount, size)
    return _compute_nparams_toprune(amount, size)


def _channels(t: Any, dim: int) -> int:
    """The size of `t` along `dim`, which is to be pruned slice by slice."""
    shape = t.shape
    if len(shape) <= 1:
        raise ValueError(
            "Structured pruning can only be applied to multidimensional tensors. Found tensor of shape "
            f"{shape} with {len(shape)} dims"
        )
    if dim >= t.dim():
        raise IndexError(f"Invalid index {dim} for tensor of size {shape}")
    return int(shape[dim])


def _along(t: Any, dim: int, which: Any) -> tuple[Any, ...]:
    """The index of some slices along `dim`."""
    found: list[Any] = [slice(None)] * t.dim()
    found[dim] = which
    return tuple(found)


class BasePruningMethod(ABC):
    """A way to choose what is pruned, and the hook that applies its mask."""

    _tensor_name: Any = None
    PRUNING_TYPE: str

    def __call__(self, module: Any, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask of a tensor: zeros where it is pruned.

        Args:
            t: the tensor, or its importance scores.
            default_mask: the mask so far.
        """

    def apply_mask(self, module: Any) -> Any:
        """The pruned tensor.

        Args:
            module: whose tensor it is.
        """
        if self._tensor_name is None:
            raise AssertionError(f"Module {module} has to be pruned")
        original = getattr(module, self._tensor_name + "_orig")
        return getattr(module, self._tensor_name + "_mask").to(dtype=original.dtype) * original

    @classmethod
    def apply(
        cls, module: Any, name: str, *args: Any, importance_scores: Any = None, **kwargs: Any
    ) -> BasePruningMethod:
        """Prune a parameter, further if it is pruned already.

        Args:
            module: whose parameter it is.
            name: its name.
            *args: arguments of the method.
            importance_scores: what decides in place of the values.
            **kwargs: arguments of the method.

        Returns:
            The hook.
        """
        method = cls._with_earlier(module, name, cls(*args, **kwargs))
        first = not isinstance(method, PruningContainer)
        original = getattr(module, name)
        if importance_scores is None:
            importance_scores = original
        elif importance_scores.shape != original.shape:
            raise AssertionError(
                f"importance_scores should have the same shape as parameter {name} of {module}, got "
                f"{importance_scores.shape} vs {original.shape}"
            )
        if first:
            module.register_parameter(name + "_orig", original)
            del module._parameters[name]
            mask = ones_like(original)
        else:
            mask = getattr(module, name + "_mask").detach().clone()
        try:
            module.register_buffer(name + "_mask", method.compute_mask(importance_scores, mask))
            setattr(module, name, method.apply_mask(module))
            module.register_forward_pre_hook(method)
        except Exception:
            if first:
                module.register_parameter(name, getattr(module, name + "_orig"))
                del module._parameters[name + "_orig"]
            raise
        return method

    @staticmethod
    def _with_earlier(module: Any, name: str, method: BasePruningMethod) -> BasePruningMethod:
        """`method`, in a container with what has pruned the tensor before; its hook is taken off."""
        hooks = module._forward_pre_hooks
        keys = [k for k, h in hooks.items() if isinstance(h, BasePruningMethod) and h._tensor_name == name]
        if len(keys) > 1:
            raise AssertionError(
                f"Avoid adding multiple pruning hooks to the same tensor {name} of module {module}. Use a "
                "PruningContainer."
            )
        method._tensor_name = name
        if not keys:
            return method
        earlier = hooks.pop(keys[0])
        container = earlier if isinstance(earlier, PruningContainer) else PruningContainer(earlier)
        container.add_pruning_method(method)
        return container

    def prune(self, t: Any, default_mask: Any = None, importance_scores: Any = None) -> Any:
        """A pruned tensor, without any module.

        Args:
            t: the tensor.
            default_mask: the mask so far.
            importance_scores: what decides in place of the values.
        """
        if importance_scores is None:
            importance_scores = t
        elif importance_scores.shape != t.shape:
            raise AssertionError(
                f"importance_scores should have the same shape as tensor t, got {importance_scores.shape} vs "
                f"{t.shape}"
            )
        mask = default_mask if default_mask is not None else ones_like(t)
        return t * self.compute_mask(importance_scores, default_mask=mask)

    def remove(self, module: Any) -> None:
        """Make the pruned tensor a parameter; its zeros stay.

        Args:
            module: whose tensor it is.
        """
        name = self._tensor_name
        if name is None:
            raise AssertionError(f"Module {module} has to be pruned before pruning can be removed")
        weight = self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        original = module._parameters.pop(name + "_orig")
        original.data = weight.data
        del module._buffers[name + "_mask"]
        setattr(module, name, original)


class PruningContainer(BasePruningMethod):
    """Methods that have pruned one tensor one after the other.

    Args:
        *args: the methods.
    """

    def __init__(self, *args: Any) -> None:
        self._pruning_methods: tuple[Any, ...] = ()
        if len(args) == 1:
            self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: Any) -> None:
        """Add a method.

        Args:
            method: the method, or None.
        """
        if method is not None and not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if method is not None and self._tensor_name != method._tensor_name:
            raise ValueError(
                f"Can only add pruning methods acting on the parameter named '{self._tensor_name}' to "
                f"PruningContainer {self}. Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: Any) -> Any:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask of the newest method on what the others have left."""
        method: Any = self._pruning_methods[-1]
        mask = default_mask.to(dtype=t.dtype)
        if mask is default_mask:
            mask = mask.clone()
        left: Any
        if method.PRUNING_TYPE == "unstructured":
            left = default_mask == 1
        elif method.PRUNING_TYPE == "structured":
            if not hasattr(method, "dim"):
                raise AttributeError(
                    'Pruning methods of PRUNING_TYPE "structured" need to have the attribute `dim` defined.'
                )
            n = t.dim()
            dim = method.dim + n if method.dim < 0 else method.dim
            if dim < 0:
                raise IndexError(f"Index is out of bounds for tensor with dimensions {n}")
            left = _along(t, dim, default_mask.sum(dim=[d for d in range(n) if d != dim]) != 0)
        elif method.PRUNING_TYPE == "global":
            left = (slice(None),) * t.dim()
        else:
            raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
        mask[left] = method.compute_mask(t[left], default_mask=default_mask[left]).to(dtype=mask.dtype)
        return mask


class Identity(BasePruningMethod):
    """Prunes nothing; the mask is there to be used."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        return default_mask


class _Amount(BasePruningMethod):
    """A method that prunes a share or a number."""

    def __init__(self, amount: Any) -> None:
        _validate_pruning_amount_init(amount)
        self.amount = amount


class _Unstructured(_Amount):
    """Prunes single elements, those with the extreme values of some scores."""

    PRUNING_TYPE = "unstructured"

    def _chosen(self, t: Any, count: int) -> Any:
        raise NotImplementedError

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        count = _count(self.amount, t.nelement())
        mask = default_mask.clone()
        if count:
            mask.view(-1)[self._chosen(t, count)] = 0
        return mask


class RandomUnstructured(_Unstructured):
    """Prunes elements at random.

    Args:
        amount: a share (float) or a number (int).
    """

    def _chosen(self, t: Any, count: int) -> Any:
        return topk(rand_like(t).view(-1), k=count).indices


class L1Unstructured(_Unstructured):
    """Prunes the elements of the smallest magnitudes.

    Args:
        amount: a share (float) or a number (int).
    """

    def _chosen(self, t: Any, count: int) -> Any:
        return topk(t.abs().reshape(-1), k=count, largest=False).indices


class _Structured(_Amount):
    """Prunes whole slices along a dimension."""

    PRUNING_TYPE = "structured"
    dim: int

    def _kept(self, t: Any, count: int) -> Any:
        """The index, along `dim`, of what stays when `count` slices are pruned."""
        raise NotImplementedError

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        count = _count(self.amount, _channels(t, self.dim))
        # Drawn, or ranked, also where nothing is to be pruned, as PyTorch does for norms.
        if not count:
            return default_mask
        mask: Any = zeros_like(t)
        mask[_along(t, self.dim, self._kept(t, count))] = 1
        mask *= default_mask.to(dtype=mask.dtype)
        return mask


class RandomStructured(_Structured):
    """Prunes slices at random.

    Args:
        amount: a share (float) or a number (int).
        dim: dimension of the slices.
    """

    def __init__(self, amount: Any, dim: int = -1) -> None:
        super().__init__(amount)
        self.dim = dim

    def _kept(self, t: Any, count: int) -> Any:
        scores: Any = rand(t.shape[self.dim])
        return scores > kthvalue(scores, k=count).values


class LnStructured(_Structured):
    """Prunes the slices of the smallest norms.

    Args:
        amount: a share (float) or a number (int).
        n: order of the norm.
        dim: dimension of the slices.
    """

    def __init__(self, amount: Any, n: Any, dim: int = -1) -> None:
        super().__init__(amount)
        self.n = n
        self.dim = dim

    def _kept(self, t: Any, count: int) -> Any:
        rest = [d for d in range(t.dim()) if d != self.dim % t.dim()]
        norms = norm(t, p=self.n, dim=rest)
        return topk(norms, k=t.shape[self.dim] - count, largest=True).indices


class CustomFromMask(BasePruningMethod):
    """Prunes what a mask says.

    Args:
        mask: zeros where to prune.
    """

    PRUNING_TYPE = "global"

    def __init__(self, mask: Any) -> None:
        self.mask = mask

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"default_mask shape {default_mask.shape} must match self.mask shape {self.mask.shape}"
            )
        return default_mask * self.mask.to(dtype=default_mask.dtype)


def identity(module: Any, name: str) -> Any:
    """Give a parameter a mask that prunes nothing.

    Args:
        module: whose parameter it is.
        name: its name.

    Returns:
        The module.
    """
    Identity.apply(module, name)
    return module


def random_unstructured(module: Any, name: str, amount: Any) -> Any:
    """Prune elements of a parameter at random.

    Args:
        module: whose parameter it is.
        name: its name.
        amount: a share (float) or a number (int).

    Returns:
        The module.

    Example:
        >>> import cotangent as torch
        >>> net = torch.nn.utils.prune.random_unstructured(torch.nn.Linear(2, 3), "weight", amount=2)
        >>> (net.weight == 0).sum()
        tensor(2)
    """
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: Any, name: str, amount: Any, importance_scores: Any = None) -> Any:
    """Prune the elements of the smallest magnitudes of a parameter.

    Args:
        module: whose parameter it is.
        name: its name.
        amount: a share (float) or a number (int).
        importance_scores: what decides in place of the values.

    Returns:
        The module.

    Example:
        >>> import cotangent as torch
        >>> net = torch.nn.utils.prune.l1_unstructured(torch.nn.Linear(2, 3), "weight", amount=0.5)
        >>> sorted(net.state_dict())
        ['bias', 'weight_mask', 'weight_orig']
    """
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: Any, name: str, amount: Any, dim: int) -> Any:
    """Prune slices of a parameter at random.

    Args:
        module: whose parameter it is.
        name: its name.
        amount: a share (float) or a number (int).
        dim: dimension of the slices.

    Returns:
        The module.
    """
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Any, name: str, amount: Any, n: Any, dim: int, importance_scores: Any = None
) -> Any:
    """Prune the slices of the smallest norms of a parameter.

    Args:
        module: whose parameter it is.
        name: its name.
        amount: a share (float) or a number (int).
        n: order of the norm.
        dim: dimension of the slices.
        importance_scores: what decides in place of the values.

    Returns:
        The module.
    """
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def global_unstructured(
    parameters: Any, pruning_method: Any, importance_scores: Any = None, **kwargs: Any
) -> None:
    """Prune elements of several parameters, chosen among all of them.

    Args:
        parameters: pairs of a module and a name.
        pruning_method: class of the method, an unstructured one.
        importance_scores: by such a pair, what decides in place of the values.
        **kwargs: arguments of the method.

    Raises:
        TypeError: for arguments of the wrong type.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.nn.utils import prune
        >>> nets = [torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)]
        >>> prune.global_unstructured([(net, "weight") for net in nets], prune.L1Unstructured, amount=3)
        >>> sum(int((net.weight == 0).sum()) for net in nets)
        3
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    given: Any = list(parameters)
    scores = importance_scores if importance_scores is not None else {}
    if not isinstance(scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    values = [scores.get((module, name), getattr(module, name)) for module, name in given]
    masks = [getattr(m, name + "_mask", ones_like(getattr(m, name))) for m, name in given]
    container = PruningContainer()
    container._tensor_name = "temp"
    method = pruning_method(**kwargs)
    method._tensor_name = "temp"
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            f'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
            f"{pruning_method} of type {method.PRUNING_TYPE}"
        )
    container.add_pruning_method(method)
    mask = container.compute_mask(parameters_to_vector(values), parameters_to_vector(masks))
    first = 0
    for module, name in given:
        t = getattr(module, name)
        custom_from_mask(module, name, mask=mask[first : first + t.numel()].view_as(t))
        first += t.numel()


def custom_from_mask(module: Any, name: str, mask: Any) -> Any:
    """Prune what a mask says.

    Args:
        module: whose parameter it is.
        name: its name.
        mask: zeros where to prune.

    Returns:
        The module.
    """
    CustomFromMask.apply(module, name, mask)
    return module


def remove(module: Any, name: str) -> Any:
    """Make a pruned parameter an ordinary one; its zeros stay.

    Args:
        module: whose parameter it is.
        name: its name.

    Returns:
        The module.

    Raises:
        ValueError: if it is not pruned.
    """
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed")


def is_pruned(module: Any) -> bool:
    """Whether a module, or one below it, has a pruned parameter.

    Args:
        module: the module.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.utils.prune.is_pruned(torch.nn.Linear(1, 1))
        False
    """
    hooks = (hook for below in module.modules() for hook in below._forward_pre_hooks.values())
    return any(isinstance(hook, BasePruningMethod) for hook in hooks)
