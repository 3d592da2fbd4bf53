"""`torch.fx.experimental.proxy_tensor`: programs written down as the operations below autograd.

`symbolic_trace` runs a program with proxies; `make_fx` runs it with tensors, and a dispatch mode writes down
what is done with them. So branches are those that the example takes, and gradients are operations, too.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ... import overriding
from ...factories import empty_strided
from ...nn.parameter import Parameter
from ...overrides import TorchFunctionMode
from ...references import ARGUMENT
from ...tensor import Tensor
from ...utils import _pytree as trees
from ...utils._python_dispatch import TorchDispatchMode
from .._metadata import extract_tensor_metadata
from .._names import package
from .._symbolic_trace import PH, Tracer
from ..graph_module import GraphModule
from ..proxy import Proxy

__all__ = ["PythonKeyTracer", "get_proxy_mode", "make_fx"]

# What reads values of tensors into Python.
_READS: Final = frozenset(
    f"torch.Tensor.{name}"
    for name in (
        "item",
        "tolist",
        "__bool__",
        "__float__",
        "__int__",
        "__index__",
        "__complex__",
        "is_nonzero",
    )
) | {"torch.is_nonzero", "torch.equal", "torch.allclose"}

_active: Final[list[ProxyTorchDispatchMode]] = []


def get_proxy_mode() -> ProxyTorchDispatchMode | None:
    """The mode that writes tensors' operations down, while `make_fx` runs a program; otherwise None.

    Example:
        >>> from cotangent.fx.experimental.proxy_tensor import get_proxy_mode
        >>> get_proxy_mode() is None
        True
    """
    return _active[-1] if _active else None


class PythonKeyTracer(Tracer):
    """Runs modules as they are, and names parameters and tensors that the program finds outside."""

    def call_module(
        self, m: Any, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """What a module returns: it is always looked into.

        Args:
            m: the module.
            forward: runs it.
            args: the arguments.
            kwargs: the keyword arguments.
        """
        return forward(*args, **kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Proxy]) -> Any:
        """A module's attribute, as it is.

        Args:
            attr: its name.
            attr_val: its value.
            parameter_proxy_cache: not used.
        """
        return attr_val

    def create_arg(self, a: Any) -> Any:
        """A value as it can stand among a node's arguments; parameters are read from the root.

        Args:
            a: the value.
        """
        if isinstance(a, np.dtype):  # of operations that are coarser here than PyTorch's
            return a
        if not isinstance(a, Parameter):
            return super().create_arg(a)
        name = next((n for n, p in self.root.named_parameters() if p is a), None)
        if name is None:
            name = self.get_fresh_qualname("_param_constant")
            setattr(self.root, name, a)
        return self.create_node("get_attr", name, (), {})


def _place(array: Any) -> Any:
    """Which elements of which memory an array has; the array itself where it has none."""
    if not isinstance(array, np.ndarray) or array.size == 0:
        return id(array)
    return array.ctypes.data, array.shape, array.strides, array.dtype


class _Tracked:
    """The proxies of tensors; of other tensors of the same memory if an object is not known.

    What a node saves is handed to its rule in another tensor with the same array. It has been detached, so
    its proxy is that of `detach`; other uses of the array are those of what was detached.
    """

    def __init__(self) -> None:
        self.of: dict[Any, tuple[Any, Proxy]] = {}
        self.detached: dict[Any, Proxy] = {}
        self.constant: set[int] = set()

    def put(self, tensor: Any, proxy: Proxy, detached: bool) -> None:
        # The objects are kept, so that their ids and their memory stay theirs.
        self.of[id(tensor)] = (tensor, proxy)
        place = _place(tensor._data)
        if detached:
            self.detached[place] = proxy
        else:
            self.of[place] = (tensor._data, proxy)

    def get(self, tensor: Any, detached: bool = False) -> Proxy | None:
        found = self.of.get(id(tensor))
        place = _place(tensor._data)
        if found is None and detached and place in self.detached:
            return self.detached[place]
        found = found or self.of.get(place)
        return None if found is None else found[1]


class ProxyTorchDispatchMode(TorchDispatchMode):
    """While it is entered, operations on tensors become nodes.

    Args:
        tracer: makes the nodes.
        decompositions: (operator, function that computes it with others).
    """

    def __init__(self, tracer: Any, decompositions: dict[Any, Callable[..., Any]]) -> None:
        super().__init__()
        self.tracer = tracer
        self.decompositions = decompositions
        self.tracked = _Tracked()
        self.outside: list[Any] = []  # tensors that the program did not get from its arguments

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in self.decompositions:
            with self:
                return self.decompositions[func](*args, **kwargs)
        fresh = str(func) == "aten.lift_fresh.default"
        if str(func) == "aten._local_scalar_dense.default":  # of a constant; `_NoReads` refuses others
            return func(*args, **kwargs)
        written = package.ops.aten.lift_fresh_copy.default if fresh else func
        detached = str(func) == "aten.detach.default"
        before = len(self.outside)
        with_proxies = trees.tree_map(functools.partial(self.proxy_of, detached=detached), (args, kwargs))
        name = self.tracer.graph._target_to_str(
            func.overloadpacket.__name__ if not fresh else "lift_fresh_copy"
        )
        made = self.tracer.create_proxy("call_function", written, *with_proxies, name=name)
        result = func(*args, **kwargs)
        self.track(result, made, detached)
        if fresh:
            del self.outside[before:]
            self.tracked.constant.add(id(result))
        elif func._schema.is_mutable and args and isinstance(args[0], Tensor):
            self.track(args[0], made)
            self.tracked.constant.discard(id(args[0]))
        return result

    def proxy_of(self, value: Any, detached: bool = False) -> Any:
        """The proxy of a tensor; other values as they are, tensors from outside among them."""
        if not isinstance(value, Tensor):
            return value
        found = self.tracked.get(value, detached)
        if found is not None:
            return found
        if not isinstance(value, Parameter):
            self.outside.append(value)
        return value

    def check(self) -> None:
        """Refuse graphs with constants that nobody else holds: they were computed on the way.

        Raises:
            NotImplementedError: for them.
        """
        held: dict[int, int] = {}
        for value in self.outside:
            held[id(value)] = held.get(id(value), 0) + 1
        for k in range(len(self.outside)):
            value = self.outside[k]
            # `outside`, `value`, perhaps the argument below; the tracer's table and its root's attribute.
            own = held[id(value)] + 1 + ARGUMENT + (2 if value in self.tracer.tensor_attrs else 0)
            if value.dim() and sys.getrefcount(value) <= own:
                raise NotImplementedError(
                    "make_fx: an operation used a tensor that no operation had made, perhaps from values "
                    "of traced "
                    f"tensors, as boolean masks are: {value}. A graph with these numbers could be another "
                    f"program."
                )

    def track(self, result: Any, proxy: Proxy, detached: bool = False) -> None:
        """Note that tensors are the value of a proxy."""
        if isinstance(result, Tensor):
            self.tracked.put(result, proxy, detached)
            proxy.node.meta["val"] = _shape_of(result)
            proxy.node.meta["tensor_meta"] = extract_tensor_metadata(result)
        elif isinstance(result, (list, tuple)):
            for k, value in enumerate(result):
                if isinstance(value, Tensor):
                    self.track(value, proxy[k])


def _shape_of(tensor: Any) -> Any:
    """A tensor of the same shape without memory."""
    return empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")


class _NoReads(TorchFunctionMode):
    """Refuses programs that look at values: they would be other programs for other values."""

    def __init__(self, mode: ProxyTorchDispatchMode) -> None:
        super().__init__()
        self.mode = mode

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if overriding.names.get(func) in _READS:
            for value in args:
                if (
                    isinstance(value, Tensor)
                    and self.mode.tracked.get(value) is not None
                    and id(value) not in self.mode.tracked.constant
                ):
                    raise RuntimeError(
                        "It appears that you're trying to get value out of a tracing tensor with "
                        "aten._local_scalar_dense.default - erroring out! It's likely that this is caused by "
                        "data-dependent control flow or similar.  It may be possible to trace this with "
                        "dynamic "
                        "shapes; try setting tracing_mode='symbolic' in your make_fx call."
                    )
        return func(*args, **(kwargs or {}))


def _with_names(function: Callable[..., Any], count: int) -> Any:
    """The function with so many named parameters."""
    names = ", ".join(f"arg{k}" for k in range(count))
    return eval(f"lambda {names}: function({names})", {"function": function})


def make_fx(
    f: Callable[..., Any],
    decomposition_table: dict[Any, Callable[..., Any]] | None = None,
    tracing_mode: str = "real",
    _allow_non_fake_inputs: bool = False,
    *,
    pre_dispatch: bool = False,
    record_module_stack: bool = False,
) -> Callable[..., GraphModule]:
    """A function that runs `f` on examples and returns its operations below autograd as a graph.

    Args:
        f: a function of tensors and containers of tensors.
        decomposition_table: (operator, function that computes it with others).
        tracing_mode: "real", or "fake", which is the same here: operations are computed either way.
        _allow_non_fake_inputs: not needed here.
        pre_dispatch: False.
        record_module_stack: not used.

    Returns:
        A function of `f`'s arguments that returns a module with the graph.

    Raises:
        AssertionError: for other modes than those of PyTorch.
        NotImplementedError: for `tracing_mode="symbolic"` and `pre_dispatch=True`.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.fx.experimental.proxy_tensor import make_fx
        >>> gm = make_fx(torch.func.grad(lambda x: (x * x).sum()))(torch.ones(3))
        >>> [str(node.target) for node in gm.graph.nodes][1:-1]
        ['aten.mul.Tensor', 'aten.sum.default', 'aten.ones_like.default', 'aten.expand.default', 'aten.mul.Tensor', 'aten.mul.Tensor', 'aten.add.Tensor']
    """  # noqa: E501
    if tracing_mode not in ("real", "fake", "symbolic"):
        raise AssertionError(f"tracing_mode must be one of 'real', 'fake', 'symbolic', got {tracing_mode}")
    if tracing_mode == "symbolic" or pre_dispatch:
        raise NotImplementedError("make_fx writes down shapes as numbers, and operations below autograd only")

    @functools.wraps(f)
    def wrapped(*args: Any) -> GraphModule:
        return _traced(f, args, decomposition_table or {})

    return wrapped


def _traced(
    f: Callable[..., Any], args: tuple[Any, ...], table: dict[Any, Callable[..., Any]]
) -> GraphModule:
    code = getattr(inspect.unwrap(f), "__code__", None)
    named = f if code is not None and not code.co_flags & inspect.CO_VARARGS else _with_names(f, len(args))
    tracer = PythonKeyTracer()
    mode = ProxyTorchDispatchMode(tracer, table)

    @functools.wraps(named)
    def program(*proxies: Any) -> Any:
        flat, _spec = trees.tree_flatten(args)
        for value, proxy in zip(flat, trees.tree_leaves(proxies)):
            if isinstance(value, Tensor):
                mode.track(value, proxy)
        _active.append(mode)
        try:
            with mode, _NoReads(mode):
                result = f(*args)
        finally:
            _active.pop()
        mode.check()
        return trees.tree_map(mode.proxy_of, result)

    graph = tracer.trace(program, concrete_args=tuple(trees.tree_map(lambda _: PH, args)))
    return GraphModule(tracer.root, graph, getattr(program, "__name__", "program"))
