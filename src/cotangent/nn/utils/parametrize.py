"""Parameters computed from others: `torch.nn.utils.parametrize`.

A parametrized tensor becomes a property of a class made for its module; reading it runs the parametrizations
on what is really trained, which lies in `module.parametrizations.NAME.original`.
"""

from __future__ import annotations

import contextlib
import copyreg
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from ...autograd.modes import no_grad
from ...tensor import Tensor
from ..modules.container import ModuleDict, ModuleList
from ..modules.module import Module
from ..parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]


class _Cache:
    """Tensors computed inside of `cached()`, by module and name."""

    def __init__(self) -> None:
        self.depth = 0
        self.tensors: dict[tuple[int, str], Any] = {}


_cache = _Cache()


@contextlib.contextmanager
def cached() -> Iterator[None]:
    """Inside of this block each parametrized tensor is computed once.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.nn.utils import parametrize
        >>> net = parametrize.register_parametrization(torch.nn.Linear(1, 1), "weight", torch.nn.Identity())
        >>> with parametrize.cached():
        ...     net.weight is net.weight
        True
    """
    _cache.depth += 1
    try:
        yield
    finally:
        _cache.depth -= 1
        if not _cache.depth:
            _cache.tensors = {}


def _register(module: Module, name: str, tensor: Any) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _put(into: Any, tensor: Any) -> None:
    """Make `into` a view of the memory of `tensor`."""
    if into is not tensor:
        into.data = tensor.detach()


def _same(what: str, unless: str, found: Any, wanted: Any, names: tuple[str, str]) -> None:
    """Raise unless two tensors agree in dtype and shape."""
    for kind in ("dtype", "shape"):
        have, need = getattr(found, kind), getattr(wanted, kind)
        if have != need:
            raise ValueError(
                f"{what.format(kind=kind)}, unless {unless}.\n{names[0]}{kind}: {need}\n"
                f"{names[1]}{kind}: {have}"
            )


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, and what they are computed from.

    Args:
        modules: the parametrizations, first to last.
        original: the tensor as it was; becomes what is trained, or is replaced by several.
        unsafe: whether dtype and shape may change.

    Raises:
        ValueError: if a parametrization or its inverse returns something that does not fit.
    """

    original: Tensor
    unsafe: bool

    def __init__(self, modules: Sequence[Module], original: Any, unsafe: bool = False) -> None:
        if not len(modules):
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = original.shape, original.dtype
        new: Any = original
        with no_grad():
            for module in reversed(list(self)):
                inverse = getattr(module, "right_inverse", None)
                if inverse is not None:
                    try:
                        new = inverse(new)
                    except NotImplementedError:
                        pass
        if not isinstance(new, (Tensor, Sequence)):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got "
                f"{type(new).__name__}"
            )
        found: Any = new
        self.is_tensor = isinstance(found, Tensor)
        self.ntensors = 1 if self.is_tensor else len(found)
        if self.is_tensor:
            if original.dtype is not found.dtype:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change the dtype.\n"
                    f"original.dtype: {original.dtype}\nright_inverse(original).dtype: {found.dtype}"
                )
            with no_grad():
                _put(original, found)
            _register(self, "original", original)
        else:
            for i, t in enumerate(found):
                if not isinstance(t, Tensor):
                    raise ValueError(
                        "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got "
                        f"element {i} of the sequence with type {type(t).__name__}."
                    )
                part: Any = Parameter(t, original.requires_grad) if isinstance(original, Parameter) else t
                part.requires_grad_(original.requires_grad)
                _register(self, f"original{i}", part)
        if not unsafe:
            self._check(self(), shape, dtype)

    def _check(self, result: Any, shape: Any, dtype: Any) -> None:
        if not isinstance(result, Tensor):
            raise ValueError(f"A parametrization must return a tensor. Got {type(result).__name__}.")
        for kind, wanted in (("dtype", dtype), ("shape", shape)):
            have = getattr(result, kind)
            if have != wanted:
                raise ValueError(
                    f"Registering a parametrization may not change the {kind} of the tensor, unless `unsafe` "
                    f"flag is enabled.\nunparametrized {kind}: {wanted}\nparametrized {kind}: {have}"
                )

    def right_inverse(self, value: Any) -> None:
        """Set what is trained so that the parametrizations give a value.

        Args:
            value: the value.

        Raises:
            RuntimeError: if a parametrization has no `right_inverse`.
            ValueError: if one returns something that does not fit.
        """
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse."
                    )
                value = module.right_inverse(value)
            if self.is_tensor:
                if not isinstance(value, Tensor):
                    raise ValueError(f"`right_inverse` should return a tensor. Got {type(value).__name__}")
                if value.dtype is not self.original.dtype:
                    raise ValueError(
                        f"The tensor returned by `right_inverse` has dtype {value.dtype} while `original` "
                        f"has dtype {self.original.dtype}"
                    )
                _put(self.original, value)
                return
            if not isinstance(value, Sequence):
                raise ValueError(
                    f"'right_inverse' must return a sequence of tensors. Got {type(value).__name__}."
                )
            if len(value) != self.ntensors:
                raise ValueError(
                    f"'right_inverse' must return a sequence of tensors of length {self.ntensors}. Got a "
                    f"sequence of length {len(value)}."
                )
            for i, t in enumerate(value):
                part: Any = getattr(self, f"original{i}")
                if not isinstance(t, Tensor):
                    raise ValueError(
                        "'right_inverse' must return a sequence of tensors or reference-type opaques. Got "
                        f"element {i} of type {type(t).__name__}."
                    )
                if part.dtype is not t.dtype:
                    raise ValueError(
                        f"Tensor {i} returned by `right_inverse` has dtype {t.dtype} while `original{i}` has "
                        f"dtype {part.dtype}"
                    )
                _put(part, t)

    def forward(self) -> Any:
        if self.is_tensor:
            x = self[0](self.original)
        else:
            x = self[0](*(getattr(self, f"original{i}") for i in range(self.ntensors)))
        for i in range(1, len(self)):
            x = self[i](x)
        return x


def _own_class(module: Module) -> None:
    """Give a module a class of its own, to which properties can be added."""
    cls = module.__class__

    def default_deepcopy(self: Any, memo: dict[int, Any]) -> Any:
        known = memo.get(id(self))
        if known is not None:
            return known
        replica = self.__new__(self.__class__)
        memo[id(self)] = replica
        replica.__dict__ = deepcopy(self.__dict__, memo)
        for slot in copyreg._slotnames(self.__class__):  # type: ignore[attr-defined]
            if hasattr(self, slot):
                setattr(replica, slot, deepcopy(getattr(self, slot), memo))
        return replica

    def getstate(self: Any) -> None:
        raise RuntimeError(
            "Serialization of parametrized modules is only supported through state_dict(). See:\n"
            "https://pytorch.org/tutorials/beginner/saving_loading_models.html"
            "#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training"
        )

    members: dict[str, Any] = {"__getstate__": getstate}
    if not hasattr(cls, "__deepcopy__"):
        members["__deepcopy__"] = default_deepcopy
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), members)


def _add_property(module: Module, name: str) -> None:
    """Make `module.NAME` the result of its parametrizations."""

    def read(self: Any) -> Any:
        compute = self.parametrizations[name]
        if not _cache.depth:
            return compute()
        key = (id(module), name)
        if key not in _cache.tensors:
            _cache.tensors[key] = compute()
        return _cache.tensors[key]

    def write(self: Any, value: Any) -> None:
        self.parametrizations[name].right_inverse(value)

    setattr(module.__class__, name, property(read, write))


def _check_next(module: Module, name: str, parametrization: Any) -> None:
    """Raise if a parametrization after others changes the dtype or the shape."""
    before = getattr(module, name)
    after = parametrization(before)
    if not isinstance(after, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(after).__name__}.")
    own = (f"module.{name}.", f"parametrization(module.{name}).")
    what = "Registering a parametrization may not change the {kind} of the tensor"
    _same(what, "the `unsafe` flag is enabled", after, before, own)
    if not hasattr(parametrization, "right_inverse"):
        return
    try:
        back = parametrization.right_inverse(after)
    except NotImplementedError:
        return
    if not isinstance(back, Tensor):
        raise ValueError(f"parametrization.right_inverse must return a tensor. Got: {type(back).__name__}")
    what = (
        f"The tensor returned by parametrization.right_inverse must have the same {{kind}} as module.{name}"
    )
    _same(what, "the `unsafe` flag is enabled", back, before, (f"module.{name}.", "returned "))


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Have a parameter or buffer computed by a module from what is trained instead.

    Args:
        module: whose tensor it is.
        tensor_name: name of the parameter or buffer.
        parametrization: computes the tensor; its `right_inverse`, if it has one, says from which first value.
        unsafe: whether dtype and shape may change.

    Returns:
        The module.

    Raises:
        ValueError: if there is no such tensor, or the parametrization does not fit.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.nn.utils import parametrize
        >>> class Symmetric(torch.nn.Module):
        ...     def forward(self, x):
        ...         return x.triu() + x.triu(1).transpose(-1, -2)
        >>> net = parametrize.register_parametrization(torch.nn.Linear(2, 2), "weight", Symmetric())
        >>> torch.equal(net.weight, net.weight.T)
        True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            _check_next(module, tensor_name, parametrization)
        listed: Any = module.parametrizations
        listed[tensor_name].append(parametrization)
        listed[tensor_name].unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        made = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _own_class(module)
            module.parametrizations = ModuleDict()
        _add_property(module, tensor_name)
        module.parametrizations[tensor_name] = made
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name "
            f"'{tensor_name}'"
        )
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module, or one of its tensors, is parametrized.

    Args:
        module: the module.
        tensor_name: name of the tensor; any by default.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.utils.parametrize.is_parametrized(torch.nn.Linear(1, 1))
        False
    """
    listed = getattr(module, "parametrizations", None)
    if not isinstance(listed, ModuleDict):
        return False
    return len(listed) > 0 if tensor_name is None else tensor_name in listed


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make a parametrized tensor an ordinary one again.

    Args:
        module: whose tensor it is.
        tensor_name: its name.
        leave_parametrized: whether it keeps the value that the parametrizations give it, or gets that of what
            was trained.

    Returns:
        The module.

    Raises:
        ValueError: if it is not parametrized, or is computed from several tensors and should not keep its
            value.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.nn.utils import parametrize
        >>> net = parametrize.register_parametrization(torch.nn.Linear(1, 1), "weight", torch.nn.Identity())
        >>> parametrize.remove_parametrizations(net, "weight")
        Linear(in_features=1, out_features=1, bias=True)
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    listed: Any = module.parametrizations
    own = listed[tensor_name]
    original: Any
    if own.is_tensor:
        original = own.original
        if leave_parametrized:
            with no_grad():
                _put(original, getattr(module, tensor_name))
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms "
            "of a sequence of tensors."
        )
    delattr(module.__class__, tensor_name)
    del listed[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = module.__class__.__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class of a module before it was parametrized.

    Args:
        module: the module.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.utils.parametrize.type_before_parametrizations(torch.nn.Linear(1, 1)).__name__
        'Linear'
    """
    return module.__class__.__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Parametrize a module as another, and give it what that one trains.

    Args:
        from_module: the other.
        to_module: the module.
        tensor_name: name of the tensor; all that are parametrized by default.

    Returns:
        `to_module`.
    """
    if is_parametrized(from_module):
        listed: Any = from_module.parametrizations
        for name in list(listed) if tensor_name is None else [tensor_name]:
            if not hasattr(to_module, name):
                setattr(to_module, name, Parameter(getattr(from_module, name)))
            for parametrization in listed[name]:
                register_parametrization(to_module, name, parametrization)
            others: Any = to_module.parametrizations
            count = listed[name].ntensors
            names = ["original"] if listed[name].is_tensor else [f"original{i}" for i in range(count)]
            for original in names:
                setattr(others[name], original, getattr(listed[name], original))
    return to_module
