"""What a module holds: parameters, buffers and submodules, by name; and the rules of assigning them."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ...autograd.node import RemovableHandle
from ...tensor import Tensor
from ...toplevel import typename
from ..parameter import Buffer, Parameter

_buffer_watchers: OrderedDict[int, Callable[..., Any]] = OrderedDict()
_module_watchers: OrderedDict[int, Callable[..., Any]] = OrderedDict()
_parameter_watchers: OrderedDict[int, Callable[..., Any]] = OrderedDict()


def register_module_buffer_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, name, buffer)` whenever any module registers a buffer.

    Args:
        hook: may return a tensor that is registered instead.

    Returns:
        A handle whose `remove()` takes the hook away.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.nn.modules.module import register_module_buffer_registration_hook
        >>> with register_module_buffer_registration_hook(lambda module, name, buffer: print(name)):
        ...     torch.nn.Module().register_buffer("count", torch.zeros(1))
        count
    """
    handle = RemovableHandle(_buffer_watchers)
    _buffer_watchers[handle.id] = hook
    return handle


def register_module_module_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, name, submodule)` whenever any module registers a submodule.

    Args:
        hook: may return a module that is registered instead.

    Returns:
        A handle whose `remove()` takes the hook away.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.nn.modules.module import register_module_module_registration_hook
        >>> with register_module_module_registration_hook(lambda module, name, child: print(name)):
        ...     _ = torch.nn.Sequential(torch.nn.ReLU())
        0
    """
    handle = RemovableHandle(_module_watchers)
    _module_watchers[handle.id] = hook
    return handle


def register_module_parameter_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(module, name, parameter)` whenever any module registers a parameter.

    Args:
        hook: may return a parameter that is registered instead.

    Returns:
        A handle whose `remove()` takes the hook away.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.nn.modules.module import register_module_parameter_registration_hook
        >>> with register_module_parameter_registration_hook(lambda module, name, p: print(name)):
        ...     _ = torch.nn.Linear(2, 2)
        weight
        bias
    """
    handle = RemovableHandle(_parameter_watchers)
    _parameter_watchers[handle.id] = hook
    return handle


class ModuleMembers:
    """The part of `Module` that keeps its members."""

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Any]
    _non_persistent_buffers_set: set[str]

    # ---------------------------------------------------------------- registration

    def _register(self, kind: str, store: dict[str, Any], name: str, forbid_dot: str) -> None:
        """Refuse names that are not usable for a member of this kind."""
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {typename(name)}")
        if kind == "module":
            # Modules test for a clash first, then for the dot; the two others the other way round.
            self._refuse_clash(store, name)
        if "." in name:
            raise KeyError(forbid_dot)
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if kind != "module":
            self._refuse_clash(store, name)

    def _refuse_clash(self, store: dict[str, Any], name: str) -> None:
        if hasattr(self, name) and name not in store:
            raise KeyError(f"attribute '{name}' already exists")

    def _announce(self, watchers: OrderedDict[int, Callable[..., Any]], name: str, value: Any) -> Any:
        """Show a new member to the global registration hooks, each of which may replace it."""
        for hook in watchers.values():
            replacement = hook(self, name, value)
            if replacement is not None:
                value = replacement
        return value

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a buffer: a tensor that is moved and saved with the module but not trained.

        Args:
            name: attribute name, without dots.
            tensor: the buffer; `None` keeps the name free and saves nothing.
            persistent: whether it belongs to `state_dict`.

        Raises:
            AttributeError: before `Module.__init__` ran.
            KeyError: if the name is empty, has a dot, or is taken.
            TypeError: if the name is no string or `tensor` is no tensor.

        Example:
            >>> import cotangent as torch
            >>> module = torch.nn.Module()
            >>> module.register_buffer("running_mean", torch.zeros(2))
            >>> module.running_mean
            tensor([0., 0.])
        """
        if "_buffers" not in self.__dict__:
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        self._register("buffer", self._buffers, name, 'buffer name can\'t contain "."')
        if tensor is not None and not tensor_like(tensor):
            raise TypeError(
                f"cannot assign '{typename(tensor)}' object to buffer '{name}' "
                "(torch Tensor or None required)"
            )
        self._buffers[name] = self._announce(_buffer_watchers, name, tensor)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under a name.

        Args:
            name: attribute name, without dots.
            param: the parameter, or `None` to keep the name free.

        Raises:
            AttributeError: before `Module.__init__` ran.
            KeyError: if the name is empty, has a dot, or is taken.
            TypeError: if `param` is not a Parameter.
            ValueError: if `param` is the result of an operation.

        Example:
            >>> import cotangent as torch
            >>> module = torch.nn.Module()
            >>> module.register_parameter("scale", torch.nn.Parameter(torch.ones(1)))
            >>> len(list(module.parameters()))
            1
        """
        if "_parameters" not in self.__dict__:
            raise AttributeError("cannot assign parameter before Module.__init__() call")
        self._register("parameter", self._parameters, name, 'parameter name can\'t contain "."')
        if param is None:
            self._parameters[name] = None
        elif not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{typename(param)}' object to parameter '{name}' "
                "(torch.nn.Parameter or None required)"
            )
        elif param.grad_fn:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created "
                f"explicitly. To express '{name}' as a function of another Tensor, compute the value in "
                "the forward() method."
            )
        else:
            self._parameters[name] = self._announce(_parameter_watchers, name, param)

    def add_module(self, name: str, module: Any) -> None:
        """Add a submodule under a name.

        Args:
            name: attribute name, without dots.
            module: the submodule, or `None` to keep the name free.

        Raises:
            KeyError: if the name is empty, has a dot, or is taken.
            TypeError: if the name is no string or `module` is not a module.

        Example:
            >>> import cotangent as torch
            >>> module = torch.nn.Module()
            >>> module.add_module("act", torch.nn.ReLU())
            >>> module.act
            ReLU()
        """
        if module is not None and not isinstance(module, ModuleMembers):
            raise TypeError(f"{typename(module)} is not a Module subclass")
        self._register("module", self._modules, name, f'module name can\'t contain ".", got: {name}')
        self._modules[name] = self._announce(_module_watchers, name, module)

    def register_module(self, name: str, module: Any) -> None:
        """The same as `add_module`."""
        self.add_module(name, module)

    # ---------------------------------------------------------------- attribute rules

    def __getattr__(self, name: str) -> Any:
        # Reached only when ordinary lookup failed. `__dict__` may still be empty: before __init__, or
        # while unpickling.
        own = self.__dict__
        for store in ("_parameters", "_buffers", "_modules"):
            members = own.get(store)
            if members is not None and name in members:
                return members[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        parameters = own.get("_parameters")
        if isinstance(value, Parameter):
            if parameters is None:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            _forget(name, own, self._buffers, self._modules, self._non_persistent_buffers_set)
            self.register_parameter(name, value)
            return
        if parameters is not None and name in parameters:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as parameter '{name}' "
                    "(torch.nn.Parameter or None expected)"
                )
            self.register_parameter(name, value)
            return
        modules = own.get("_modules")
        if isinstance(value, ModuleMembers):
            if modules is None:
                raise AttributeError("cannot assign module before Module.__init__() call")
            _forget(name, own, self._parameters, self._buffers, self._non_persistent_buffers_set)
            modules[name] = self._announce(_module_watchers, name, value)
            return
        if modules is not None and name in modules:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as child module '{name}' "
                    "(torch.nn.Module or None expected)"
                )
            modules[name] = self._announce(_module_watchers, name, value)
            return
        buffers = own.get("_buffers")
        if isinstance(value, Buffer) or (buffers is not None and name in buffers):
            self._assign_buffer(name, value)
            return
        object.__setattr__(self, name, value)

    def _assign_buffer(self, name: str, value: Any) -> None:
        if value is not None and not tensor_like(value):
            raise TypeError(
                f"cannot assign '{typename(value)}' as buffer '{name}' "
                "(torch.nn.Buffer, torch.Tensor or None expected)"
            )
        if isinstance(value, Buffer):
            persistent = bool(value.persistent)
        else:
            persistent = name not in self._non_persistent_buffers_set
        register = self.register_buffer
        own_register = getattr(register, "__func__", None) is ModuleMembers.register_buffer
        if own_register or "persistent" in inspect.signature(register).parameters:
            register(name, value, persistent)
        elif persistent:
            register(name, value)
        else:
            raise RuntimeError(
                "Registering a non-persistent buffer on a Module subclass that implements register_buffer() "
                "without the persistent argument is not allowed."
            )

    def __delattr__(self, name: str) -> None:
        if name in self._parameters:
            del self._parameters[name]
        elif name in self._buffers:
            del self._buffers[name]
            self._non_persistent_buffers_set.discard(name)
        elif name in self._modules:
            del self._modules[name]
        else:
            object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = [*dir(type(self)), *self.__dict__, *self._parameters, *self._modules, *self._buffers]
        # Names that start with a digit cannot be typed as attributes.
        return sorted(name for name in names if not name[0].isdigit())

    # ---------------------------------------------------------------- lookup by dotted path

    def _get_name(self) -> str:
        return type(self).__name__

    def _step(self, name: str) -> Any:
        if not hasattr(self, name):
            raise AttributeError(f"{self._get_name()} has no attribute `{name}`")
        return getattr(self, name)

    def get_submodule(self, target: str) -> Any:
        """The submodule at a dotted path.

        Args:
            target: for example `"encoder.layers.0"`; an empty string gives the module itself.

        Returns:
            The submodule.

        Raises:
            AttributeError: if a name on the path does not exist or is not a module.

        Example:
            >>> import cotangent as torch
            >>> net = torch.nn.Sequential(torch.nn.Sequential(torch.nn.ReLU()))
            >>> net.get_submodule("0.0")
            ReLU()
        """
        found: ModuleMembers = self
        for name in target.split(".") if target else ():
            found = found._step(name)
            if not isinstance(found, ModuleMembers):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return found

    def set_submodule(self, target: str, module: Any, strict: bool = False) -> None:
        """Put a module at a dotted path.

        Args:
            target: path of the place; all but the last name must exist.
            module: the module to put there.
            strict: whether the last name must exist already.

        Raises:
            AttributeError: if a name on the path does not exist or is not a module.
            ValueError: if `target` is empty or `module` is not a module.

        Example:
            >>> import cotangent as torch
            >>> net = torch.nn.Sequential(torch.nn.ReLU())
            >>> net.set_submodule("0", torch.nn.Tanh())
            >>> net[0]
            Tanh()
        """
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, ModuleMembers):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        present = hasattr(parent, name)
        if strict and not present:
            parent._step(name)
        if present and not isinstance(getattr(parent, name), ModuleMembers):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path.

        Args:
            target: for example `"0.weight"`.

        Returns:
            The parameter.

        Raises:
            AttributeError: if it does not exist or is not a parameter.

        Example:
            >>> import cotangent as torch
            >>> torch.nn.Sequential(torch.nn.Linear(3, 2)).get_parameter("0.weight").shape
            torch.Size([2, 3])
        """
        path, _, name = target.rpartition(".")
        found = self.get_submodule(path)._step(name)
        if not isinstance(found, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path.

        Args:
            target: for example `"norm.running_mean"`.

        Returns:
            The buffer.

        Raises:
            AttributeError: if it does not exist or is not a buffer.

        Example:
            >>> import cotangent as torch
            >>> module = torch.nn.Module()
            >>> module.register_buffer("mean", torch.zeros(1))
            >>> module.get_buffer("mean")
            tensor([0.])
        """
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        found: Tensor = owner._step(name)
        if name not in owner._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return found

    # ---------------------------------------------------------------- iteration

    def _named_members(
        self,
        get_members_fn: Callable[[Any], Iterable[tuple[str, Any]]],
        prefix: str = "",
        recurse: bool = True,
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, Any]]:
        """Members of this module and of those below it, with full names; shared ones once if asked."""
        seen: set[int] = set()
        owners: Iterable[tuple[str, Any]] = [(prefix, self)]
        if recurse:
            owners = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        for path, owner in owners:
            lead = path + "." if path else ""
            for name, member in get_members_fn(owner):
                if member is None or id(member) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(member))
                yield lead + name, member

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Pairs of dotted name and parameter.

        Args:
            prefix: put before every name.
            recurse: whether to include those of submodules.
            remove_duplicate: whether a shared parameter comes once only.

        Example:
            >>> import cotangent as torch
            >>> [name for name, _ in torch.nn.Sequential(torch.nn.Linear(1, 1)).named_parameters()]
            ['0.weight', '0.bias']
        """
        yield from self._named_members(lambda m: m._parameters.items(), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, shared ones once.

        Args:
            recurse: whether to include those of submodules.

        Example:
            >>> import cotangent as torch
            >>> [p.shape for p in torch.nn.Linear(3, 2).parameters()]
            [torch.Size([2, 3]), torch.Size([2])]
        """
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Pairs of dotted name and buffer.

        Args:
            prefix: put before every name.
            recurse: whether to include those of submodules.
            remove_duplicate: whether a shared buffer comes once only.

        Example:
            >>> import cotangent as torch
            >>> list(torch.nn.Linear(1, 1).named_buffers())
            []
        """
        yield from self._named_members(lambda m: m._buffers.items(), prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, shared ones once.

        Args:
            recurse: whether to include those of submodules.

        Example:
            >>> import cotangent as torch
            >>> list(torch.nn.Linear(1, 1).buffers())
            []
        """
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def named_children(self) -> Iterator[tuple[str, Any]]:
        """Pairs of name and direct submodule, a shared one once.

        Example:
            >>> import cotangent as torch
            >>> list(torch.nn.Sequential(torch.nn.ReLU()).named_children())
            [('0', ReLU())]
        """
        seen: set[Any] = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Any]:
        """The direct submodules, a shared one once.

        Example:
            >>> import cotangent as torch
            >>> list(torch.nn.Sequential(torch.nn.ReLU()).children())
            [ReLU()]
        """
        for _, module in self.named_children():
            yield module

    def named_modules(
        self, memo: set[Any] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """Pairs of dotted name and module, this one first, then depth first.

        Args:
            memo: modules already given, which are left out; extended on the way.
            prefix: name of this module.
            remove_duplicate: whether a shared module comes once only.

        Example:
            >>> import cotangent as torch
            >>> [name for name, _ in torch.nn.Sequential(torch.nn.ReLU()).named_modules()]
            ['', '0']
        """
        if memo is None:
            memo = set()
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        lead = prefix + "." if prefix else ""
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, lead + name, remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Any]:
        """This module and all below it.

        Args:
            remove_duplicate: whether a shared module comes once only.

        Example:
            >>> import cotangent as torch
            >>> len(list(torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Tanh()).modules()))
            3
        """
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module


def tensor_like(value: Any) -> bool:
    """Whether a value is a tensor or claims to act as one."""
    return isinstance(value, Tensor) or hasattr(value, "__torch_function__")


def _forget(name: str, *stores: dict[str, Any] | set[str]) -> None:
    """Take a name out of the stores it may be in, so that it has one meaning."""
    for store in stores:
        if isinstance(store, dict):
            store.pop(name, None)
        else:
            store.discard(name)
