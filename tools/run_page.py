"""Run the ```python blocks of a Markdown page, and compare what they print with the ```text block below.

    python -m cotangent tools/run_page.py README.md

The blocks of a page share their names, as in one program, and run in the current directory. A block that is
followed (with nothing but empty lines between) by a ```text block must print exactly that; addresses `0x...`
count as equal. Where a block ends in an error on purpose, its ```text block ends with the error's last line.
Lines that begin with `>>>` are a session of the interpreter, with the answers below. Each difference is
printed with the page's line, and the exit status is 1. Where the output names lines of the page itself, the
directory and the line number do not count, so that an edit further up changes nothing here.
"""

import contextlib
import doctest
import io
import linecache
import re
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

OPENING = r"^(?P<indent> *)```(?P<language>[\w-]*)[^`\n]*\n"
FENCED = re.compile(OPENING + r"(?P<body>.*?)^(?P=indent)```\s*?$", re.MULTILINE | re.DOTALL)


@dataclass
class Block:
    """A fenced block of a page."""

    language: str
    text: str
    line: int  # of the first line of the text, from 1
    follows: bool  # nothing but empty lines lies between the block before and this one


def blocks_of(page: str) -> list[Block]:
    """The fenced blocks of a page, from top to bottom."""
    found = []
    end = 0
    for match in FENCED.finditer(page):
        indent = len(match["indent"])
        text = "".join(line[indent:] or "\n" for line in match["body"].splitlines(keepends=True))
        follows = bool(found) and not page[end : match.start()].strip()
        found.append(Block(match["language"], text, page.count("\n", 0, match.start("body")) + 1, follows))
        end = match.end()
    return found


def comparable(text: str, page: Path) -> str:
    """A printed text without what changes from run to run."""
    lines = (line.rstrip() for line in text.splitlines())
    text = re.sub(r"0x[0-9a-f]+", "0xADDR", "\n".join(lines)).strip("\n").replace(str(page), page.name)
    return re.sub(rf"({re.escape(page.name)}):\d+", r"\1:LINE", text)


def run_code(block: Block, expected: str | None, page: Path, names: dict[str, object]) -> str | None:
    """Run a block of plain code; return what is wrong with it."""
    # Empty lines in front: tracebacks and warnings then name the line of the page.
    source = "\n" * (block.line - 1) + block.text
    printed = io.StringIO()
    error = None
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(source, str(page), "exec", dont_inherit=True), names)
        except Exception as raised:
            error = raised
    output = printed.getvalue()
    if error is not None:
        last_line = "".join(traceback.format_exception_only(error)).splitlines()[0]
        if expected is None or last_line not in expected:
            return "".join(traceback.format_exception(error))
        output += last_line
    if expected is not None and (got := comparable(output, page)) != (wanted := comparable(expected, page)):
        return f"the page says\n{wanted}\nbut the block prints\n{got}"
    return None


def run_session(block: Block, page: Path, names: dict[str, object]) -> str | None:
    """Run a block with prompts; return what is wrong with it."""
    test = doctest.DocTestParser().get_doctest(block.text, names, page.name, str(page), block.line - 1)
    report = io.StringIO()
    runner = doctest.DocTestRunner(verbose=False)
    runner.run(test, out=report.write, clear_globs=False)
    names.update(test.globs)
    return report.getvalue() or None


def run_page(page: Path) -> list[str]:
    """Run all blocks of a page; return what is wrong, one text for each block that failed."""
    blocks = blocks_of(page.read_text(encoding="utf-8"))
    names: dict[str, object] = {"__name__": "__main__", "__file__": str(page)}
    linecache.getlines(str(page))  # a traceback shows the page's own line
    problems = []
    for block, after in zip(blocks, [*blocks[1:], None][: len(blocks)], strict=True):
        if block.language != "python":
            continue
        expected = after.text if after is not None and after.language == "text" and after.follows else None
        if block.text.lstrip().startswith(">>>"):
            problem = run_session(block, page, names)
        else:
            problem = run_code(block, expected, page, names)
        if problem is not None:
            problems.append(f"{page.name}:{block.line}: {problem}")
    return problems


def main() -> int:
    """Run the pages named on the command line."""
    problems = [problem for page in sys.argv[1:] for problem in run_page(Path(page).resolve())]
    print("\n\n".join(problems), end="\n" if problems else "")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
