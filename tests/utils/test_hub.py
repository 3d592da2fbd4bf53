"""Weights and models from elsewhere: files by URL, repositories in a folder."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import cotangent as torch
from cotangent import hub
from cotangent.utils import model_zoo

ENTRIES = """
import cotangent.nn as nn
from helper import width
dependencies = {dependencies!r}
def layer(size, bias=True):
    "A layer."
    return nn.Linear(size, width, bias)
def also(): pass
def _hidden(): pass
answer = 42
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path) -> Iterator[Path]:
    kept, hub._Place.chosen = hub._Place.chosen, None
    hub.set_dir(tmp_path / "hub")
    yield tmp_path / "hub"
    hub._Place.chosen = kept


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "net.pth"
    torch.save({"w": torch.arange(3)}, path)
    return path


def repository(folder: Path, dependencies: list[str]) -> Path:
    folder.mkdir(parents=True)
    (folder / "hubconf.py").write_text(ENTRIES.format(dependencies=dependencies))
    (folder / "helper.py").write_text("width = 5")
    return folder


def test_weights_are_fetched_once(weights: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = weights.as_uri()
    loaded = hub.load_state_dict_from_url(url, progress=False)
    assert loaded["w"].tolist() == [0, 1, 2]
    kept = place / "checkpoints" / "net.pth"
    assert capsys.readouterr().out == f'Downloading: "{url}" to {kept}\n'
    weights.unlink()
    again = model_zoo.load_url(url, map_location="cpu", weights_only=True)
    assert again["w"].tolist() == [0, 1, 2]
    assert capsys.readouterr().out == ""
    assert [path.name for path in kept.parent.iterdir()] == ["net.pth"]


def test_digits_in_the_name_are_compared(weights: Path, tmp_path: Path) -> None:
    digits = hashlib.sha256(weights.read_bytes()).hexdigest()[:8]
    right = weights.rename(tmp_path / f"net-{digits}.pth")
    hub.load_state_dict_from_url(right.as_uri(), str(tmp_path / "a"), progress=False, check_hash=True)
    wrong = right.rename(tmp_path / "net-00000000.pth")
    with pytest.raises(RuntimeError, match=r'invalid hash value \(expected "00000000", got "'):
        hub.load_state_dict_from_url(wrong.as_uri(), str(tmp_path / "b"), progress=False, check_hash=True)
    assert list((tmp_path / "b").iterdir()) == []


def test_a_file_that_somebody_zipped(weights: Path, tmp_path: Path) -> None:
    packed = tmp_path / "net.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(weights, "inner.pth")
    with pytest.warns(FutureWarning, match="Falling back to the old format < 1.6"):
        loaded = hub.load_state_dict_from_url(packed.as_uri(), progress=False)
    assert loaded["w"].tolist() == [0, 1, 2]


def test_a_zipped_file_names_nothing_outside(weights: Path, tmp_path: Path) -> None:
    packed = tmp_path / "net.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(weights, "../../net.pth")
    with pytest.warns(FutureWarning), pytest.raises(ValueError, match="directory traversal"):
        hub.load_state_dict_from_url(packed.as_uri(), progress=False)


def test_progress_is_shown(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with hub._Bar(total=4) as bar:
        bar.update(1)
        bar.update(3)
    assert capsys.readouterr().err == "\r25.0%\r100.0%\n"


def test_a_repository_in_a_folder(tmp_path: Path) -> None:
    folder = repository(tmp_path / "repo", ["math"])
    assert hub.load(folder, "layer", 2, source="local", bias=False).weight.shape == (5, 2)
    with pytest.raises(RuntimeError, match="Cannot find callable answer in hubconf"):
        hub.load(folder, "answer", source="local")
    with pytest.raises(ValueError, match="model should be a string of function name"):
        hub.load(folder, 3, source="local")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match='Unknown source: "gitlab"'):
        hub.load(folder, "layer", source="gitlab")


def test_a_repository_that_asks_for_more(tmp_path: Path) -> None:
    folder = repository(tmp_path / "repo", ["math", "no_such_package"])
    with pytest.raises(RuntimeError, match="Missing dependencies: no_such_package"):
        hub.load(folder, "layer", 2, source="local")


def test_a_repository_that_is_kept(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = repository(place / "somebody_nets_v1_x", [])
    assert hub.list("somebody/nets:v1/x") == ["also", "layer"]
    assert capsys.readouterr().err == f"Using cache found in {folder}\n"
    assert hub.help("somebody/nets:v1/x", "layer") == "A layer."
    assert hub.load("somebody/nets:v1/x", "layer", 1, verbose=False).in_features == 1


def test_who_is_not_trusted(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda text: "n")
    with pytest.raises(Exception, match=r"^Untrusted repository\.$"):
        hub.list("nobody/nets:main")
    monkeypatch.setattr("builtins.input", lambda text: "perhaps")
    with pytest.raises(ValueError, match=r"^Unrecognized response perhaps\.$"):
        hub.list("nobody/nets:main")


@pytest.mark.parametrize("name", ["/etc/x", "a/../../x", "C:\\x"])
def test_archives_stay_in_their_folder(name: str, tmp_path: Path) -> None:
    packed = tmp_path / "a.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, "x")
    with zipfile.ZipFile(packed) as archive, pytest.raises(ValueError, match="Archive entry"):
        hub._unpack(archive, str(tmp_path / "out"))


def fetched(monkeypatch: pytest.MonkeyPatch, members: dict[str, str]) -> None:
    """Let GitHub answer with an archive of these members."""

    def download(url: str, path: str, progress: bool) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in members.items():
                archive.writestr(name, text)

    monkeypatch.setattr(hub, "download_url_to_file", download)


def test_a_repository_is_fetched(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "def layer():\n    return 1\n"
    fetched(monkeypatch, {"nets-0/": "", "nets-0/hubconf.py": text})
    where = "somebody/nets:v1"
    assert hub.load(where, "layer", trust_repo=True, skip_validation=True) == 1
    # Of another size: Python tells files apart by that and by the second of their time.
    fetched(monkeypatch, {"nets-0/": "", "nets-0/hubconf.py": text.replace("1", "22")})
    assert hub.load(where, "layer", verbose=False) == 1
    assert hub.load(where, "layer", force_reload=True, skip_validation=True) == 22
    assert sorted(path.name for path in place.iterdir()) == ["somebody_nets_v1", "trusted_list"]


def test_a_hostile_archive_removes_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dear = place.parent / "dear"
    dear.mkdir()
    fetched(monkeypatch, {"../dear/": "", "../dear/hubconf.py": ""})
    with pytest.raises(ValueError, match="directory traversal"):
        hub.load("somebody/nets:v1", "layer", trust_repo=True, skip_validation=True)
    assert dear.is_dir()
    assert [path.name for path in place.iterdir()] == ["trusted_list"]
