"""`torch.fx.symbolic_trace`: a program is run with proxies, and what it does is written down."""

from __future__ import annotations

import copy
import functools
import inspect
import math
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from itertools import chain
from types import FunctionType, ModuleType
from typing import Any, ClassVar, Final

from .. import overriding
from ..checks import _assert
from ..nn.modules.container import Sequential
from ..nn.modules.module import Module
from ..nn.parameter import Parameter
from ..tensor import Tensor
from ..tree import TreeSpec
from ..utils import _pytree as trees
from ._patching import patch_wrapped, patches_of_autowrapped, patching, wrap
from ._pytree_codegen import PyTreeCodeGen, PyTreeInfo
from .graph import Graph
from .graph_module import GraphModule
from .node import map_aggregate
from .proxy import ParameterProxy, Proxy, Scope, ScopeContextManager, TracerBase, base_types

__all__ = ["PH", "PHBase", "PHWithMeta", "ProxyableClassMeta", "Tracer", "symbolic_trace", "wrap"]

_HOME: Final = __name__.partition(".")[0]
_VARIABLE: Final = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
_proxyable_classes: Final[dict[type, None]] = {}
_tracing: Final = [False]


def is_fx_tracing() -> bool:
    """Whether a program is being traced."""
    return _tracing[0]


is_fx_symbolic_tracing = is_fx_tracing


class ProxyableClassMeta(type):
    """The metaclass of classes whose construction becomes a node if a proxy is among the arguments."""

    def __init__(cls, name: str, bases: tuple[type, ...], attrs: dict[str, Any]) -> None:
        _proxyable_classes.setdefault(cls)
        super().__init__(name, bases, attrs)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        found: list[Proxy] = []
        if is_fx_tracing():
            map_aggregate((args, kwargs), lambda a: found.append(a) if isinstance(a, Proxy) else None)
        if found:
            return found[0].tracer.create_proxy("call_function", cls, args, kwargs)
        own: Any = cls
        instance = own.__new__(own)
        instance.__init__(*args, **kwargs)
        return instance


class PHBase:
    """A value in `concrete_args` that stays an argument of the graph."""

    def __repr__(self) -> str:
        return "PH"


PH: Final = PHBase()


class PHWithMeta(PHBase):
    """A value in `concrete_args` that stays an argument, and whose attributes its node gets.

    Args:
        ph_key: a name by which to know the node.
    """

    def __init__(self, ph_key: str | None = None) -> None:
        super().__init__()
        self.ph_key = ph_key


def _transfer_attrs(fr: Any, to: Any) -> None:
    for name in dir(fr):
        value = getattr(fr, name)
        if not callable(value) and not name.startswith("__") and not hasattr(to, name):
            setattr(to, name, value)


def _with_plain_arguments(function: FunctionType, count: int) -> FunctionType:
    """The function with `*args` and `**kwargs` as ordinary parameters, whose values proxies can be."""
    code = function.__code__
    plain = code.replace(
        co_argcount=count, co_posonlyargcount=0, co_kwonlyargcount=0, co_flags=code.co_flags & ~_VARIABLE
    )
    return FunctionType(
        plain, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )


def _assert_is_none(value: Any, msg: str) -> None:
    if value is not None:
        raise AssertionError(msg)


wrap("_assert_is_none")


class Tracer(TracerBase):
    """Writes programs down as graphs; subclasses say what of them is left as calls.

    Args:
        autowrap_modules: modules whose functions are left as calls.
        autowrap_functions: functions that are.
        param_shapes_constant: whether the shapes of parameters are numbers in the graph.

    Example:
        >>> import cotangent as torch
        >>> class Deep(torch.fx.Tracer):
        ...     def is_leaf_module(self, m, module_qualified_name):
        ...         return False
        >>> [node.name for node in Deep().trace(torch.nn.Sequential(torch.nn.ReLU())).nodes]
        ['input_1', 'relu', 'output']
    """

    _qualname_counter: ClassVar[dict[str, int]] = defaultdict(int)
    root: Any

    def __init__(
        self,
        autowrap_modules: tuple[ModuleType, ...] = (math,),
        autowrap_functions: tuple[Callable[..., Any], ...] = (),
        param_shapes_constant: bool = False,
    ) -> None:
        super().__init__()
        members = chain.from_iterable(vars(module).items() for module in autowrap_modules)
        self._autowrap_function_ids = {
            id(value) for name, value in members if not name.startswith("_") and callable(value)
        }
        self._autowrap_function_ids.update(map(id, autowrap_functions))
        self._autowrap_search: list[ModuleType] = list(autowrap_modules)
        self.param_shapes_constant = param_shapes_constant
        self.submodule_paths: dict[Module, str] | None = None
        self.root_module_name = ""
        self.scope = Scope("", None)
        self.module_stack = OrderedDict()
        self.num_calls: dict[str, int] = {}
        self.node_name_to_scope = {}
        self.tensor_attrs: dict[Any, str] = {}

    def get_fresh_qualname(self, prefix: str) -> str:
        """A name that the root module has not yet.

        Args:
            prefix: how it begins.

        Returns:
            The prefix with a number.
        """
        if not hasattr(self.root, f"{prefix}0"):
            self._qualname_counter[prefix] = 0
            return f"{prefix}0"
        k = self._qualname_counter[prefix]
        while hasattr(self.root, f"{prefix}{k}"):
            k += 1
        self._qualname_counter[prefix] = k + 1
        return f"{prefix}{k}"

    def create_arg(self, a: Any) -> Any:
        """A value as it can stand among a node's arguments: tensors and modules are read from the root.

        Args:
            a: a value that the traced program handed to a call.

        Returns:
            It with nodes in the places of proxies, parameters, other tensors and modules.

        Raises:
            NameError: for a parameter that is none of the root's.
        """
        if isinstance(a, Parameter):
            name = _name_of(a, self.root.named_parameters())
            if name is None:
                raise NameError("parameter is not a member of this module")
            return self.create_node("get_attr", name, (), {})
        if isinstance(a, (Tensor, Module)):
            named = self.root.named_buffers() if isinstance(a, Tensor) else self.root.named_modules()
            name = _name_of(a, named)
            if name is not None:
                return self.create_node("get_attr", name, (), {})
        if isinstance(a, tuple) and hasattr(a, "_fields"):
            return self.create_node("call_function", a.__class__, tuple(map(self.create_arg, a)), {})
        if isinstance(a, (Tensor, TreeSpec)):
            name = self.tensor_attrs.get(a)
            if not name:
                prefix = "_tensor_constant" if isinstance(a, Tensor) else "_tree_spec_constant"
                name = self.tensor_attrs[a] = self.get_fresh_qualname(prefix)
                setattr(self.root, name, a)
            return self.create_node("get_attr", name, (), {})
        if type(a) in _proxyable_classes:
            name = self.get_fresh_qualname(f"_{a.__class__.__name__}_constant_")
            setattr(self.root, name, a)
            return self.create_node("get_attr", name, (), {})
        return super().create_arg(a)

    def is_leaf_module(self, m: Any, module_qualified_name: str) -> bool:
        """Whether calls of a module are left as calls: those of `torch.nn`'s own, other than Sequential.

        Args:
            m: the module.
            module_qualified_name: its name in the root.
        """
        ours = m.__module__.startswith(("torch.nn", "torch.ao.nn", f"{_HOME}.nn"))
        return ours and not isinstance(m, Sequential)

    def path_of_module(self, mod: Any) -> str:
        """The name of a module in the root.

        Args:
            mod: the module.

        Raises:
            NameError: if it is not in it.
        """
        if self.submodule_paths:
            path = self.submodule_paths.get(mod)
        else:
            path = _name_of(mod, self.root.named_modules())
        if path is None:
            raise NameError("module is not installed as a submodule")
        return path

    def call_module(
        self, m: Any, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """What is done where the program calls a module: a node for leaves, otherwise its `forward`.

        Args:
            m: the module.
            forward: runs it.
            args: the arguments.
            kwargs: the keyword arguments.

        Returns:
            A proxy, or what `forward` returns.
        """
        name = self.path_of_module(m)
        with ScopeContextManager(self.scope, Scope(name, type(m))):
            calls = self.num_calls.get(name, 0)
            key = f"{name}@{calls}" if calls else name
            self.module_stack[key] = (name, type(m))
            self.num_calls[name] = calls + 1
            if self.is_leaf_module(m, name):
                result = self.create_proxy("call_module", name, args, kwargs)
            else:
                result = forward(*args, **kwargs)
            last, _ = self.module_stack.popitem(last=True)
            if last != key:
                raise AssertionError(f"Unexpected key {last}, expected {key}")
        return result

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Proxy]) -> Any:
        """What is done where the program reads an attribute of a module: parameters become proxies.

        Args:
            attr: its name.
            attr_val: its value.
            parameter_proxy_cache: the proxies there are, by name.

        Returns:
            A proxy or the value.
        """
        named: Iterable[tuple[str, Any]] = ()
        if isinstance(attr_val, Parameter):
            named = self.root.named_parameters()
        elif self.proxy_buffer_attributes and isinstance(attr_val, Tensor):
            named = self.root.named_buffers()
        name = _name_of(attr_val, named)
        if name is None:
            return attr_val
        if name not in parameter_proxy_cache:
            more: dict[str, Any] = {}
            if "proxy_factory_fn" in inspect.signature(self.create_proxy).parameters:
                shaped = functools.partial(ParameterProxy, self, name=name, param=attr_val)
                more["proxy_factory_fn"] = shaped if self.param_shapes_constant else None
            parameter_proxy_cache[name] = self.create_proxy("get_attr", name, (), {}, **more)
        return parameter_proxy_cache[name]

    # -- arguments of the program ---------------------------------------------------------------------

    def create_args_for_root(
        self, root_fn: Any, is_module: bool, concrete_args: Any = None
    ) -> tuple[Callable[..., Any], list[Any]]:
        """Placeholders for the parameters of the program.

        Args:
            root_fn: the function that is traced.
            is_module: whether it is a module's `forward`.
            concrete_args: values of parameters that are not written down.

        Returns:
            (what to call, its arguments).

        Raises:
            RuntimeError: if the arguments do not fit the parameters.
        """
        analysed = inspect.unwrap(root_fn)
        code = analysed.__code__
        total = code.co_argcount + code.co_kwonlyargcount
        own_names = iter(code.co_varnames)
        args: list[Any] = []
        if is_module:
            if total == 0:
                raise RuntimeError("``self`` argument cannot be part of *args expansion!")
            next(own_names)
            args.append(self.root)
        signature = inspect.signature(analysed)
        if isinstance(concrete_args, tuple) and concrete_args and code.co_flags & _VARIABLE and total == 1:
            for k, value in enumerate(concrete_args):
                made = self.create_proxy("placeholder", f"input_{k}", (), {})
                if isinstance(value, PHBase) and value is not PH:
                    _transfer_attrs(fr=value, to=made.node)
                args.append(made)
            return root_fn, args

        names = [next(own_names) for _ in range(int(is_module), total)]
        if isinstance(concrete_args, tuple):
            if len(names) != len(concrete_args):
                raise RuntimeError(
                    f"Tracing expected {len(names)} arguments but got {len(concrete_args)} concrete arguments"
                )
            concrete_args = dict(zip(names, concrete_args))

        def placeholder(name: str) -> Any:
            return self._proxy_placeholder(name, concrete_args, signature, analysed)

        args.extend(map(placeholder, names))
        if code.co_kwonlyargcount > 0 or code.co_flags & _VARIABLE:
            if code.co_flags & inspect.CO_VARARGS:
                args.append(placeholder("*" + next(own_names)))
            if code.co_flags & inspect.CO_VARKEYWORDS:
                args.append(placeholder("**" + next(own_names)))
            root_fn = _with_plain_arguments(root_fn, len(args))

        flat, in_spec = trees.tree_flatten(tuple(args))
        if all(child.is_leaf() for child in in_spec.children()):
            return root_fn, args
        codegen = PyTreeCodeGen(PyTreeInfo(list(code.co_varnames)[:total], in_spec, None))
        self.graph._codegen = codegen

        def flatten_fn(*args: Any):  # type: ignore[no-untyped-def]  # the program would show an annotation
            result = root_fn(*trees.tree_unflatten(list(args), in_spec))
            leaves, out_spec = trees.tree_flatten(result)
            codegen.pytree_info = codegen.pytree_info._replace(out_spec=out_spec)
            return leaves

        return flatten_fn, flat

    def _proxy_placeholder(self, name: str, concrete_args: Any, signature: Any, analysed: Any) -> Any:
        starred = name[0] == "*"
        empty = inspect.Parameter.empty
        written = empty if starred else signature.parameters[name].default
        default = () if written is empty else (written,)
        if concrete_args is None or name not in concrete_args:
            kind = _annotations(analysed).get(name)
            return self.create_proxy("placeholder", name, default, {}, type_expr=kind)
        count = 0

        def specialised(x: Any) -> Any:
            nonlocal count
            count += 1
            made = self.create_proxy("placeholder", f"{name}_{count}", default, {})
            if isinstance(x, PHBase):
                if x is not PH:
                    _transfer_attrs(fr=x, to=made.node)
                return made
            if type(x) in base_types and type(x) is not Tensor:
                message = f"{name} has been specialized to have value {x} but got another value"
                self.create_proxy("call_function", _assert, (made == x, message), {})
            elif x is None:
                message = f"{name} has been specialized to have value None but got another value"
                self.create_proxy("call_function", _assert_is_none, (made, message), {})
            else:
                warnings.warn(
                    f"Was not able to add assertion to guarantee correct input {name} to specialized "
                    f"function. "
                    "It is up to the user to make sure that your inputs match the inputs you specialized the "
                    "function with.",
                    stacklevel=2,
                )
            return x

        return trees.tree_map(specialised, concrete_args[name])

    # -- the trace ------------------------------------------------------------------------------------

    def trace(self, root: Any, concrete_args: Any = None) -> Graph:
        """Run a program with proxies and write down what it does.

        Args:
            root: a module or a function.
            concrete_args: values of parameters that are not written down.

        Returns:
            The graph. `self.root` is the module that its names are in.
        """
        overriding.activate()
        before, _tracing[0] = _tracing[0], True
        try:
            return self._trace(root, concrete_args)
        finally:
            _tracing[0] = before

    def _trace(self, root: Any, concrete_args: Any) -> Graph:
        is_module = isinstance(root, Module)
        if is_module:
            self.root = root
            if not hasattr(type(root), self.traced_func_name):
                raise AssertionError(
                    f"traced_func_name={self.traced_func_name} doesn't exist in {type(root).__name__}"
                )
            fn = getattr(type(root), self.traced_func_name)
            self.root_module_name = root._get_name()
            self.submodule_paths = {module: name for name, module in root.named_modules()}
        else:
            self.root = Module()
            fn = root
        self.graph = Graph(tracer_cls=type(self))
        if hasattr(fn, "__code__"):
            code = fn.__code__
            self.graph._co_fields = {
                "co_name": code.co_name,
                "co_filename": code.co_filename,
                "co_firstlineno": code.co_firstlineno,
            }
        self.tensor_attrs = {}
        for path, module in self.root.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, (Tensor, TreeSpec)):
                    self.tensor_attrs[value] = f"{path}.{name}" if path else name
        if not isinstance(fn, FunctionType):
            raise AssertionError(f"Expected FunctionType, got {type(fn)}")
        names = fn.__globals__
        called, args = self.create_args_for_root(fn, is_module, concrete_args)
        with patching() as patcher:
            self._stand_in(patcher)
            patch_wrapped(patcher)
            for scope in (names, *map(vars, self._autowrap_search)):
                patches_of_autowrapped(patcher, scope, self._autowrap_function_ids)
            kind = _annotations(called).get("return")
            result = self.create_arg(called(*args))
            self.create_node("output", "output", (result,), {}, type_expr=kind)
        self.submodule_paths = None
        return self.graph

    def _stand_in(self, patcher: Any) -> None:
        """Have calls of modules and reads of their parameters come here."""
        original_getattr: Callable[..., Any] = Module.__getattr__
        original_call: Callable[..., Any] = Module.__call__
        while hasattr(original_getattr, "__fx_original__"):  # a trace within a trace
            original_getattr = original_getattr.__fx_original__
        while hasattr(original_call, "__fx_original__"):
            original_call = original_call.__fx_original__
        proxies: dict[str, Proxy] = {}
        tracer = self

        def get(mod: Any, attr: str) -> Any:
            return tracer.getattr(attr, original_getattr(mod, attr), proxies)

        def call(mod: Any, *args: Any, **kwargs: Any) -> Any:
            def forward(*args: Any, **kwargs: Any) -> Any:
                return original_call(mod, *args, **kwargs)

            names = getattr(getattr(mod, "forward", mod), "__globals__", {})
            patches_of_autowrapped(patcher, names, tracer._autowrap_function_ids)
            return tracer.call_module(mod, forward, args, kwargs)

        get.__fx_original__ = original_getattr  # type: ignore[attr-defined]
        call.__fx_original__ = original_call  # type: ignore[attr-defined]
        patcher.patch_method(Module, "__getattr__", get, once=False)
        patcher.patch_method(Module, "__call__", call, once=False)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tracer:
        made = Tracer.__new__(Tracer)
        for name, value in self.__dict__.items():
            shared = name == "_autowrap_search"  # modules, which cannot be copied deeply
            made.__dict__[name] = copy.copy(value) if shared else copy.deepcopy(value, memo)
        return made


def _annotations(function: Any) -> dict[str, Any]:
    """The annotations of a program; those of this package's own modules as PyTorch has them."""
    function = inspect.unwrap(function)
    module, found = function.__module__ or "", inspect.get_annotations(function)
    if not module.startswith(f"{_HOME}.nn."):
        return found
    return {} if module.endswith(".container") else dict.fromkeys(found, Tensor)


def _name_of(value: Any, named: Iterable[tuple[str, Any]]) -> str | None:
    return next((name for name, other in named if other is value), None)


def symbolic_trace(root: Any, concrete_args: Any = None) -> GraphModule:
    """The program of a module or function as a graph.

    It is run once, with proxies in the place of arguments; whatever PyTorch functions, methods and operators
    do with them becomes a node, and leaf modules become calls.

    Args:
        root: a module or a function.
        concrete_args: values of parameters that are not written down; containers in them may hold `PH` for
            what stays an argument.

    Returns:
        A module that runs the graph.

    Raises:
        TraceError: if the program asks for the value of a proxy, as an `if` does.

    Example:
        >>> import cotangent as torch
        >>> gm = torch.fx.symbolic_trace(lambda x, y: torch.relu(x) * y)
        >>> print(gm.code.strip())
        def forward(self, x, y):
            relu = torch.relu(x);  x = None
            mul = relu * y;  relu = y = None
            return mul
        >>> gm(torch.tensor([-1.0, 2.0]), torch.tensor(3.0))
        tensor([0., 6.])
    """
    tracer = Tracer()
    graph = tracer.trace(root, concrete_args)
    name = root.__class__.__name__ if isinstance(root, Module) else root.__name__
    return GraphModule(tracer.root, graph, name)
