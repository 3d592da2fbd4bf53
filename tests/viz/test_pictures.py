"""The pictures on docs/graph.md are what its blocks draw."""

from pathlib import Path

from run_page import blocks_of
from running import PROJECT, RunPython

PICTURES = PROJECT / "docs/pictures"


def test_the_pictures_are_up_to_date(run_python: RunPython, tmp_path: Path) -> None:
    """Draw them anew with `python tools/draw_pictures.py`."""
    page = [str(PROJECT / "tools/run_page.py"), str(PROJECT / "docs/graph.md")]
    result = run_python("-W", "error", "-m", "cotangent", *page)
    assert result.returncode == 0, result.stdout + result.stderr
    drawn = {path.name: path.read_bytes() for path in tmp_path.glob("*.svg")}
    assert drawn == {path.name: path.read_bytes() for path in PICTURES.glob("*.svg")}
    text = (PROJECT / "docs/graph.md").read_text(encoding="utf-8")
    assert all(f"pictures/{path.name}" in text for path in PICTURES.iterdir())


def test_both_pages_show_the_same_examples() -> None:
    english, chinese = (
        blocks_of((PROJECT / "docs" / name).read_text(encoding="utf-8"))
        for name in ("graph.md", "graph.zh.md")
    )
    assert [b.text for b in english if b.language == "python"] == [
        b.text for b in chinese if b.language == "python"
    ]
