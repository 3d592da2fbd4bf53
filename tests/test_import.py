"""What `import cotangent` does: define things, and nothing else."""

import json
import tomllib
from pathlib import Path

import pytest
from running import PROJECT, RunPython

# Prints, as JSON, the modules that an import brought in, the threads that run then, and what was done to the
# machine meanwhile (audit events: files opened for writing, processes, sockets and so on).
WATCH = """\
import json, os, sys, threading
events = []
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
TOUCHING = ('os.', 'shutil.', 'subprocess.', 'socket.', 'tempfile.', '_thread.', 'webbrowser.', 'urllib.')
READING = ('os.listdir', 'os.scandir', 'os.add_dll_directory', 'os.walk', 'os.fwalk')
def watch(event, arguments):
    if event == 'open' and arguments[2] & WRITING or event.startswith(TOUCHING) and event not in READING:
        events.append([event, repr(arguments)])
sys.addaudithook(watch)
before = set(sys.modules)
import {module}
loaded = sorted(set(sys.modules) - before)
tasks = len(os.listdir('/proc/self/task')) if os.path.exists('/proc/self/task') else threading.active_count()
print(json.dumps([loaded, tasks, events]))
"""


def watched(module: str, run_python: RunPython) -> tuple[set[str], int, list[list[str]]]:
    """Import a module in a fresh process; returns its modules, the number of threads and what it touched."""
    one_thread = {"OPENBLAS_NUM_THREADS": "1"}  # NumPy's BLAS starts threads of its own otherwise
    result = run_python("-B", "-W", "error", "-c", WATCH.format(module=module), env=one_thread)
    assert result.stderr == ""
    modules, threads, events = json.loads(result.stdout)
    return set(modules), threads, events


def test_importing_loads_starts_and_writes_nothing_beside(run_python: RunPython) -> None:
    modules, threads, events = watched("cotangent", run_python)
    numpys, _, events_of_numpy = watched("numpy", run_python)
    assert threads == 1
    assert [event for event in events if event not in events_of_numpy] == []
    # Every top-level module that is not NumPy's doing: ours, and a few small ones of the standard library.
    ours = {name.split(".")[0] for name in modules} - {name.split(".")[0] for name in numpys}
    assert ours <= ALLOWED, sorted(ours - ALLOWED)


# Each of these takes well under a millisecond to import. Grow the list with care: every user waits for it.
ALLOWED = {"cotangent", "__future__"}


@pytest.mark.parametrize(
    "module", ["torch", "scipy", "llvmlite", "ml_dtypes", "rich", "matplotlib", "sklearn", "threading"]
)
def test_heavy_libraries_wait_until_they_are_needed(module: str, run_python: RunPython) -> None:
    modules, _, _ = watched("cotangent", run_python)
    assert not {name for name in modules if name.split(".")[0] == module}


@pytest.mark.parametrize(
    "use",
    [
        "torch.ones(2, dtype=torch.bfloat16).numel() == 2",
        "torch.finfo(torch.float8_e5m2).bits == 8",
        "torch.tensor(np.ones(2, foreign.bfloat16)).dtype is torch.bfloat16",
        "torch.as_tensor(np.ones(2, foreign.float8_e4m3fn)).to(torch.float8_e5m2).float().tolist() == [1, 1]",
        "str(torch.bfloat16.itemsize) == '2' and 'ml_dtypes' not in sys.modules",
    ],
)
def test_dtypes_numpy_has_not_are_there_whoever_loads_them_first(use: str, run_python: RunPython) -> None:
    first = "import ml_dtypes as foreign\n" if "foreign" in use else ""
    program = f"{first}import sys\nimport numpy as np\nimport cotangent as torch\nprint({use})"
    assert run_python("-W", "error", "-c", program).stdout == "True\n"


def test_the_watch_sees_what_it_watches_for(run_python: RunPython, tmp_path: Path) -> None:
    (tmp_path / "touching.py").write_text(
        "import threading, time, scipy.special\n"
        "open('written', 'w').close()\n"
        "threading.Thread(target=time.sleep, args=(0.5,)).start()\n"
    )
    modules, threads, events = watched("touching", run_python)
    assert "scipy.special" in modules
    assert threads == 2
    assert any(event == "open" and "'written'" in arguments for event, arguments in events)


def test_the_version_is_the_projects(run_python: RunPython) -> None:
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert run_python("-c", "import cotangent; print(cotangent.__version__)").stdout == f"{version}\n"


@pytest.mark.parametrize(
    "path", sorted((PROJECT / "src/cotangent/compile").glob("[!_]*.py")), ids=lambda p: p.stem
)
def test_any_module_of_a_package_that_waits_may_come_first(path: Path, run_python: RunPython) -> None:
    """Its package has not run then, and runs in the middle of it where a name is asked of the package."""
    assert run_python("-c", f"import cotangent.compile.{path.stem}").returncode == 0
