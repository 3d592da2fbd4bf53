"""The command: runs a program that says `import torch` on cotangent, the way `python` itself would run it."""

import builtins
import contextlib
import os
import runpy
import sys
import zipfile
from collections.abc import Callable, Sequence
from importlib.machinery import BuiltinImporter, SourceFileLoader
from types import ModuleType, TracebackType
from typing import NoReturn

from cotangent import lazy, system_info, torch_alias, version

__all__ = ["main"]

script = lazy.module("cotangent.look.script")

_USAGE = """\
usage: cotangent [--help | --version | --info]
       cotangent [--doctor] [--explain-nan] [--graph FILE] [--profile FILE]
                 (script.py | -m module | -c code | -) [argument ...]
"""

_HELP = f"""\
{_USAGE}
Runs a PyTorch program on cotangent: `import torch`, `import torch.nn as nn` and so on
find cotangent, whether PyTorch is installed or not. Everything else is as with `python`.

what to run:
  script.py     a file, or a directory or zip file with a __main__.py
  -m module     a module by its name
  -c code       the code itself
  -             the code on standard input
  argument ...  the program's own arguments (sys.argv)

options:
  --help, -h    print this text
  --version     print cotangent's version
  --info        print versions, threads and CPU features

to look at the program while it runs (what is found goes to standard error):
  --doctor        say what is wrong with its training steps
  --explain-nan   say which operation gave the first nan or inf, and why
  --graph FILE    draw the graph of its first backward (.svg, .html, .dot, .mmd or .txt)
  --profile FILE  write a trace for a trace viewer (.json or .json.gz), and print tables

`python -m cotangent` does the same, and takes Python's own options: python -W error -m cotangent script.py
"""

_BAD_USE = 2  # the exit status of `python` itself, argparse and most commands


def _refuse(reason: str) -> NoReturn:
    """End with a message about wrong use of the command."""
    sys.stderr.write(f"cotangent: {reason}\n{_USAGE}")
    sys.exit(_BAD_USE)


# What the interpreter itself calls for `python -m`; unlike `runpy.run_module` it leaves `__main__` in place.
_run_module_as_main: Callable[[str, bool], object] = runpy._run_module_as_main  # type: ignore[attr-defined]

# The frames that stand between the interpreter and the program.
_RUNNER_FILES = frozenset({__file__, runpy.__file__, runpy.run_path.__code__.co_filename})


def _program_frames(traceback: TracebackType | None) -> TracebackType | None:
    """The part of a traceback that belongs to the program, without the runner's frames that lead to it."""
    while traceback is not None and traceback.tb_frame.f_code.co_filename in _RUNNER_FILES:
        traceback = traceback.tb_next
    return traceback


def _run(program: Callable[[], object]) -> None:
    """Call `program`; if it ends in an error, let the interpreter report that as it reports a script's."""
    try:
        program()
    except SystemExit:
        raise
    except BaseException as error:
        # Raised on, so that the interpreter sets the exit status, dies of SIGINT after a KeyboardInterrupt
        # and so on; only the hook that prints (the program may have set its own) gets to see fewer frames.
        report = sys.excepthook
        frames = _program_frames(error.__traceback__)

        def report_program_frames(kind: type[BaseException], error: BaseException, _: object) -> None:
            report(kind, error.with_traceback(frames), frames)

        sys.excepthook = report_program_frames
        raise


def _fresh_main(loader: object = BuiltinImporter, file: str | None = None) -> ModuleType:
    """Put an empty `__main__` in place of the runner's, with the attributes that `python` gives it."""
    module = ModuleType("__main__")
    module.__dict__.update(__builtins__=builtins, __loader__=loader)
    if file is not None:
        module.__dict__.update(__file__=file, __cached__=None)
    sys.modules["__main__"] = module
    return module


def _drop_first_path() -> None:
    """Take away what `python -m` or the console script put in front of sys.path."""
    if not sys.flags.safe_path:
        del sys.path[0]


def _set_first_path(entry: str) -> None:
    """Put the program's own place in front of sys.path, unless Python was told not to (its option -P)."""
    _drop_first_path()
    if not sys.flags.safe_path:
        sys.path.insert(0, entry)


def _run_source(source: str | bytes, filename: str, main: ModuleType) -> None:
    """Compile and run a program in `main`."""
    _run(lambda: exec(compile(source, filename, "exec", dont_inherit=True), main.__dict__))


def _run_script(script: str, arguments: Sequence[str]) -> None:
    """Run a file, or a directory or zip file with a `__main__.py` in it."""
    sys.argv = [script, *arguments]
    path = os.path.abspath(script)
    if os.path.isdir(path) or zipfile.is_zipfile(path):
        _drop_first_path()
        sys.path.insert(0, path)  # under -P, too: it is where the program is
        _fresh_main()
        _run(lambda: _run_module_as_main("__main__", False))
        return
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        sys.stderr.write(f"cotangent: can't open file {path!r}: [Errno {error.errno}] {error.strerror}\n")
        sys.exit(_BAD_USE)
    _set_first_path(os.path.dirname(os.path.realpath(path)))
    _run_source(source, path, _fresh_main(SourceFileLoader("__main__", path), path))


def _run_module(name: str, arguments: Sequence[str]) -> None:
    """Run a module by its name; `-m torch.x` runs cotangent.x."""
    if name == "torch" or name.startswith("torch."):
        name = "cotangent" + name.removeprefix("torch")
    sys.argv = ["-m", *arguments]
    _set_first_path(os.getcwd())
    _fresh_main()
    _run(lambda: _run_module_as_main(name, True))


def _run_code(code: str, arguments: Sequence[str]) -> None:
    """Run the code given on the command line."""
    sys.argv = ["-c", *arguments]
    _set_first_path("")
    _run_source(code, "<string>", _fresh_main())


def _run_standard_input(arguments: Sequence[str]) -> None:
    """Run the code on standard input."""
    sys.argv = ["-", *arguments]
    _set_first_path("")
    _run_source(sys.stdin.buffer.read(), "<stdin>", _fresh_main(file="<stdin>"))


# What looks at a program: option -> (class in `look.script`, whether it takes a file).
_LOOKS = {
    "--doctor": ("DoctorOf", False),
    "--explain-nan": ("NanOf", False),
    "--graph": ("GraphOf", True),
    "--profile": ("ProfileOf", True),
}


def _looks(arguments: list[str]) -> tuple[list[tuple[str, list[str]]], list[str]]:
    """What is to look at the program, as (name of a class, its arguments), and the rest of the arguments."""
    found = []
    while arguments and arguments[0] in _LOOKS:
        option, *arguments = arguments
        name, with_file = _LOOKS[option]
        if with_file and not arguments:
            _refuse(f"{option} needs the name of a file")
        found.append((name, arguments[:with_file]))
        arguments = arguments[with_file:]
    if found and not arguments:
        _refuse("nothing to run")
    return found, arguments


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: what stands after `cotangent` on the command line; None takes it from sys.argv.

    Returns:
        The exit status, where the program did not end the process itself.

    Raises:
        SystemExit: of the program that was run, or with status 2 on wrong use.

    Example:
        >>> from cotangent.cli import main
        >>> status = main(["--version"])  # doctest: +ELLIPSIS
        cotangent ...
        >>> status
        0
    """
    looks, given = _looks(sys.argv[1:] if arguments is None else list(arguments))
    first, *rest = given or [""]
    match first:
        case "":
            _refuse("nothing to run")
        case "-h" | "--help" | "--version" | "--info" if looks:
            _refuse(f"{first} is no program to look at")
        case "-h" | "--help" | "--version" | "--info" if rest:
            _refuse(f"{first} takes no argument, but got {rest[0]!r}")
        case "-h" | "--help":
            sys.stdout.write(_HELP)
            return 0
        case "--version":
            print(f"cotangent {version.own}")
            return 0
        case "--info":
            system_info.show()
            return 0
        case "-m" | "-c" if not rest:
            _refuse(f"{first} needs {'the name of a module' if first == '-m' else 'the code to run'}")
        case _ if first.startswith("-") and first not in ("-", "-m", "-c"):
            _refuse(f"unknown option {first!r}")
    try:
        watchers = [getattr(script, name)(*options) for name, options in looks]
    except ValueError as error:
        _refuse(str(error))
    torch_alias.install()
    with contextlib.ExitStack() as around:
        for watcher in watchers:
            around.enter_context(watcher)
        match first:
            case "-m":
                _run_module(rest[0], rest[1:])
            case "-c":
                _run_code(rest[0], rest[1:])
            case "-":
                _run_standard_input(rest)
            case _:
                _run_script(first, rest)
    return 0
