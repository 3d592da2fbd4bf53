"""Which modules of a model are wrapped by themselves: policies of `FullyShardedDataParallel`."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ... import tree
from ...nn.modules.activation import MultiheadAttention
from ...nn.modules.container import ModuleDict, ModuleList
from ...nn.modules.module import Module
from ...tensor import Tensor

__all__ = [
    "CustomPolicy", "ModuleWrapPolicy", "always_wrap_policy", "enable_wrap", "lambda_auto_wrap_policy",
    "size_based_auto_wrap_policy", "transformer_auto_wrap_policy", "wrap",
]  # fmt: skip


# -- policies that tell of each module whether it is wrapped --


def always_wrap_policy(*args: Any, **kwargs: Any) -> bool:
    """Wrap every module.

    Example:
        >>> from cotangent.distributed.fsdp.wrap import always_wrap_policy
        >>> always_wrap_policy(None, False, 1)
        True
    """
    return True


def lambda_auto_wrap_policy(
    module: Module, recurse: bool, nonwrapped_numel: int, lambda_fn: Callable[[Module], bool]
) -> bool:
    """Wrap the modules for which a function says so.

    Args:
        module: the module.
        recurse: whether the question is if to look below it.
        nonwrapped_numel: how many elements of it are not wrapped yet.
        lambda_fn: the function.

    Example:
        >>> from cotangent.distributed.fsdp.wrap import lambda_auto_wrap_policy
        >>> lambda_auto_wrap_policy(None, False, 1, lambda module: module is None)
        True
    """
    return True if recurse else lambda_fn(module)


def transformer_auto_wrap_policy(
    module: Module, recurse: bool, nonwrapped_numel: int, transformer_layer_cls: Iterable[type[Module]]
) -> bool:
    """Wrap modules of some classes.

    Args:
        module: the module.
        recurse: whether the question is if to look below it.
        nonwrapped_numel: how many elements of it are not wrapped yet.
        transformer_layer_cls: the classes.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.distributed.fsdp.wrap import transformer_auto_wrap_policy
        >>> transformer_auto_wrap_policy(torch.nn.Linear(1, 1), False, 2, {torch.nn.Linear})
        True
    """
    return recurse or isinstance(module, tuple(transformer_layer_cls))


def _or_policy(
    module: Module, recurse: bool, nonwrapped_numel: int, policies: Iterable[Callable[..., bool]]
) -> bool:
    """Wrap the modules for which one of several policies says so; libraries import it."""
    return any(p(module=module, recurse=recurse, nonwrapped_numel=nonwrapped_numel) for p in policies)


def size_based_auto_wrap_policy(
    module: Module,
    recurse: bool,
    nonwrapped_numel: int,
    min_num_params: int = int(1e8),
    force_leaf_modules: Iterable[type[Module]] | None = None,
    exclude_wrap_modules: Iterable[type[Module]] | None = None,
) -> bool:
    """Wrap modules that have many elements which are not wrapped yet.

    Args:
        module: the module.
        recurse: whether the question is if to look below it.
        nonwrapped_numel: how many elements of it are not wrapped yet.
        min_num_params: how many are needed.
        force_leaf_modules: classes of modules below which nothing is wrapped; `MultiheadAttention`.
        exclude_wrap_modules: classes of modules that are not wrapped; `ModuleList` and `ModuleDict`.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.distributed.fsdp.wrap import size_based_auto_wrap_policy
        >>> size_based_auto_wrap_policy(torch.nn.Linear(1, 1), False, 2, min_num_params=3)
        False
    """
    defaults = vars(size_based_auto_wrap_policy)
    if recurse:
        kinds = defaults["FORCE_LEAF_MODULES"] if force_leaf_modules is None else force_leaf_modules
    else:
        kinds = defaults["EXCLUDE_WRAP_MODULES"] if exclude_wrap_modules is None else exclude_wrap_modules
    return nonwrapped_numel >= min_num_params and not isinstance(module, tuple(kinds))


vars(size_based_auto_wrap_policy).update(
    EXCLUDE_WRAP_MODULES={ModuleList, ModuleDict}, FORCE_LEAF_MODULES={MultiheadAttention}
)


# -- policies that choose modules of a whole model --


class _Policy(ABC):
    """Chooses modules, each with the arguments to wrap it with."""

    @abstractmethod
    def _run_policy(
        self, root_module: Module, ignored_modules: set[Module], root_kwargs: dict[str, Any]
    ) -> dict[Module, dict[str, Any]]:
        """The modules to wrap, and how."""


class ModuleWrapPolicy(_Policy):
    """Wrap modules of some classes.

    Args:
        module_classes: the classes.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.distributed.fsdp.wrap import ModuleWrapPolicy
        >>> ModuleWrapPolicy({torch.nn.Linear})(torch.nn.ReLU(), False)
        False
    """

    def __init__(self, module_classes: Iterable[type[Module]]) -> None:
        self._module_classes = set(module_classes)
        self._module_classes_str = str(self._module_classes)

    def _run_policy(
        self, root_module: Module, ignored_modules: set[Module], root_kwargs: dict[str, Any]
    ) -> dict[Module, dict[str, Any]]:
        kinds = tuple(self._module_classes)
        modules = [m for m in root_module.modules() if m not in ignored_modules]
        return {m: dict(root_kwargs) for m in modules if isinstance(m, kinds)}

    def __call__(self, module: Module, recurse: bool, *args: Any, **kwargs: Any) -> bool:
        """Whether a module is wrapped, or looked into."""
        return recurse or isinstance(module, tuple(self._module_classes))

    def __repr__(self) -> str:
        return f"{super().__repr__()}({self._module_classes_str})"


class CustomPolicy(_Policy):
    """Wrap the modules for which a function says so.

    Args:
        lambda_fn: tells of a module whether it is wrapped, or gives arguments to wrap it with that differ
            from those of the whole model.

    Raises:
        ValueError: when it is used, if the function gives something else.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.distributed.fsdp.wrap import CustomPolicy
        >>> policy = CustomPolicy(lambda module: isinstance(module, torch.nn.ReLU))
        >>> policy._run_policy(torch.nn.Sequential(torch.nn.ReLU()), set(), {"use_orig_params": True})
        {ReLU(): {'use_orig_params': True}}
    """

    def __init__(self, lambda_fn: Callable[[Module], bool | dict[str, Any]]) -> None:
        self._lambda_fn = lambda_fn

    def _run_policy(
        self, root_module: Module, ignored_modules: set[Module], root_kwargs: dict[str, Any]
    ) -> dict[Module, dict[str, Any]]:
        chosen = {}
        for module in root_module.modules():
            if module in ignored_modules:
                continue
            answer = self._lambda_fn(module)
            if not isinstance(answer, (dict, bool)):
                raise ValueError(
                    "The lambda_fn passed to CustomPolicy should return False/True or a kwarg dict, but it"
                    f" returned {answer}"
                )
            if answer:
                chosen[module] = {**root_kwargs, **(answer if isinstance(answer, dict) else {})}
        return chosen


# -- wrapping while a model is built --

_entered: list[tuple[Callable[..., Any], dict[str, Any]]] = []


@contextmanager
def enable_wrap(*, wrapper_cls: Any, **wrapper_kwargs: Any) -> Iterator[None]:
    """For a block: `wrap` wraps.

    Args:
        wrapper_cls: in what.
        **wrapper_kwargs: arguments of that.

    Raises:
        NotImplementedError: within another one.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.distributed.fsdp.wrap import enable_wrap, wrap
        >>> with enable_wrap(wrapper_cls=torch.nn.Sequential):
        ...     print(len(wrap(torch.nn.ReLU())))
        1
    """
    if _entered:
        raise NotImplementedError(
            "You are already within an autowrap context and we currently do not supported nested autowrap."
        )
    _entered.append((wrapper_cls, wrapper_kwargs))
    try:
        yield
    finally:
        _entered.clear()


def wrap(module: Module, **wrap_overrides: Any) -> Any:
    """Wrap a module within `enable_wrap`; elsewhere it stays as it is.

    Args:
        module: the module.
        **wrap_overrides: arguments that count more than those of `enable_wrap`.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.distributed.fsdp.wrap import wrap
        >>> wrap(torch.nn.ReLU())
        ReLU()
    """
    if not _entered:
        return module
    wrapper, kwargs = _entered[0]
    return wrapper(module, **{**kwargs, **wrap_overrides})


# -- wrapping what is below a module --


def wrap_below(
    root: Module, policy: Any, wrapper: Callable[..., Module], ignored: set[Module], kwargs: dict[str, Any]
) -> None:
    """Wrap modules below one.

    Args:
        root: the module; is not wrapped itself.
        policy: chooses them.
        wrapper: in what.
        ignored: modules that stay.
        kwargs: arguments of `wrapper`.

    Raises:
        ValueError: if something is wrapped already.
    """
    for name, module in root.named_modules():
        if "_fsdp_state" in vars(module):
            raise ValueError(
                f"FSDP auto wrapping requires modules to not already have FSDP applied but found {name} in\n"
                f"{root}"
            )
    mixed = kwargs["mixed_precision"]
    kinds = () if mixed is None else tuple(mixed._module_classes_to_ignore)
    full = [m for m in root.modules() if isinstance(m, kinds)]
    if isinstance(policy, _Policy):
        chosen = policy._run_policy(root, ignored, {**kwargs, "auto_wrap_policy": None})
        for m in full:
            if m not in ignored:
                chosen[m] = {**chosen.get(m, kwargs), "mixed_precision": None}
    else:
        chosen = {}
        _ask(root, policy, None if mixed is None else set(full), ignored, kwargs, chosen)
        for m in full:
            if m in chosen:
                chosen[m] = {**kwargs, "mixed_precision": None}
    for m in full:
        _compute_in_full_precision(m)
    if full:
        warnings.warn(
            "Both mixed precision and an auto_wrap_policy were specified to FSDP, where the wrapped module"
            f" has submodules of type:\n{ {type(m) for m in full} }\nThese modules will be wrapped as"
            " separate FSDP instacnes with mixed precision disabled.",
            stacklevel=3,
        )
    chosen.pop(root, None)
    _replace(root, chosen, wrapper, {})


def _ask(
    module: Module,
    policy: Callable[..., bool],
    full: set[Module] | None,
    ignored: set[Module],
    kwargs: dict[str, Any],
    chosen: dict[Module, dict[str, Any]],
    top: bool = True,
) -> int:
    """Ask a function which modules to wrap; gives how many elements of this one are to be."""
    fixed = {id(p) for m in ignored for p in m.parameters(recurse=False)}
    total = sum(p.numel() for p in module.parameters() if id(p) not in fixed)
    if full is None and not policy(module=module, recurse=True, nonwrapped_numel=total):
        return 0
    below = 0
    for child in module.children():
        if child not in ignored:
            below += _ask(child, policy, full, ignored, kwargs, chosen, False)
    if top:
        return below
    if module in (full or ()) or policy(module=module, recurse=False, nonwrapped_numel=total - below):
        chosen[module] = kwargs
        return total
    return below


def _replace(
    module: Module,
    chosen: dict[Module, dict[str, Any]],
    wrapper: Callable[..., Module],
    made: dict[Module, Module],
) -> None:
    """Put wrappers in the modules' places, the inner ones first."""
    for name, child in list(module._modules.items()):
        if child is None:
            continue
        if child not in made:
            made[child] = child
            _replace(child, chosen, wrapper, made)
            if child in chosen:
                made[child] = wrapper(child, **chosen[child])
        if made[child] is not child:
            setattr(module, name, made[child])


def _compute_in_full_precision(module: Module) -> None:
    """Cast the inputs to float32, and the outputs back."""
    given: list[Any] = []

    def before(_: Module, args: Any) -> Any:
        given.clear()

        def cast(t: Any) -> Any:
            if isinstance(t, Tensor) and t.is_floating_point():
                given.append(t.dtype)
                return t.float()
            return t

        return tree.tree_map(cast, args)

    def after(_: Module, __: Any, output: Any) -> Any:
        if not given:
            return None
        return tree.tree_map(
            lambda t: t.to(given[-1]) if isinstance(t, Tensor) and t.is_floating_point() else t, output
        )

    module.register_forward_pre_hook(before)
    module.register_forward_hook(after)
