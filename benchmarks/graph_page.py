"""How long a graph of ResNet-18 takes to draw and to open: `python benchmarks/graph_page.py`.

Prints the time to look at the recorded graph, to write each form, the sizes, and, where Chromium is there,
the time from the start of loading the page until it is drawn, and to unfold all of its modules.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/viz"))

import drawn

import cotangent as torch

SCRIPT = """
<script>
const drawn = performance.now();
$('open').click();
document.body.insertAdjacentHTML('beforeend', `<pre id="told">${drawn} ${performance.now() - drawn}</pre>`);
</script>
"""


def main() -> None:
    torch.manual_seed(0)
    model = drawn.ResNet()
    x, y = torch.randn(2, 3, 64, 64), torch.tensor([1, 2])
    loss = torch.nn.functional.cross_entropy(model(x), y)
    begun = time.perf_counter()
    graph = torch.graph(loss)
    print(f"graph(loss)  {time.perf_counter() - begun:6.3f} s   {graph!r}")
    for what in ("svg", "html", "dot", "mermaid"):
        begun = time.perf_counter()
        text = getattr(graph, what)()
        print(f"{what:12} {time.perf_counter() - begun:6.3f} s   {len(text.encode()) / 1000:.0f} kB")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        return
    with tempfile.TemporaryDirectory() as name:
        page = Path(name) / "page.html"
        page.write_text(graph.html().replace("</body>", f"{SCRIPT}</body>"), encoding="utf-8")
        command = [
            chromium, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={name}/profile",
            "--dump-dom", page.as_uri(),
        ]  # fmt: skip
        result = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True)
    found = re.search(r'<pre id="told">(\S+) (\S+)</pre>', result.stdout)
    assert found
    print(f"opening      {float(found[1]) / 1000:6.3f} s")
    print(f"unfolding    {float(found[2]) / 1000:6.3f} s   all modules")


if __name__ == "__main__":
    main()
