"""Submodules and tensors of a module by their paths: `torch.nn.utils._named_member_accessor`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from ...tensor import Tensor
from ..modules.module import Module

__all__ = ["NamedMemberAccessor", "set_tensor", "swap_submodule", "swap_tensor"]

_MISSING: Final[Any] = object()


def _check(module: Any, name: str, what: str) -> None:
    if not isinstance(module, Module):
        raise TypeError(f"{module} is not an instance of torch.nn.Module")
    if "." in name:
        raise KeyError(f'{what} name can\'t contain "."')
    if name == "":
        raise KeyError(f'{what} name can\'t be empty string ""')


def _check_tensor(value: Any, before: str = "") -> None:
    if not isinstance(value, Tensor) and value is not None:
        raise TypeError(f"{before}{value} is not an instance of torch.Tensor")


def set_tensor(module: Module, name: str, tensor: Tensor | None) -> None:
    """Put a tensor in place of a module's parameter, buffer or attribute.

    Args:
        module: the module.
        name: of the tensor, without a dot.
        tensor: any tensor, not only a Parameter; or None.

    Raises:
        TypeError: for what is no module, and no tensor.
        KeyError: for another name.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.nn.utils._named_member_accessor import set_tensor
        >>> layer = torch.nn.Linear(1, 1)
        >>> set_tensor(layer, "weight", torch.zeros(1, 1))
        >>> layer.weight
        tensor([[0.]])
    """
    if isinstance(module, Module):
        _check_tensor(tensor)
    _check(module, name, "tensor")
    if name in module._parameters:
        module._parameters[name] = tensor  # type: ignore[assignment]
    elif name in module._buffers:
        module._buffers[name] = tensor
    else:
        setattr(module, name, tensor)


def swap_tensor(module: Module, name: str, tensor: Any, allow_missing: bool = False) -> Any:
    """Put a tensor in place of a module's, and return that one.

    Args:
        module, name, tensor: as for `set_tensor`.
        allow_missing: whether there may be none.

    Returns:
        the tensor that was there.

    Raises:
        TypeError, KeyError: as for `set_tensor`.
        AttributeError: if there is none, unless `allow_missing`.
    """
    if isinstance(module, Module) and tensor is not _MISSING:
        _check_tensor(tensor)
    _check(module, name, "tensor")
    for held in (module._parameters, module._buffers):
        if name in held:
            before = held[name]
            if tensor is _MISSING:
                del held[name]
            else:
                held[name] = tensor
            return before
    before = getattr(module, name, _MISSING)
    if before is _MISSING and not allow_missing:
        raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
    if before is not _MISSING:
        _check_tensor(before, f"attribute `{name}`: ")
    if tensor is not _MISSING:
        setattr(module, name, tensor)
    elif before is not _MISSING:
        delattr(module, name)
    return before


def swap_submodule(module: Module, name: str, submodule: Module) -> Module:
    """Put a module in place of a submodule, and return that one.

    Args:
        module: the module.
        name: of the submodule, without a dot.
        submodule: the other one.

    Returns:
        the submodule that was there.

    Raises:
        TypeError: for what is no module.
        KeyError: for another name, and where there is none.
    """
    for each in (module, submodule):
        if not isinstance(each, Module):
            raise TypeError(f"{each} is not an instance of torch.nn.Module")
    _check(module, name, "submodule")
    if name not in module._modules:
        raise KeyError(f"submodule {name} does not exist")
    before = module._modules[name]
    if not isinstance(before, Module):
        raise TypeError(f"{name} attribute is not an instance of torch.nn.Module")
    module._modules[name] = submodule
    return before


class NamedMemberAccessor:
    """Reads and exchanges the submodules and tensors of a module by their paths, such as "layers.0.weight".

    Args:
        module: the module. Its submodules are remembered once they have been looked up.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.nn.utils._named_member_accessor import NamedMemberAccessor
        >>> model = torch.nn.Sequential(torch.nn.Linear(1, 1))
        >>> members = NamedMemberAccessor(model)
        >>> before = members.swap_tensor("0.bias", torch.ones(1))
        >>> members.get_tensor("0.bias"), before is members.get_tensor("0.bias")
        (tensor([1.]), False)
    """

    def __init__(self, module: Module) -> None:
        self.module = module
        self.memo: dict[str, Module] = {}

    def get_submodule(self, name: str) -> Module:
        """The submodule of a path; "" is the module itself.

        Raises:
            AttributeError: if there is none.
            TypeError: if that is no module.
        """
        if not name:
            return self.module
        if name not in self.memo:
            prefix, _, attribute = name.rpartition(".")
            holder = self.get_submodule(prefix)
            try:
                found = getattr(holder, attribute)
            except AttributeError as error:
                raise AttributeError(f"{holder._get_name()} has no attribute `{attribute}`") from error
            if not isinstance(found, Module):
                raise TypeError(f"submodule `{name}`: {found} is not an instance of torch.nn.Module")
            self.memo[name] = found
        return self.memo[name]

    def _holder(self, name: str) -> tuple[Module, str]:
        prefix, _, attribute = name.rpartition(".")
        return self.get_submodule(prefix), attribute

    def swap_submodule(self, path: str, value: Module) -> Module:
        """Put a module in place of the submodule of a path; returns that one."""
        return swap_submodule(*self._holder(path), value)

    def get_tensor(self, name: str) -> Any:
        """The tensor of a path.

        Raises:
            AttributeError: if there is none.
            TypeError: if that is no tensor.
        """
        holder, attribute = self._holder(name)
        try:
            found = getattr(holder, attribute)
        except AttributeError as error:
            raise AttributeError(f"{holder._get_name()} has no attribute `{name}`") from error
        _check_tensor(found)
        return found

    def set_tensor(self, name: str, value: Tensor | None) -> None:
        """Put a tensor in place of that of a path."""
        set_tensor(*self._holder(name), value)

    def del_tensor(self, name: str) -> None:
        """Delete the tensor of a path.

        Raises:
            AttributeError: if there is none.
        """
        holder, attribute = self._holder(name)
        try:
            delattr(holder, attribute)
        except AttributeError as error:
            raise AttributeError(f"{holder._get_name()} has no attribute `{name}`") from error

    def swap_tensor(self, name: str, value: Any, allow_missing: bool = False) -> Any:
        """Put a tensor in place of that of a path; returns that one."""
        return swap_tensor(*self._holder(name), value, allow_missing=allow_missing)

    def get_tensors(self, names: Iterable[str]) -> list[Any]:
        """The tensors of several paths."""
        return [self.get_tensor(name) for name in names]

    @staticmethod
    def _pairs(names: Iterable[str], values: Iterable[Any]) -> Iterator[tuple[str, Any]]:
        names, values = list(names), list(values)
        if len(names) != len(values):
            raise AssertionError(
                f"names and values must have the same length, got {len(names)} names and {len(values)} values"
            )
        return zip(names, values, strict=True)

    def set_tensors(self, names: Iterable[str], values: Iterable[Any]) -> None:
        """Put tensors in place of those of several paths.

        Raises:
            AssertionError: if there are more of one than of the other.
        """
        for name, value in self._pairs(names, values):
            self.set_tensor(name, value)

    def set_tensors_dict(self, named_tensors: dict[str, Any]) -> None:
        """Put tensors in place of those of the paths that are the dictionary's keys."""
        for name, value in named_tensors.items():
            self.set_tensor(name, value)

    def del_tensors(self, names: Iterable[str]) -> None:
        """Delete the tensors of several paths."""
        for name in names:
            self.del_tensor(name)

    def swap_tensors(
        self, names: Iterable[str], values: Iterable[Any], allow_missing: bool = False
    ) -> list[Any]:
        """Put tensors in place of those of several paths; returns those.

        Raises:
            AssertionError: if there are more of one than of the other.
        """
        return [self.swap_tensor(name, value, allow_missing) for name, value in self._pairs(names, values)]

    def swap_tensors_dict(
        self, named_tensors: dict[str, Any], allow_missing: bool = False
    ) -> tuple[dict[str, Any], list[str]]:
        """Put tensors in place of those of the dictionary's paths, all or none of them.

        Args:
            named_tensors: path -> tensor.
            allow_missing: whether there may be none at some paths.

        Returns:
            what was there, and the paths where there was nothing.

        Raises:
            RuntimeError: if there was nothing somewhere, unless `allow_missing`.
        """
        before: dict[str, Any] = {}
        try:
            for name, tensor in named_tensors.items():
                before[name] = self.swap_tensor(name, tensor, allow_missing=True)
            missing = [name for name, tensor in before.items() if tensor is _MISSING]
            if missing and not allow_missing:
                raise RuntimeError(f"Missing key(s): {', '.join(map(repr, missing))}.")
        except Exception:
            for name, tensor in before.items():
                self.swap_tensor(name, tensor, allow_missing=True)
            raise
        return before, missing

    def check_keys(self, keys: Iterable[str]) -> tuple[list[str], list[str]]:
        """The paths of tensors that are not among `keys`, and the keys that are no such paths."""
        given = set(keys)
        known = {name for name, _ in self.named_tensors(remove_duplicate=False)}
        return sorted(known - given), sorted(given - known)

    def named_parameters(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Any]]:
        """The parameters with their paths."""
        yield from self.module.named_parameters(remove_duplicate=remove_duplicate)

    def named_buffers(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Any]]:
        """The buffers with their paths."""
        yield from self.module.named_buffers(remove_duplicate=remove_duplicate)

    def named_tensors(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Any]]:
        """The parameters and the buffers with their paths."""
        yield from self.named_parameters(remove_duplicate)
        yield from self.named_buffers(remove_duplicate)

    def named_modules(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """The submodules with their paths."""
        yield from self.module.named_modules(remove_duplicate=remove_duplicate)
