"""`python -m cotangent PROGRAM` against `python PROGRAM`: the same program must not see a difference."""

import re
import signal
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest
from running import PROJECT, RunPython

STATE = """\
'''The program's own docstring.'''
import sys
print(__name__, __doc__, __package__, sys.argv, sys.path)
print(globals().get('__file__'), globals().get('__cached__'), __spec__ and __spec__.name)
print(getattr(__loader__, '__name__', type(__loader__).__name__))
print(sorted(set(globals()) - {'__annotations__'}))
def annotated(x: 1 + 1): pass
print(annotated.__annotations__, sys.modules['__main__'].__dict__ is globals())
"""

PROGRAMS = {
    "state": STATE,
    "error with a cause": """\
def inner():
    raise ValueError('inner')
def outer():
    try:
        inner()
    except ValueError as error:
        raise KeyError('outer') from error
outer()
""",
    "error with notes": """\
error = RuntimeError('text')
error.add_note('a note')
raise error
""",
    "error of a library": "import json\njson.loads('{')\n",
    "syntax error": "print(1)\nx = = 2\n",
    "warnings": """\
import warnings
def old():
    warnings.warn('from here', UserWarning)
    warnings.warn('from the caller', DeprecationWarning, stacklevel=2)
old()
""",
    "exit with a number": "import sys\nprint('out')\nsys.exit(7)\n",
    "exit with a text": "import sys\nsys.exit('a text')\n",
    "exit with nothing": "raise SystemExit\n",
    "interrupted": """\
import os, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background of a shell ignore it
os.kill(os.getpid(), signal.SIGINT)
time.sleep(60)
""",
    "a hook of its own": """\
import sys, traceback
sys.excepthook = lambda kind, error, tb: print(kind, error, [f.name for f in traceback.extract_tb(tb)])
def fail():
    raise LookupError('x')
fail()
""",
    "pickles its classes": """\
import pickle
class Point:
    def __init__(self, x): self.x = x
print(pickle.loads(pickle.dumps(Point(3))).x, Point.__module__)
""",
    "what runs at the end": """\
import atexit, threading, time
class Last:
    def __del__(self): print('deleted')
last = Last()
atexit.register(print, 'at exit')
threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()
raise OSError('the end')
""",
    "source encoding": "# -*- coding: latin-1 -*-\nprint(ascii('\u00e9'))\n",
    "prints its source": "import inspect\ndef f():\n    return 1\nprint(inspect.getsource(f))\n",
}


def outcome(result: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    """What a user sees of a run. `python -m` shows frames of runpy, which cotangent does not."""
    errors = re.sub(r'  File "<frozen runpy>", line \d+, in \w+\n', "", result.stderr)
    return result.returncode, result.stdout, re.sub(r"^\S+: can't open", "python: can't open", errors)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_script_runs_as_under_python(program: str, tmp_path: Path, run_python: RunPython) -> None:
    encoding = "latin-1" if program == "source encoding" else "utf-8"
    (tmp_path / "program.py").write_text(PROGRAMS[program], encoding=encoding)
    expected = outcome(run_python("program.py", "a", "--help", "-m"))
    assert outcome(run_python("-m", "cotangent", "program.py", "a", "--help", "-m")) == expected


def test_an_interrupted_script_dies_of_the_signal(tmp_path: Path, run_python: RunPython) -> None:
    (tmp_path / "program.py").write_text(PROGRAMS["interrupted"])
    assert run_python("-m", "cotangent", "program.py").returncode == -signal.SIGINT


@pytest.mark.parametrize(
    "way",
    [
        ["folder/program.py", "x"],
        ["linked.py"],
        ["package_folder", "x"],
        ["packed.zip", "x"],
        ["-m", "program", "x", "-c"],
        ["-m", "package"],
        ["-m", "package.inside", "x"],
        ["-m", "no_such_module"],
        ["-c", STATE, "x", "-m"],
        ["-", "x"],
        ["no_such_file.py"],
        ["-P", "program.py"],
        ["-P", "-m", "json.tool", "no_such_file"],
        ["-W", "error", "warns.py"],
    ],
    ids=lambda way: " ".join(way).split("\n")[0],
)
def test_every_way_to_name_a_program(way: list[str], tmp_path: Path, run_python: RunPython) -> None:
    for folder in ("folder", "package_folder", "package"):
        (tmp_path / folder).mkdir()
    for name in ("program.py", "folder/program.py", "package_folder/__main__.py", "package/__main__.py"):
        (tmp_path / name).write_text(STATE)
    (tmp_path / "package/__init__.py").touch()
    (tmp_path / "package/inside.py").write_text(STATE + "raise ValueError('inside')\n")
    (tmp_path / "linked.py").symlink_to("folder/program.py")
    (tmp_path / "warns.py").write_text("import warnings\nwarnings.warn('an error now')\n")
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as packed:
        packed.writestr("__main__.py", STATE)
    pythons_own = {"-P": 1, "-W": 2}.get(way[0], 0)  # the options that stand before `-m cotangent`
    expected = outcome(run_python(*way, input=STATE))
    result = run_python(*way[:pythons_own], "-m", "cotangent", *way[pythons_own:], input=STATE)
    assert outcome(result) == expected


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "nothing to run"),
        (["-m"], "-m needs the name of a module"),
        (["-c"], "-c needs the code to run"),
        (["--verbose", "x.py"], "unknown option '--verbose'"),
        (["--info", "x.py"], "--info takes no argument, but got 'x.py'"),
    ],
)
def test_wrong_use(arguments: list[str], reason: str, run_python: RunPython) -> None:
    result = run_python("-m", "cotangent", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"cotangent: {reason}\nusage: cotangent ")


def test_help_and_version(run_python: RunPython) -> None:
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    assert run_python("-m", "cotangent", "--version").stdout == f"cotangent {version}\n"
    full, short = run_python("-m", "cotangent", "--help"), run_python("-m", "cotangent", "-h")
    assert full.returncode == 0 and full.stdout == short.stdout
    for option in ("script.py", "-m module", "-c code", "--info", "--version"):
        assert option in full.stdout


def test_info(run_python: RunPython) -> None:
    result = run_python("-m", "cotangent", "--info", env={"OMP_NUM_THREADS": "3"})
    assert (result.returncode, result.stderr) == (0, "")
    assert "\x1b" not in result.stdout
    rows = dict(line.split(None, 1) for line in result.stdout.splitlines() if line.strip())
    assert {"python", "numpy", "scipy", "llvmlite", "ml_dtypes", "rich", "BLAS", "CPU"} <= set(rows)
    assert rows["OMP_NUM_THREADS"].strip() == "3"
    assert re.match(r"\d+\.\d+", rows["numpy"])


def test_the_console_script_is_the_module(tmp_path: Path, run_python: RunPython) -> None:
    # what the file `cotangent` in the environment's bin holds; it puts its own folder in front of sys.path
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/cotangent").write_text("import sys\nfrom cotangent.cli import main\nsys.exit(main())\n")
    (tmp_path / "program.py").write_text(STATE + "raise ValueError('x')\n")
    expected = outcome(run_python("program.py", "a"))
    assert outcome(run_python("bin/cotangent", "program.py", "a")) == expected
