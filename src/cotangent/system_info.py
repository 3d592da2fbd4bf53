"""What `python -m cotangent --info` prints: versions, threads and CPU features."""

import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import version

import numpy as np

from cotangent import lazy
from cotangent.version import own

__all__ = ["rows", "show"]

llvm = lazy.module("llvmlite.binding")
numpy_core = lazy.module("numpy._core._multiarray_umath")
rich_console = lazy.module("rich.console")
rich_table = lazy.module("rich.table")

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def _blas_threads() -> int | None:
    """The number of threads of NumPy's OpenBLAS, or None when NumPy stands on another BLAS."""
    try:
        library = ctypes.CDLL(numpy_core.__file__)  # finds the symbols of the libraries it is linked to, too
        for name in ("scipy_openblas_get_num_threads64_", "openblas_get_num_threads"):
            if hasattr(library, name):
                return int(getattr(library, name)())
    except OSError:
        pass
    return None


def _usable_cores() -> int:
    """The number of cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def rows() -> Iterator[tuple[str, str]]:
    """What there is to say about this installation and machine.

    Returns:
        Pairs of a label and a value, in the order in which `show()` prints them.

    Example:
        >>> from cotangent import system_info
        >>> [label for label, value in system_info.rows()][:3]
        ['cotangent', 'python', 'numpy']
    """
    config = np.show_config(mode="dicts")
    assert config is not None
    blas = config.get("Build Dependencies", {}).get("blas", {})
    simd = config.get("SIMD Extensions", {})
    yield "cotangent", own
    yield "python", f"{platform.python_version()} ({platform.python_implementation()}) at {sys.executable}"
    yield "numpy", np.__version__
    for package in ("scipy", "llvmlite", "ml_dtypes", "rich"):
        yield package, version(package)
    yield "LLVM", ".".join(map(str, llvm.llvm_version_info))
    threads = _blas_threads()
    used = "" if threads is None else f", {threads} threads"
    yield "BLAS", f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip() + used
    yield "platform", f"{platform.system()} {platform.machine()}"
    yield "CPU", str(llvm.get_host_cpu_name())
    yield "CPU cores", f"{_usable_cores()} usable of {os.cpu_count()}"
    for variable in _THREAD_VARIABLES:
        yield variable, os.environ.get(variable, "not set")
    yield "CPU features", " ".join([*simd.get("baseline", []), *simd.get("found", [])])


def show() -> None:
    """Print `rows()` as a table on standard output.

    Example:
        >>> from cotangent import system_info
        >>> system_info.show()  # doctest: +ELLIPSIS
        cotangent...
    """
    table = rich_table.Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in rows():
        table.add_row(label, value)
    rich_console.Console(highlight=False, markup=False).print(table)
