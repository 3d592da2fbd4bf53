"""A report of what the machine and the installation are, for questions about errors.

    python -m torch.utils.collect_env

The fields and headings are those of PyTorch's report. What is about GPUs says what this library has: none.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import distributions
from typing import Any, Final, NamedTuple

from .. import version

__all__ = ["SystemEnv", "get_env_info", "get_pretty_env_info", "main", "pretty_str", "run"]

Run = Callable[[str | Sequence[str]], tuple[int, str, str]]

# What the reports of packages list: names that contain one of these.
COMMON_PATTERNS: Final = ["torch", "numpy", "triton", "optree", "cotangent"]
PIP_PATTERNS: Final = ["mypy", "flake8", "onnx"]
CONDA_PATTERNS: Final = ["cudatoolkit", "soumith", "mkl", "magma"]


class SystemEnv(NamedTuple):
    """What the report is made of."""

    torch_version: Any
    is_debug_build: Any
    cuda_compiled_version: Any
    gcc_version: Any
    clang_version: Any
    cmake_version: Any
    os: Any
    libc_version: Any
    python_version: Any
    python_platform: Any
    is_cuda_available: Any
    cuda_runtime_version: Any
    cuda_module_loading: Any
    nvidia_driver_version: Any
    nvidia_gpu_models: Any
    cudnn_version: Any
    is_xpu_available: Any
    pip_version: Any
    pip_packages: Any
    conda_packages: Any
    hip_compiled_version: Any
    hip_runtime_version: Any
    miopen_runtime_version: Any
    caching_allocator_config: Any
    is_xnnpack_available: Any
    cpu_info: Any


def run(command: str | Sequence[str]) -> tuple[int, str, str]:
    """Run a command.

    Args:
        command: a line for the shell, or a list of words.

    Returns:
        exit status, output, and what went to the error stream, without white space around them.

    Example:
        >>> from cotangent.utils import collect_env
        >>> collect_env.run("echo here")
        (0, 'here', '')
    """
    try:
        done = subprocess.run(command, shell=isinstance(command, str), capture_output=True, check=False)
    except OSError as error:
        return 127, "", str(error)
    output, told = (text.decode(errors="replace").strip() for text in (done.stdout, done.stderr))
    return done.returncode, output, told


def run_and_read_all(run_lambda: Run, command: str | Sequence[str]) -> str | None:
    """The output of a command; None if it fails."""
    status, output, _ = run_lambda(command)
    return output if status == 0 else None


def run_and_parse_first_match(run_lambda: Run, command: str, regex: str) -> str | None:
    """What the first group of a pattern finds in a command's output; None where there is nothing."""
    found = re.search(regex, run_and_read_all(run_lambda, command) or "")
    return found.group(1) if found else None


def run_and_return_first_line(run_lambda: Run, command: str) -> str | None:
    """The first line of a command's output; None if it fails."""
    output = run_and_read_all(run_lambda, command)
    return None if output is None else output.split("\n")[0]


def get_platform() -> str:
    """`linux`, `win32`, `cygwin`, `darwin`, or what Python calls it."""
    known = (name for name in ("linux", "win32", "cygwin", "darwin") if sys.platform.startswith(name))
    return next(known, sys.platform)


def get_gcc_version(run_lambda: Run) -> str | None:
    """The version of GCC on the path."""
    return run_and_parse_first_match(run_lambda, "gcc --version", r"gcc (.*)")


def get_clang_version(run_lambda: Run) -> str | None:
    """The version of Clang on the path."""
    return run_and_parse_first_match(run_lambda, "clang --version", r"clang version (.*)")


def get_cmake_version(run_lambda: Run) -> str | None:
    """The version of CMake on the path."""
    return run_and_parse_first_match(run_lambda, "cmake --version", r"cmake (.*)")


def get_running_cuda_version(run_lambda: Run) -> str | None:
    """The version of CUDA's compiler on the path."""
    return run_and_parse_first_match(run_lambda, "nvcc --version", r"release .+ V(.*)")


def get_os(run_lambda: Run) -> str | None:
    """The operating system, with the kind of machine."""
    machine = platform.machine()
    if get_platform() == "darwin":
        return f"macOS {platform.mac_ver()[0]} ({machine})"
    if get_platform() in ("win32", "cygwin"):
        return f"{platform.system()} {platform.release()} ({platform.version()} {machine})"
    described = run_and_parse_first_match(run_lambda, "lsb_release -a", r"Description:\t(.*)")
    if described is None:
        described = run_and_parse_first_match(run_lambda, "cat /etc/*-release", r'PRETTY_NAME="(.*)"')
    return f"{described or get_platform()} ({machine})"


def get_python_platform() -> str:
    """What Python calls the platform."""
    return platform.platform()


def get_libc_version() -> str:
    """The C library's name and version; N/A where it is not that of Linux."""
    return "-".join(platform.libc_ver()) if get_platform() == "linux" else "N/A"


def get_cpu_info(run_lambda: Run) -> str:
    """What the system says of its processors."""
    commands = {"linux": "lscpu", "darwin": "sysctl -n machdep.cpu.brand_string"}
    command = commands.get(get_platform())
    if command is None:
        return platform.processor() or "None"
    status, output, told = run_lambda(command)
    return output if status == 0 else told


def get_pip_packages(run_lambda: Run, patterns: list[str] | None = None) -> tuple[str, str | None]:
    """The installed packages whose names contain one of the patterns, as `pip list` freezes them."""
    wanted = PIP_PATTERNS + COMMON_PATTERNS if patterns is None else patterns
    found = {f"{d.metadata['Name']}=={d.version}" for d in distributions() if d.metadata["Name"]}
    return "pip3", "\n".join(sorted(line for line in found if any(name in line for name in wanted)))


def get_conda_packages(run_lambda: Run, patterns: list[str] | None = None) -> str | None:
    """The packages of conda whose lines contain one of the patterns; None without conda."""
    wanted = CONDA_PATTERNS + COMMON_PATTERNS if patterns is None else patterns
    output = run_and_read_all(run_lambda, f"{os.environ.get('CONDA_EXE', 'conda')} list --json")
    if output is None:
        return None
    try:
        listed = json.loads(output)
    except ValueError:
        return None
    lines = (f"{p['name']:<25} {p['version']:<20} {p['build_string']}" for p in listed)
    return "\n".join(line for line in lines if any(name in line for name in wanted))


def get_cachingallocator_config() -> dict[str, str]:
    """The variables of the environment that PyTorch's allocators read, if they are set."""
    names = ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_HIP_ALLOC_CONF", "PYTORCH_ALLOC_CONF")
    return {name: os.environ[name] for name in names if os.environ.get(name)}


def get_env_info() -> SystemEnv:
    """Collect what there is to say.

    Returns:
        a named tuple; None stands for what could not be found.

    Example:
        >>> from cotangent.utils import collect_env
        >>> collect_env.get_env_info().is_cuda_available
        False
    """
    pip_version, packages = get_pip_packages(run)
    bits = sys.maxsize.bit_length() + 1
    return SystemEnv(
        torch_version=version.__version__,
        is_debug_build=str(version.debug),
        cuda_compiled_version=version.cuda,
        gcc_version=get_gcc_version(run),
        clang_version=get_clang_version(run),
        cmake_version=get_cmake_version(run),
        os=get_os(run),
        libc_version=get_libc_version(),
        python_version=f"{sys.version} ({bits}-bit runtime)".replace("\n", ""),
        python_platform=get_python_platform(),
        is_cuda_available=False,
        cuda_runtime_version=get_running_cuda_version(run),
        cuda_module_loading="N/A",
        nvidia_driver_version=None,
        nvidia_gpu_models=None,
        cudnn_version=None,
        is_xpu_available=False,
        pip_version=pip_version,
        pip_packages=packages,
        conda_packages=get_conda_packages(run),
        hip_compiled_version="N/A",
        hip_runtime_version="N/A",
        miopen_runtime_version="N/A",
        caching_allocator_config=get_cachingallocator_config(),
        is_xnnpack_available=False,
        cpu_info=get_cpu_info(run),
    )


_FORM: Final = """
PyTorch version: {torch_version}
Is debug build: {is_debug_build}
CUDA used to build PyTorch: {cuda_compiled_version}
ROCM used to build PyTorch: {hip_compiled_version}

OS: {os}
GCC version: {gcc_version}
Clang version: {clang_version}
CMake version: {cmake_version}
Libc version: {libc_version}

Python version: {python_version}
Python platform: {python_platform}
Is CUDA available: {is_cuda_available}
CUDA runtime version: {cuda_runtime_version}
CUDA_MODULE_LOADING set to: {cuda_module_loading}
GPU models and configuration: {nvidia_gpu_models}
Nvidia driver version: {nvidia_driver_version}
cuDNN version: {cudnn_version}
Is XPU available: {is_xpu_available}
HIP runtime version: {hip_runtime_version}
MIOpen runtime version: {miopen_runtime_version}
Is XNNPACK available: {is_xnnpack_available}
Caching allocator config: {caching_allocator_config}

CPU:
{cpu_info}

Versions of relevant libraries:
{pip_packages}
{conda_packages}
""".strip()


def pretty_str(envinfo: SystemEnv) -> str:
    """The report.

    Args:
        envinfo: what `get_env_info` found.

    Returns:
        text of many lines.
    """
    shown = envinfo._asdict()
    settings = shown["caching_allocator_config"]
    shown["caching_allocator_config"] = "\n".join(f"  {k}: {v}" for k, v in settings.items()) or "N/A"
    for name, kind in (("pip_packages", envinfo.pip_version), ("conda_packages", "conda")):
        if shown[name]:
            shown[name] = "\n".join(f"[{kind}] {line}" for line in shown[name].split("\n"))
        elif shown[name] == "":
            shown[name] = "No relevant packages"
        elif name == "conda_packages":
            shown[name] = "[conda] Could not collect"
    told = {name: "Could not collect" if value is None else value for name, value in shown.items()}
    return _FORM.format(**told)


def get_pretty_env_info() -> str:
    """Collect what there is to say and make a report of it.

    Returns:
        text that says the system's, Python's and the packages' versions.

    Example:
        >>> from cotangent.utils import collect_env
        >>> collect_env.get_pretty_env_info().splitlines()[1]
        'Is debug build: False'
    """
    return pretty_str(get_env_info())


def main() -> None:
    """Print the report."""
    print("Collecting environment information...")
    print(get_pretty_env_info())


if __name__ == "__main__":
    main()
