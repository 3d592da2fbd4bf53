"""`torch.fx.graph_module`: modules whose `forward` is the program of a graph."""

from __future__ import annotations

import contextlib
import copy
import itertools
import linecache
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any, Final

from ..nn.modules.module import Module
from ..nn.parameter import Parameter
from ..tensor import Tensor
from ._folder import addindent, write
from ._names import is_from_torch, package
from ._namespace import CUSTOM_BUILTINS
from ._pytree_codegen import PyTreeCodeGen
from .graph import Graph, PythonCode

__all__ = ["GraphModule", "reduce_graph_module"]

_USER_PRESERVED_ATTRIBUTES_KEY: Final = "_user_preserved_attributes"


class _Sources:
    """The texts of generated programs, for tracebacks and debuggers."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.next_id = 0

    def enter(self, src: str, co_fields: dict[str, Any] | None) -> str:
        key = f"<eval_with_key>.{self.next_id}"
        self.next_id += 1
        if co_fields:
            key += f" from {co_fields['co_filename']}:{co_fields['co_firstlineno']} in {co_fields['co_name']}"
        self.texts[key] = src
        linecache.lazycache(key, {"__file__": key, "__name__": key, "__loader__": self})
        return key

    def get_source(self, module_name: str) -> str | None:
        """The text of a program; `linecache` asks for it."""
        return self.texts.get(module_name)


_sources: Final = _Sources()


def _method_from_src(
    method_name: str, src: str, globals: dict[str, Any], co_fields: dict[str, Any] | None = None
) -> Callable[..., Any]:
    names = globals.copy()
    exec(compile(src, _sources.enter(src, co_fields), "exec", dont_inherit=True), names)
    found: Callable[..., Any] = names.pop(method_name)
    return found


def _import_of(name: str, obj: Any) -> str:
    if name in CUSTOM_BUILTINS:
        return CUSTOM_BUILTINS[name].import_str
    if is_from_torch(obj) and hasattr(package, name):
        return "import torch"
    return f"from {obj.__module__} import {obj.__qualname__} as {name}"


def _import_block(globals: dict[str, Any]) -> str:
    return "\n".join(sorted({_import_of(name, obj) for name, obj in globals.items()}))


# Lines of imports that are done beforehand, because `torch` in them is this package.
_KNOWN: Final = frozenset(
    line for known in CUSTOM_BUILTINS.values() for line in (known.import_str, "import torch")
)


def reduce_graph_module(body: dict[str, Any], import_block: str) -> Any:
    """A module from what was saved of it: its program is run with proxies to have a graph again.

    Args:
        body: its attributes.
        import_block: the imports of its program.
    """
    own = "\n".join(line for line in import_block.split("\n") if line not in _KNOWN)
    names = {name: known.obj for name, known in CUSTOM_BUILTINS.items()}
    text = body.get("_code") or body["code"]
    return _from_program(_method_from_src("forward", f"{own}\n{text}", names), body)


class _CodeOnlyModule(Module):
    """A module with the attributes of another, and its program."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__()
        self.__dict__ = body


def _from_program(forward: Callable[..., Any], body: dict[str, Any]) -> Any:
    class Program(_CodeOnlyModule):
        pass

    Program.forward = forward
    tracer_cls: Any = body.get("_tracer_cls") or _default_tracer()

    class KeepModules(tracer_cls):  # type: ignore[misc]
        def is_leaf_module(self, m: Any, module_qualified_name: str) -> bool:
            return True

    program = Program(body)
    graph = KeepModules().trace(program, **body.get("_tracer_extras", {}))
    stacks = body.pop("_graphmodule_graph_node_meta_stack_trace", None) or {}
    for node in graph.nodes:
        if stacks.get(node.name) is not None:
            node.meta["stack_trace"] = stacks[node.name]
    graph._tracer_cls = tracer_cls
    made = GraphModule(program, graph, body.get("_graphmodule_cls_name", "GraphModule"))
    for name, value in body.items():
        if not hasattr(made, name):
            setattr(made, name, value)
    return made


def _default_tracer() -> Any:
    return sys.modules[f"{__package__}._symbolic_trace"].Tracer


# -- attributes by their paths ----------------------------------------------------------------------------


def _put(module: Any, field: str, value: Any) -> None:
    if isinstance(value, Tensor) and not isinstance(value, Parameter):
        module.register_buffer(field, value)
    else:
        setattr(module, field, value)


def _copy_attr(from_module: Any, to_module: Any, target: str) -> None:
    *prefix, field = target.split(".")
    for item in prefix:
        inner, there = getattr(from_module, item), getattr(to_module, item, None)
        if inner is there:  # with all that is in it
            return
        if there is None:
            there = Module()
            setattr(to_module, item, there)
        from_module, to_module = inner, there
    _put(to_module, field, getattr(from_module, field))


def _assign_attr(from_obj: Any, to_module: Any, target: str) -> None:
    *prefix, field = target.split(".")
    for item in prefix:
        there = getattr(to_module, item, None)
        if there is None:
            there = Module()
            setattr(to_module, item, there)
        to_module = there
    _put(to_module, field, from_obj)


def _get_attr(model: Any, attr_name: str) -> Any:
    for item in attr_name.split("."):
        model = getattr(model, item)
    return model


def _readable(module: Any, name: str, expanded_def: bool = False, **options: Any) -> str:
    if not isinstance(getattr(module, "graph", None), Graph):
        raise AssertionError("print_readable must be used on a module with a graph")
    code = module.graph.python_code("self", verbose=True, expanded_def=expanded_def, **options).src
    own = addindent(f"class {name}(torch.nn.Module):\n" + code.lstrip("\n"), 4)
    inner = [_readable(m, n, **options) for n, m in module.named_children() if isinstance(m, GraphModule)]
    return own + addindent("\n".join(["", *inner]), 4)


class _WrappedCall:
    """Calls a module, and shows the line of its program that fails."""

    def __init__(self, cls: Any, cls_call: Callable[..., Any] | None) -> None:
        self.cls = cls
        self.cls_call = cls_call

    @staticmethod
    def _generate_error_message(frame: traceback.FrameSummary) -> str:
        line = frame.lineno or 0
        lines = linecache.getlines(frame.filename)
        where = (
            f"Call using an FX-traced Module, line {line} of the traced Module's generated forward function:"
        )
        return "\n".join(
            [
                traceback.format_exc(),
                where,
                "".join(lines[line - 2 : line]),
                "~" * len(frame.line or "") + "~~~ <--- HERE",
                "\n".join(lines[line : line + 2]),
            ]
        )

    def __call__(self, obj: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            if self.cls_call is not None:
                return self.cls_call(obj, *args, **kwargs)
            own: Any = super(self.cls, obj)
            return own.__call__(*args, **kwargs)
        except Exception as error:
            frame = traceback.StackSummary.extract(traceback.walk_tb(error.__traceback__))[-1]
            if "eval_with_key" not in frame.filename:
                raise
            print(self._generate_error_message(frame), file=sys.stderr)
            raise error.with_traceback(None)  # noqa: B904 - the error itself, shown without its way


class GraphModule(Module):
    """A module that runs a graph. Each has a class of its own, whose `forward` is the graph's program.

    Args:
        root: the module that the graph's names are in, or a dictionary from names to values.
        graph: the graph.
        class_name: the name of the module's class.

    Raises:
        RuntimeError: if a name of the graph is not in the dictionary.

    Example:
        >>> import cotangent as torch
        >>> gm = torch.fx.symbolic_trace(torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU()))
        >>> gm
        Sequential(
          (0): Linear(in_features=2, out_features=3, bias=True)
          (1): ReLU()
        )
        >>> gm.graph.find_nodes(op="call_module")[1].target
        '1'
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        own = next(t for t in cls.__mro__ if t.__qualname__.split(".")[-1] != "GraphModuleImpl")

        class GraphModuleImpl(own):  # type: ignore[misc, valid-type]
            pass

        return super().__new__(GraphModuleImpl)

    def __init__(self, root: Any, graph: Graph, class_name: str = "GraphModule") -> None:
        super().__init__()
        self.__class__.__name__ = class_name
        named = [node for node in graph.nodes if node.op in ("get_attr", "call_module")]
        if isinstance(root, Module):
            if hasattr(root, "training"):
                self.training = root.training
            if isinstance(root, _CodeOnlyModule):
                kept = itertools.chain(root.named_children(), root.named_buffers(), root.named_parameters())
                for name, _ in [*kept]:
                    _copy_attr(root, self, name)
            for node in named:
                _copy_attr(root, self, node.target)
        elif isinstance(root, dict):
            for node in named:
                if node.target not in root:
                    raise RuntimeError(
                        f"Node {node} referenced target {node.target} but that target was not provided in "
                        "``root``!"
                    )
            # Outer modules first, which would otherwise replace those that inner ones are put into.
            for target in sorted((node.target for node in named), key=lambda t: t.count(".")):
                _assign_attr(root[target], self, target)
        else:
            raise RuntimeError("Unsupported type " + str(root) + " passed for root!")
        self.graph = graph
        tracer = graph._tracer_cls
        self._tracer_cls = None if tracer is None or "<locals>" in tracer.__qualname__ else tracer
        self._tracer_extras = graph._tracer_extras or {}
        self.meta: dict[str, Any] = {}
        self._replace_hooks: list[Callable[..., Any]] = []
        self._create_node_hooks: list[Callable[..., Any]] = []
        self._erase_node_hooks: list[Callable[..., Any]] = []
        self._deepcopy_hooks: list[Callable[..., Any]] = []
        self.shape_env = None

    @property
    def graph(self) -> Graph:
        """The graph. Assigning one makes it the module's program; changing it needs `recompile`."""
        return self._graph

    @graph.setter
    def graph(self, g: Graph) -> None:
        if not isinstance(g, Graph):
            raise AssertionError(f"Expected a Graph instance, but got {type(g)}")
        self._graph = g
        g.owning_module = self
        self.recompile()

    @property
    def code(self) -> str:
        """The program of the graph."""
        if not hasattr(self, "_code"):
            raise RuntimeError("Code has not been generated! Please report a bug to PyTorch")
        return self._code

    def recompile(self) -> PythonCode:
        """Write the program of the graph anew, after the graph has changed.

        Returns:
            The program.
        """
        codegen = self._graph._codegen
        if isinstance(codegen, PyTreeCodeGen):
            self._in_spec, self._out_spec = codegen.pytree_info.in_spec, codegen.pytree_info.out_spec
        program = self._graph.python_code(root_module="self")
        self._code = program.src
        self._lineno_map = program._lineno_map
        self._prologue_start = program._prologue_start
        cls: Any = type(self)
        cls.forward = _method_from_src("forward", self._code, program.globals, self._graph._co_fields)
        own_call = cls.__call__ if "__call__" in vars(cls) else None
        if "_wrapped_call" not in vars(cls):
            cls._wrapped_call = _WrappedCall(cls, own_call)
        for child in self.children():
            if isinstance(child, GraphModule):
                child.recompile()

        def call_wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
            return self._wrapped_call(self, *args, **kwargs)

        cls.__call__ = call_wrapped
        return program

    # -- submodules -----------------------------------------------------------------------------------

    def add_submodule(self, target: str, m: Any) -> bool:
        """Put a module at a path; what is missing on the way is made.

        Args:
            target: the path, with dots.
            m: the module.

        Returns:
            Whether the path led through modules only.
        """
        *prefix, field = target.split(".")
        module: Any = self
        for item in prefix:
            inner = getattr(module, item, None)
            if inner is None:
                inner = Module()
                setattr(module, item, inner)
            if not isinstance(inner, Module):
                return False
            module = inner
        module.add_module(field, m)
        return True

    def delete_submodule(self, target: str) -> bool:
        """Take away the module at a path.

        Args:
            target: the path, with dots.

        Returns:
            Whether there was one.
        """
        *prefix, field = target.split(".")
        module: Any = self
        for item in prefix:
            module = getattr(module, item, None)
            if not isinstance(module, Module):
                return False
        if not isinstance(getattr(module, field, None), Module):
            return False
        delattr(module, field)
        return True

    def delete_all_unused_submodules(self) -> None:
        """Take away all modules that no node names."""
        used: set[str] = set()
        for node in self.graph.nodes:
            if node.op not in ("call_module", "get_attr"):
                continue
            used.update(itertools.accumulate(node.target.split("."), lambda a, b: f"{a}.{b}"))
            if node.op == "call_module":
                try:
                    inner = self.get_submodule(node.target)
                except AttributeError:  # gone already
                    continue
                used.update(f"{node.target}.{name}" for name, _ in inner.named_modules() if name)
        for name in [name for name, _ in self.named_modules() if name not in used]:
            self.delete_submodule(name)

    # -- copies ---------------------------------------------------------------------------------------

    def __reduce__(self) -> tuple[Any, ...]:
        # The program is saved and not the graph: text stays readable by later versions.
        state = self.__dict__.copy()
        program = self.recompile()
        del state["_graph"]
        return reduce_graph_module, (state, _import_block(program.globals))

    def _deepcopy_init(self) -> Callable[..., None]:
        return GraphModule.__init__

    def __deepcopy__(self, memo: dict[int, Any]) -> GraphModule:
        made: Any = type(self).__new__(type(self))
        memo[id(self)] = made
        state = _CodeOnlyModule(copy.deepcopy(self.__dict__, memo))
        self._deepcopy_init()(made, state, state.__dict__["_graph"])
        for name in (
            "_state_dict_hooks", "_load_state_dict_pre_hooks", "_load_state_dict_post_hooks",
            "_replace_hooks", "_create_node_hooks", "_erase_node_hooks", "_deepcopy_hooks",
        ):  # fmt: skip
            if name in self.__dict__:
                setattr(made, name, copy.deepcopy(self.__dict__[name], memo))
        made.meta = copy.deepcopy(getattr(self, "meta", {}), memo)
        for name, value in made.meta.get(_USER_PRESERVED_ATTRIBUTES_KEY, {}).items():
            setattr(made, name, value)
        for hook in self._deepcopy_hooks:
            hook(made)
        return made  # type: ignore[no-any-return]

    def _replicate_for_data_parallel(self) -> GraphModule:
        made = self.__copy__()
        made.__dict__["_is_replica"] = True
        return made

    def __copy__(self) -> GraphModule:
        made = GraphModule(self, self.graph)
        made.meta = getattr(self, "meta", {})
        return made

    def to_folder(self, folder: str | os.PathLike[str], module_name: str = "FxModule") -> None:
        """Write the module as a package: its program, and its values in files beside it.

        Args:
            folder: the package's folder.
            module_name: the name of the class in it.
        """
        write(self, folder, module_name)

    # -- text -----------------------------------------------------------------------------------------

    def print_readable(
        self,
        print_output: bool = True,
        include_stride: bool = False,
        include_device: bool = False,
        colored: bool = False,
        *,
        fast_sympy_print: bool = False,
        expanded_def: bool = False,
        additional_meta: list[str] | None = None,
    ) -> str:
        """The program with what is known of its values, and those of submodules that have graphs.

        Args:
            print_output: whether it is printed.
            include_stride: whether strides are shown.
            include_device: whether devices are.
            colored: whether the text has colours for terminals.
            fast_sympy_print: about symbolic shapes, of which there are none here.
            expanded_def: whether each parameter has a line of its own.
            additional_meta: keys of `meta` that are shown.

        Returns:
            The text.
        """
        text = _readable(
            self,
            self._get_name(),
            expanded_def,
            include_stride=include_stride,
            include_device=include_device,
            colored=colored,
            additional_meta=additional_meta,
        )
        if print_output:
            print(text)
        return text

    def __str__(self) -> str:
        advice = "# To see more debug info, please use `graph_module.print_readable()`"
        return "\n".join([super().__str__(), self._code, advice])

    # -- hooks ----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _set_replace_hook(self, f: Callable[..., Any]) -> Iterator[None]:
        self._register_replace_node_hook(f)
        try:
            yield
        finally:
            self._unregister_replace_node_hook(f)

    def _register_replace_node_hook(self, f: Callable[..., Any]) -> None:
        self._replace_hooks.append(_called(f))

    def _unregister_replace_node_hook(self, f: Callable[..., Any]) -> None:
        self._replace_hooks.remove(_called(f))

    def _register_create_node_hook(self, f: Callable[..., Any]) -> None:
        self._create_node_hooks.append(_called(f))

    def _unregister_create_node_hook(self, f: Callable[..., Any]) -> None:
        self._create_node_hooks.remove(_called(f))

    def _register_erase_node_hook(self, f: Callable[..., Any]) -> None:
        self._erase_node_hooks.append(_called(f, "erase_node"))

    def _unregister_erase_node_hook(self, f: Callable[..., Any]) -> None:
        self._erase_node_hooks.remove(_called(f, "erase_node"))

    def _register_deepcopy_hook(self, f: Callable[..., Any]) -> None:
        self._deepcopy_hooks.append(_called(f, "deepcopy"))

    def _unregister_deepcopy_hook(self, f: Callable[..., Any]) -> None:
        self._deepcopy_hooks.remove(_called(f, "deepcopy"))


def _called(f: Any, kind: str = "create_node") -> Any:
    if not callable(f):
        raise AssertionError(f"{kind} hook must be a callable.")
    return f
