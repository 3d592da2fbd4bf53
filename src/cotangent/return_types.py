"""torch.return_types: the classes of results whose parts have names."""

from __future__ import annotations

from typing import Any, Final

from . import functions, late, lazy
from .ops.results import CLASSES, PLAIN, class_of, named_result
from .utils import _pytree

linalg: Any = lazy.module("cotangent.linalg")

# Functions whose results have names; for all but the last, PyTorch has a second class for results that were
# written into `out=`.
_NAMES: Final = (  # noqa: SIM905
    "aminmax cummax cummin frexp geqrf histogram kthvalue linalg_cholesky_ex linalg_eig linalg_eigh "
    "linalg_inv_ex linalg_ldl_factor linalg_ldl_factor_ex linalg_lstsq linalg_lu linalg_lu_factor "
    "linalg_lu_factor_ex linalg_qr linalg_slogdet linalg_solve_ex linalg_svd lu_unpack max median min mode "
    "nanmedian qr slogdet sort svd topk triangular_solve histogramdd"
).split()
__all__ = [  # noqa: F822, PLE0604
    "all_return_types", "pytree_register_structseq", *_NAMES, *(f"{name}_out" for name in _NAMES[:-1]),
]  # fmt: skip


_OWN: Final = ("all_return_types", "pytree_register_structseq")


def pytree_register_structseq(cls: Any) -> None:
    """Make a class of named results a kind of node in trees of containers.

    Args:
        cls: the class, made from one sequence.
    """
    _pytree.register_pytree_node(cls, lambda found: (list(found), None), lambda values, _: cls(values))


def __getattr__(name: str) -> Any:
    """The class of the results of the function of that name (`linalg_qr` is that of `torch.linalg.qr`)."""
    if name == "all_return_types":
        return [__getattr__(each) for each in sorted(__all__) if each not in _OWN]
    if name in PLAIN:
        return class_of(name)
    if name not in CLASSES and name.endswith("_out") and name in __all__:
        return named_result(name, *__getattr__(name.removesuffix("_out"))._fields)
    if name not in CLASSES:  # its family has not been loaded yet
        if name.startswith("linalg_"):
            getattr(linalg, name.removeprefix("linalg_"), None)
        elif name in late.FUNCTIONS:
            late.function(name)
        else:
            getattr(functions, name, None)
    if name not in CLASSES:
        raise AttributeError(f"module 'torch.return_types' has no attribute '{name}'")
    return CLASSES[name]
