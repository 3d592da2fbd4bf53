"""LLVM IR to machine code, kept in memory and on disk.

`function(name, build)` gives the address of a native function. `name` says the structure of the code
completely ("add of two contiguous float32 arrays of any length"), so equal names mean equal code and `build`,
which writes the LLVM IR, is called only where neither this process nor the disk has the code yet.

**On disk** (see `disk`) an entry is one object file, named by a hash of the structural name, the CPU and its
features, the versions of LLVM and Python's word size, and the sources of this package's kernels.

**Without llvmlite** (or where LLVM refuses) `available()` is False, with one notice, and callers keep to
NumPy.

Importing this module does nothing.
"""

from __future__ import annotations

import hashlib
import os
import struct
import threading
import warnings
from collections.abc import Callable
from typing import Any, Final

from .. import lazy
from . import disk

__all__ = [
    "available",
    "function",
    "host",
    "Host",
]

llvm: Any = lazy.module("llvmlite.binding")

# The name that the one function of an IR module has.
SYMBOL: Final = "kernel"

# Held whenever LLVM works, and while a process forks: no child inherits a half-done compilation.
lock: Final = threading.RLock()


class Host:
    """What code is generated for.

    Attributes:
        cpu: LLVM's name of the CPU.
        features: its features as LLVM writes them.
        arch: first part of the target triple ("x86_64", "aarch64", ...).
        vector_bytes: bytes of the widest vector registers worth using.
        registers: how many of those there are.
        fma: whether multiply-adds are one instruction.
        identity: everything above and LLVM's version, for the key on disk.
    """

    __slots__ = ("cpu", "features", "arch", "vector_bytes", "registers", "fma", "identity", "machine", "jit")

    def __init__(self) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self.cpu: str = llvm.get_host_cpu_name()
        flags = llvm.get_host_cpu_features()
        self.features: str = flags.flatten()
        self.arch: str = llvm.get_process_triple().split("-")[0]
        if flags.get("avx512f") and flags.get("avx512vl") and flags.get("avx512dq") and flags.get("avx512bw"):
            self.vector_bytes, self.registers = 64, 32
        elif flags.get("avx2"):
            self.vector_bytes, self.registers = 32, 16
        else:
            self.vector_bytes, self.registers = 16, 32 if self.arch in ("aarch64", "arm64") else 16
        self.fma: bool = bool(flags.get("fma")) or self.arch in ("aarch64", "arm64")
        version = ".".join(map(str, llvm.llvm_version_info))
        self.identity = f"{self.arch} {self.cpu} {self.features} LLVM {version} {struct.calcsize('P')}"
        self.machine: Any = self.target(3)
        self.jit: Any = llvm.create_lljit_compiler(self.machine, suppress_errors=True)
        # Never disposed of: another thread may run its code while the interpreter shuts down.
        self.jit._owned = True

    def target(self, opt: int) -> Any:
        """LLVM's code generator for this machine, which optimises as much as `opt` (0 to 3) says."""
        return llvm.Target.from_default_triple().create_target_machine(
            cpu=self.cpu, features=self.features, opt=opt, reloc="pic", codemodel="jitdefault", jit=True
        )


class _State:
    """What the process has compiled."""

    def __init__(self) -> None:
        self.host: Host | None = None
        self.refused = False
        self.addresses: dict[str, int] = {}
        self.linked = 0
        self.version: bytes | None = None


_state: Final = _State()


def available() -> bool:
    """Whether machine code can be made here. Says once why not.

    Returns:
        True where llvmlite is installed and works.
    """
    if _state.host is not None:
        return True
    if _state.refused:
        return False
    with lock:
        if _state.host is None and not _state.refused:
            try:
                _state.host = Host()
            except Exception as reason:
                refuse(str(reason))
                return False
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(
                    before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
                )
    return _state.host is not None


def refuse(reason: str) -> None:
    """Make no machine code in this process, and say so once.

    Args:
        reason: why.
    """
    _state.host, _state.refused = None, True
    warnings.warn(
        f"cotangent computes with NumPy alone, which is slower: llvmlite is not usable here ({reason})",
        RuntimeWarning,
        stacklevel=3,
    )


def host() -> Host:
    """The machine that code is generated for.

    Returns:
        Its description.

    Raises:
        RuntimeError: where `available()` is False.
    """
    if not available() or _state.host is None:
        raise RuntimeError("no machine code can be generated: llvmlite is not usable here")
    return _state.host


def function(name: str, build: Callable[[], str], quick: bool = False) -> int:
    """The address of the native function called `name`, compiled now if need be.

    Args:
        name: the structure of the code, in full: equal names are taken to mean equal code.
        build: writes the LLVM IR of a module that defines `@kernel`; called if there is no code yet.
        quick: compile as `compile_object` says.

    Returns:
        The address.

    Raises:
        RuntimeError: if LLVM refuses the text, or `available()` is False.
    """
    address = _state.addresses.get(name)
    if address is not None:
        return address
    host()
    with lock:
        address = _state.addresses.get(name)
        if address is None:
            address = _load(name)
            if address is None:
                address = _make(name, build, quick)
        return address


def _make(name: str, build: Callable[[], str], quick: bool) -> int:
    """Compile, store on disk and load; the lock is held."""
    code = compile_object(build(), quick)
    address = _link(code)
    _state.addresses[name] = address
    disk.write(_key(name), ".o", code)
    return address


def compile_object(text: str, quick: bool = False) -> bytes:
    """The object code of an IR module.

    Args:
        text: LLVM IR.
        quick: do not optimise: for code that calls and waits, which takes LLVM four times as long otherwise
            and runs no slower.

    Returns:
        The object file's bytes.

    Raises:
        RuntimeError: if LLVM refuses the text.
    """
    owner = host()
    with lock:
        module = llvm.parse_assembly(text)
        if quick:
            return bytes(owner.target(0).emit_object(module))
        options = llvm.create_pipeline_tuning_options(speed_level=2)
        # The generators write vectors, and unroll where it pays.
        options.loop_unrolling = options.loop_vectorization = options.slp_vectorization = False
        builder = llvm.create_pass_builder(owner.machine, options)
        passes = llvm.create_new_module_pass_manager()
        passes.add_sroa_pass()
        passes.add_instruction_combine_pass()
        passes.add_new_gvn_pass()
        passes.add_simplify_cfg_pass()
        passes.run(module, builder)
        return bytes(owner.machine.emit_object(module))


def _link(code: bytes) -> int:
    owner = host()
    builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process().export_symbol(SYMBOL)
    _state.linked += 1  # before linking: an interrupt may leave the name in use
    library = builder.link(owner.jit, f"kernel{_state.linked}")
    address = int(library[SYMBOL])
    library.detach()
    return address


# The cache on disk.


def _sources() -> bytes:
    """A hash of the modules that generate code: entries of another version are never found."""
    if _state.version is None:
        digest = hashlib.sha256()
        directory = os.path.dirname(__file__)
        for name in sorted(os.listdir(directory)):
            if name.endswith(".py"):
                with open(f"{directory}{os.sep}{name}", "rb", buffering=0) as file:
                    digest.update(file.read())
        _state.version = digest.digest()
    return _state.version


def _key(name: str) -> bytes:
    digest = hashlib.sha256(_sources())
    digest.update(f"{host().identity}\n{name}".encode())
    return digest.digest()


def _load(name: str) -> int | None:
    """The address of code from disk, or None; the lock is held."""
    code = disk.read(_key(name), ".o")
    if code is None:
        return None
    try:
        address = _link(code)
    except RuntimeError:
        return None
    _state.addresses[name] = address
    return address
