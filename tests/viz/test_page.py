"""The page in a browser: Chromium without a window runs it, and a script acts as a reader does."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import drawn
import pytest

import cotangent as torch
from cotangent.viz.words import WORDS

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


def acted(folder: Path, page: str, script: str) -> Any:
    """Open a page, run a script (the body of a function) in it, and return what that returns."""
    told = (
        "<script>window.errors = []; addEventListener('error', e => errors.push(e.message));</script>"
        "<script>addEventListener('load', () => { let out; try { out = (() => {" + script + "})(); }"
        " catch (e) { out = 'error: ' + e.stack; }"
        " const p = document.createElement('pre'); p.id = 'told';"
        " p.textContent = JSON.stringify([out, errors]); document.body.append(p); });</script>"
    )
    (folder / "page.html").write_text(page.replace("<body>", "<body>" + told), encoding="utf-8")
    command = [
        str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
        f"--user-data-dir={folder / 'profile'}", "--window-size=1200,800", "--dump-dom",
        (folder / "page.html").as_uri(),
    ]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120)
    found = re.search(r'<pre id="told">(.*?)</pre>', result.stdout, re.DOTALL)
    assert found, result.stderr[-2000:]
    value, errors = json.loads(unescape(found[1]))
    assert errors == [], errors
    return value


def test_the_page_places_as_python_does(tmp_path: Path) -> None:
    model, run = drawn.resnet()
    graph = torch.graph(run, names={"model": model})
    paths = {scope.path: scope.number for scope in graph.scopes.all}
    states = [[], ["model"], ["model", "model.layer2", "model.layer2.0"], list(paths)[1:]]
    numbers = [[paths[p] for p in state] for state in states]
    script = """return STATES.map(open => {
        const p = placed(0, new Set(open));
        return [p.at, p.routes, p.across, p.along];
    });"""
    found = acted(tmp_path, graph.html(), script.replace("STATES", json.dumps(numbers)))
    placing = graph.placing(graph.words)
    # The page's modules are as wide as both languages ask for.
    placing.folded = [tuple(s["size"]) for s in json.loads(data_of(graph))["s"]]
    for state, (at, routes, across, along) in zip(numbers, found, strict=True):
        placed = placing.place(0, frozenset(state))
        assert close(placed.at, at)
        assert close([p for route in placed.routes for p in route], [p for route in routes for p in route])
        assert close([(placed.across, placed.along)], [(across, along)])


def data_of(graph: Any) -> str:
    """The data in a page."""
    page = graph.html()
    start = page.index("const G=") + len("const G=")
    return page[start : page.index(";\n", start)]


def close(ours: Any, theirs: Any) -> bool:
    """Whether two lists of points agree."""
    assert len(ours) == len(theirs)
    pairs = zip(ours, theirs, strict=True)
    return all(abs(a - b) < 1e-6 for p, q in pairs for a, b in zip(p, q, strict=True))


def test_a_reader_unfolds_searches_and_looks(tmp_path: Path) -> None:
    model, run = drawn.resnet()
    graph = torch.graph(run, names={"model": model})
    found = acted(
        tmp_path,
        graph.html(lang="en"),
        """
        const count = () => document.querySelectorAll('.v').length, said = {};
        said.before = count();
        const box = [...document.querySelectorAll('.s')].find(g => g.textContent.includes('layer1'));
        box.dispatchEvent(new MouseEvent('click', {bubbles: true}));
        said.opened = count() + document.querySelectorAll('.s').length;
        $('open').click();
        said.all = count();
        said.noBox = document.querySelectorAll('.s').length;
        $('close').click();
        said.closed = count();
        $('search').value = 'layer3.1.conv2';
        $('search').dispatchEvent(new Event('input'));
        said.found = $('found').textContent;
        said.hit = document.querySelectorAll('.v.hit').length;
        $('search').dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter'}));
        said.panel = $('panel').textContent;
        return said;
        """,
    )
    assert found["all"] == len(graph.vertices) and found["noBox"] == 0
    assert found["before"] < 12 and found["closed"] < found["before"] and found["opened"] > found["before"]
    assert found["found"] == "2 found" and found["hit"] == 2
    assert "model.layer3.1.conv2" in found["panel"] and "convolution" in found["panel"]


def test_backward_is_played_step_by_step(tmp_path: Path) -> None:
    x = torch.tensor(2.0, requires_grad=True)
    y = torch.tensor(-3.0, requires_grad=True)
    f = (x * y).tanh()
    graph = torch.graph(f)
    found = acted(
        tmp_path,
        graph.html(lang="en", theme="light"),
        """
        const said = [], opaque = g => g && getComputedStyle(g).opacity === '1';
        const all = () => [...document.querySelectorAll('.v')];
        const seen = () => all().filter(g => opaque(g.querySelector('.grad'))).length;
        said.push([seen(), $('say').textContent]);
        for (let k = 0; k < 4; k++) {
            $('next').click();
            said.push([seen(), $('say').textContent.replace(/\\s+/g, ' ')]);
        }
        $('first').click();
        said.push([seen(), $('at').value]);
        document.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}));
        said.push([document.querySelectorAll('.v.hot').length, document.querySelectorAll('.e.hot').length]);
        return said;
        """,
    )
    assert found[0][0] == 4 and found[0][1] == WORDS["hint"][0]
    assert [n for n, _ in found[1:5]] == [1, 2, 3, 4]
    assert "step 1 of 4 · tanh" in found[1][1] and "∂f/∂v₁ += 1 · " in found[1][1]
    assert "step 2 of 4 · mul" in found[2][1] and "· −3" in found[2][1]
    assert found[5] == [4, "0"] and found[6] == [1, 1]


def test_languages_and_themes(tmp_path: Path) -> None:
    model, run = drawn.mlp()
    graph = torch.graph(run, names={"model": model})
    found = acted(
        tmp_path,
        graph.html(lang="zh", theme="light"),
        """
        const colour = () => getComputedStyle(document.body).backgroundColor;
        const said = [document.querySelector('h1').textContent, $('search').placeholder, colour()];
        const box = document.querySelector('.s');
        said.push(box ? box.textContent : '');
        $('lang').click();
        $('theme').click();
        said.push(document.querySelector('h1').textContent, $('search').placeholder, colour());
        said.push(document.documentElement.lang);
        const named = b => b.textContent.trim() && (b.title || b.dataset.word || b.id === 'lang');
        said.push([...document.querySelectorAll('button')].every(named));
        return said;
        """,
    )
    assert found[:2] == [WORDS["graph"][1], WORDS["search"][1]] and found[2] == "rgb(255, 255, 255)"
    assert "个参数" in found[3]
    assert found[4:6] == [WORDS["graph"][0], WORDS["search"][0]]
    assert found[6] == "rgb(18, 22, 31)" and found[7] == "en" and found[8] is True


def test_a_page_of_resnet_18_is_small(tmp_path: Path) -> None:
    """With all of its eleven million parameters; benchmarks/graph_page.py times it."""
    torch.manual_seed(0)
    model = drawn.ResNet()
    graph = torch.graph(lambda x: model(x).square().mean(), torch.randn(2, 3, 32, 32))
    page = graph.html()
    assert len(page.encode()) < 1_000_000
    assert "http://" not in page.replace("http://www.w3.org/", "") and "https://" not in page
    assert acted(tmp_path, page, "return document.documentElement.dataset.ready;") == "1"
