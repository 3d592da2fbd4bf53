"""Every example in the documentation runs and prints what it says: docstrings, the READMEs, docs/."""

import doctest
import importlib
import inspect
import io
import sys
from pathlib import Path

import pytest
from run_page import blocks_of
from running import PROJECT, RunPython
from test_floors import PACKAGE, ROOT, modules_of

MODULES = sorted(set(modules_of(ROOT)) - {f"{PACKAGE}.__main__"})
PAGES = [PROJECT / "README.md", PROJECT / "README.zh.md", *sorted((PROJECT / "docs").glob("**/*.md"))]


def home(value: object) -> str:
    """The module that a routine says it is from; methods of built-in objects say nothing."""
    return str(getattr(value, "__module__", ""))


def doctests_of(name: str) -> list[doctest.DocTest]:
    """The docstring examples of what a module defines.

    doctest's own finder leaves out functions that were generated, because their globals are not the module's.
    Those are taken here, unless the module that they name as theirs has them.
    """
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    for value in list(vars(module).values()):
        hasattr(value, "__wrapped__")  # loads what waits for its first use, which enters names in the module
    found = {test.name: test for test in finder.find(module, name)}
    for attribute, value in vars(module).items():
        full_name = f"{name}.{attribute}"
        if full_name in found or not inspect.isroutine(value) or PACKAGE not in home(value):
            continue
        owner = sys.modules.get(home(value))
        if owner is module or getattr(owner, value.__name__, None) is not value:
            found |= {test.name: test for test in finder.find(value, full_name, module=False)}  # type: ignore[arg-type]
    return [test for test in found.values() if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT / "src"))  # for examples that start a process
    report = io.StringIO()
    for test in doctests_of(name):
        test.globs = {"__name__": "__main__"}  # an example says itself what it imports
        doctest.DocTestRunner(verbose=False).run(test, out=report.write)
    if report.getvalue():  # the report says more than an assertion could
        pytest.fail(report.getvalue(), pytrace=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_pages(page: Path, run_python: RunPython) -> None:
    """The blocks run as a program does (`import torch` is cotangent), in a directory of their own."""
    result = run_python("-W", "error", "-m", "cotangent", str(PROJECT / "tools/run_page.py"), str(page))
    if result.stdout or result.stderr or result.returncode:
        pytest.fail(result.stdout + result.stderr, pytrace=False)


def test_both_readmes_show_the_same_examples() -> None:
    english, chinese = (blocks_of(page.read_text(encoding="utf-8")) for page in PAGES[:2])
    assert [block.language for block in english] == [block.language for block in chinese]


def test_the_readme_gives_the_command_that_ci_runs() -> None:
    ci = (PROJECT / ".ci/run").read_text(encoding="utf-8")
    command = next(line for line in ci.splitlines() if line.startswith("pip install "))
    for page in PAGES[:2]:
        assert command in page.read_text(encoding="utf-8").splitlines()


PAGE = """\
# A page
```python
import torch
x = 2
print(x, object())
```

```text
2 <object object at 0x123>
```
Between.
```text
no output of a block
```
1. in a list
   ```python
   def f():

       return x + 1
   print(f())
   ```
   ```text
   3
   ```
```bash
exit 1
```
```python
>>> f()
3
```
```python
raise ValueError("on purpose")
```
```text
ValueError: on purpose
```
"""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", ""),
        ("   3\n", "   4\n", "page.md:17: the page says\n4\nbut the block prints\n3\n"),
        ("2 <obj", "3 <obj", "3 <object object at 0xADDR>\nbut the block prints\n2"),
        (">>> f()\n3", ">>> f()\n5", 'File "'),
        ("on purpose\n```\n", "by accident\n```\n", "page.md:33: Traceback (most recent call last):"),
        ("x = 2", "x = y", "NameError: name 'y' is not defined"),
        ("import torch\n", "import torch.no_such_module\n", "ModuleNotFoundError: No module named"),
    ],
)
def test_a_wrong_page_is_seen(
    old: str, new: str, expected: str, tmp_path: Path, run_python: RunPython
) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.replace(old, new, 1))
    result = run_python("-m", "cotangent", str(PROJECT / "tools/run_page.py"), "page.md")
    assert (result.returncode, result.stderr) == (int(bool(expected)), "")
    assert expected in result.stdout and bool(expected) == bool(result.stdout)
