"""Programs whose arguments are containers: `concrete_args` of `symbolic_trace` with placeholders inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..utils import _pytree as trees
from ._codegen import CodeGen, listed_lines

__all__ = ["PyTreeCodeGen", "PyTreeInfo"]


class PyTreeInfo(NamedTuple):
    """The parameters of the program, and the structures of what comes in and goes out."""

    orig_args: list[str]
    in_spec: Any
    out_spec: Any


class PyTreeCodeGen(CodeGen):
    """Writes programs that take their arguments apart and put results together.

    Args:
        pytree_info: how.
    """

    def __init__(self, pytree_info: PyTreeInfo) -> None:
        super().__init__()
        self.pytree_info = pytree_info

    def process_inputs(self, *inputs: Any) -> Any:
        """The leaves of the program's arguments.

        Args:
            inputs: the arguments.
        """
        return trees.arg_tree_leaves(*inputs)

    def process_outputs(self, out: Any) -> Any:
        """The containers that the program returns.

        Args:
            out: their leaves.
        """
        if self.pytree_info is None or self.pytree_info.out_spec is None:
            return out
        leaves = out if isinstance(out, (list, tuple)) else [out]
        return trees.tree_unflatten(leaves, self.pytree_info.out_spec)

    def _annotations(self, free_vars: list[str], expanded_def: bool) -> str:
        annotated = [text for text in free_vars if ":" in text]
        if not annotated:
            return ""
        if expanded_def:
            return "\n    " + "\n    ".join(annotated)
        return "\n    " + "".join(text + "; " for text in annotated) + "\n"

    def gen_var_bindings(self, fn_args: list[str], free_vars: list[str], expanded_def: bool) -> str:
        """The lines that take the arguments apart.

        Args:
            fn_args: the parameters of the program.
            free_vars: the names of the leaves.
            expanded_def: whether each annotation has a line.
        """
        spec = self.pytree_info.in_spec
        taken = f"[{', '.join(fn_args)}], self._in_spec"
        if (
            spec.type is tuple
            and spec.num_children == 2
            and spec.child(0).type is tuple
            and spec.child(1).type is dict
        ):
            count = spec.child(0).num_children
            named = zip(spec.child(1).context, self.pytree_info.orig_args[count:])
            keywords = "{" + ", ".join(f"'{key}':{name}" for key, name in named) + "}"
            taken = f"([{', '.join(self.pytree_info.orig_args[:count])}], {keywords}), self._in_spec"
        names = ", ".join(text.split(":")[0].split("#")[0] for text in free_vars)
        annotations = self._annotations(free_vars, expanded_def)
        return f"{annotations}\n    {names}, = fx_pytree.tree_flatten_spec({taken})"

    def gen_fn_def(
        self, free_vars: list[str], maybe_return_annotation: str, *, expanded_def: bool = False
    ) -> str:
        """The first lines of the program.

        Args:
            free_vars: the names of the leaves.
            maybe_return_annotation: the annotation with its arrow, or nothing.
            expanded_def: whether each parameter has a line.
        """
        if self.pytree_info is None:
            return super().gen_fn_def(free_vars, maybe_return_annotation, expanded_def=expanded_def)
        fn_args = self.pytree_info.orig_args
        if fn_args and fn_args[0] == "self":
            free_vars.insert(0, "self")
        first = super().gen_fn_def(fn_args[:], maybe_return_annotation, expanded_def=expanded_def)
        return first + self.gen_var_bindings(fn_args, free_vars, expanded_def) if free_vars else first

    def generate_output(
        self,
        output_args: Any,
        *,
        descs: Sequence[str] | None = None,
        repr_fn: Callable[[Any], str] | None = None,
    ) -> str:
        """The last statement of the program.

        Args:
            output_args: the leaves of what it returns.
            descs: comments on them.
            repr_fn: writes a value.
        """
        shown = repr if repr_fn is None else repr_fn
        if not (self.pytree_info and self.pytree_info.out_spec):
            return super().generate_output(output_args, descs=descs, repr_fn=repr_fn)
        if descs is not None and isinstance(output_args, (list, tuple)):
            return (
                listed_lines(output_args, descs, "return pytree.tree_unflatten(", shown) + ", self._out_spec)"
            )
        return f"return pytree.tree_unflatten({shown(output_args)}, self._out_spec)"
