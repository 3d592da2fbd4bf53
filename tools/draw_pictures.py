"""Draw the pictures of docs/graph.md anew: `python tools/draw_pictures.py`.

The page's blocks are run in a folder of their own; the SVG files that they save go to docs/pictures, and,
where Chromium is installed, a screenshot of the page that they save.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
PICTURES = PROJECT / "docs/pictures"

# What a reader has done on the page: a block is open, backward is in it, one of its operations is chosen.
ACT = """
state.open.add(G.s.findIndex(s => s.path === "model.1"));
draw();
fit(true);
step(order.findIndex(v => G.v[v].title === "relu" && G.v[v].module === "model.1"));
choose(order[state.step]);
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        page = [str(PROJECT / "tools/run_page.py"), str(PROJECT / "docs/graph.md")]
        env = {**os.environ, "PYTHONPATH": str(PROJECT / "src")}
        subprocess.run([sys.executable, "-m", "cotangent", *page], cwd=folder, check=True, env=env)
        PICTURES.mkdir(exist_ok=True)
        for picture in folder.glob("*.svg"):
            shutil.copy(picture, PICTURES)
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        if chromium is None:
            print("no Chromium here: the screenshot of the page stays as it is")
            return
        html = (folder / "model.html").read_text(encoding="utf-8").replace(f"{PROJECT}/", "")
        html = html.replace("</body>", f"<script>{ACT}</script></body>")
        (folder / "act.html").write_text(html, encoding="utf-8")
        command = [
            chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            f"--user-data-dir={folder / 'profile'}", "--window-size=1180,760", "--virtual-time-budget=3000",
            f"--screenshot={PICTURES / 'page.png'}", (folder / "act.html").as_uri(),
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    main()
