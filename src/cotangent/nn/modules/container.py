"""Modules that hold other modules or parameters: in a row, by number, by name."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any, Self

from ._places import checked_pairs, position
from .module import Module, _addindent
from .parameter_container import ParameterDict, ParameterList

__all__ = ["Container", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]


class Container(Module):
    """Deprecated: a module made of named submodules; use `Module` itself.

    Args:
        **kwargs: submodules by name.
    """

    def __init__(self, **kwargs: Any) -> None:
        warnings.warn(
            "`nn.Container` is deprecated. All of its functionality is now implemented in `nn.Module`. "
            "Subclass that instead.",
            category=FutureWarning,
            stacklevel=2,
        )
        super().__init__()
        for name, module in kwargs.items():
            self.add_module(name, module)


class _Numbered(Module):
    """What Sequential and ModuleList share: submodules in order, under the names 0, 1, 2, ..."""

    _modules: dict[str, Module]

    def _key(self, idx: Any) -> str:
        return str(position(idx, len(self)))

    def __setitem__(self, idx: int, module: Module) -> None:
        setattr(self, self._key(idx), module)

    def __delitem__(self, idx: int | slice) -> None:
        keys = list(self._modules)
        gone = keys[idx] if isinstance(idx, slice) else [self._key(idx)]
        for key in gone:
            delattr(self, key)
        # Close the gap: the rest is numbered anew.
        self._modules = OrderedDict((str(i), m) for i, m in enumerate(self._modules.values()))

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]

    def append(self, module: Module) -> Self:
        """Add a module at the end.

        Args:
            module: the module.

        Returns:
            This container.
        """
        self.add_module(str(len(self)), module)
        return self

    def _make_room(self, index: int, module: Module) -> None:
        for i in range(len(self._modules), index, -1):
            self._modules[str(i)] = self._modules[str(i - 1)]
        self._modules[str(index)] = module

    def __getitem__(self, idx: Any) -> Any:
        return self._modules[self._key(idx)]

    def pop(self, key: int | slice) -> Any:
        """Take a module out.

        Args:
            key: its index, or a slice.

        Returns:
            What was taken out.
        """
        taken = self[key]
        del self[key]
        return taken


class Sequential(_Numbered):
    """Modules in a row: each gets what the one before gave.

    Args:
        *args: modules, or one `OrderedDict` of modules by name.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Flatten())
        Sequential(
          (0): ReLU()
          (1): Flatten(start_dim=1, end_dim=-1)
        )
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            named: Iterable[tuple[str, Any]] = args[0].items()
        else:
            named = ((str(i), module) for i, module in enumerate(args))
        for name, module in named:
            self.add_module(name, module)

    def _key(self, idx: Any) -> str:
        # Names need not be numbers here.
        return list(self._modules)[position(idx, len(self))]

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, slice):
            return type(self)(OrderedDict(list(self._modules.items())[idx]))
        return super().__getitem__(idx)

    def _refuse_other(self, other: Any) -> None:
        if not isinstance(other, Sequential):
            raise ValueError(
                f"add operator supports only objects of Sequential class, but {type(other)} is given."
            )

    def __add__(self, other: Sequential) -> Sequential:
        self._refuse_other(other)
        return Sequential().extend(self).extend(other)

    def __iadd__(self, other: Sequential) -> Self:
        self._refuse_other(other)
        # A list, so that adding a container to itself ends.
        return self.extend(list(other))

    def _refuse_factor(self, other: Any) -> None:
        if not isinstance(other, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(other)}")
        if other <= 0:
            raise ValueError(f"Non-positive multiplication factor {other} for {type(self)}")

    def __mul__(self, other: int) -> Sequential:
        self._refuse_factor(other)
        return Sequential().extend(list(self) * other)

    def __rmul__(self, other: int) -> Sequential:
        return self * other

    def __imul__(self, other: int) -> Self:
        self._refuse_factor(other)
        return self.extend(list(self) * (other - 1))

    def forward(self, input: Any) -> Any:
        """Send the input through all modules.

        Args:
            input: what the first module takes.

        Returns:
            What the last module gives.
        """
        for module in self._modules.values():
            input = module(input)
        return input

    def insert(self, index: int, module: Module) -> Self:
        """Put a module before a position.

        Args:
            index: the position, negative from the end.
            module: the module.

        Returns:
            This container.

        Raises:
            IndexError: if there is no such position.
        """
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        size = len(self)
        if not -size <= index <= size:
            raise IndexError(f"Index out of range: {index}")
        self._make_room(index + size if index < 0 else index, module)
        return self

    def extend(self, sequential: Iterable[Module]) -> Self:
        """Add modules at the end.

        Args:
            sequential: the modules.

        Returns:
            This container.
        """
        for module in sequential:
            self.append(module)
        return self


class ModuleList(_Numbered):
    """Modules in a list; they are registered, but how they are called is up to you.

    Args:
        modules: the modules.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.ModuleList([torch.nn.ReLU(), torch.nn.ReLU(), torch.nn.Tanh()])
        ModuleList(
          (0-1): 2 x ReLU()
          (2): Tanh()
        )
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self += modules

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, slice):
            return type(self)(list(self._modules.values())[idx])
        return super().__getitem__(idx)

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __repr__(self) -> str:
        # Neighbours that print alike are printed once, with their number.
        runs: list[tuple[int, str, int]] = []
        for i, module in enumerate(self):
            text = repr(module)
            if runs and runs[-1][1] == text:
                start, _, count = runs[-1]
                runs[-1] = (start, text, count + 1)
            else:
                runs.append((i, text, 1))
        if not runs:
            return f"{self._get_name()}()"
        lines = []
        for start, text, count in runs:
            line = f"({start}): {text}" if count == 1 else f"({start}-{start + count - 1}): {count} x {text}"
            lines.append(_addindent(line, 2))
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"

    def insert(self, index: int, module: Module) -> None:
        """Put a module before a position.

        Args:
            index: the position.
            module: the module.
        """
        self._make_room(index, module)

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end.

        Args:
            modules: the modules.

        Returns:
            This container.

        Raises:
            TypeError: if `modules` cannot be iterated.
        """
        if not isinstance(modules, Iterable):
            raise TypeError(
                f"ModuleList.extend should be called with an iterable, but got {type(modules).__name__}"
            )
        for i, module in enumerate(modules, len(self)):
            self.add_module(str(i), module)
        return self


class ModuleDict(Module):
    """Modules by name; they are registered, but how they are called is up to you.

    Args:
        modules: modules by name, as a mapping or as pairs.

    Example:
        >>> import cotangent as torch
        >>> torch.nn.ModuleDict({"act": torch.nn.ReLU()})["act"]
        ReLU()
    """

    _modules: dict[str, Module]

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Take all modules out."""
        self._modules.clear()

    def pop(self, key: str) -> Any:
        """Take a module out.

        Args:
            key: its name.

        Returns:
            The module.
        """
        taken = self[key]
        del self[key]
        return taken

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._modules.keys()

    def items(self) -> ItemsView[str, Any]:
        """Pairs of name and module."""
        return self._modules.items()

    def values(self) -> ValuesView[Any]:
        """The modules."""
        return self._modules.values()

    def update(self, modules: Any) -> None:
        """Add modules, in place of those of the same names.

        Args:
            modules: modules by name, as a mapping or as pairs.

        Raises:
            TypeError: if it is not a mapping and not a collection of pairs.
            ValueError: if an element has not two parts.
        """
        if not isinstance(modules, Iterable):
            raise TypeError(
                "ModuleDict.update should be called with an iterable of key/value pairs, but got "
                + type(modules).__name__
            )
        pairs: Iterable[Any]
        if isinstance(modules, (ModuleDict, Mapping)):
            pairs = modules.items()
        else:
            pairs = checked_pairs(modules, "ModuleDict")
        for name, module in pairs:
            self[name] = module
