"""Models and weights from elsewhere: `torch.hub`.

A repository offers models as functions of its file `hubconf.py`. Repositories come from GitHub (or a folder)
and stay in a folder of their own, so that a model that was loaded once needs no network; so do weights.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
import re
import shutil
import sys
import tempfile
import uuid
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlparse
from urllib.request import Request, urlopen

from .serialization.reading import load as _load_file

__all__ = ["download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir"]

_ENTRIES: Final = "hubconf.py"
_TRUSTED_OWNERS: Final = ("facebookresearch", "facebookincubator", "pytorch", "fairinternal")
_CHUNK: Final = 128 * 1024
# The first digits of a file's SHA-256 stand between the last hyphen and the dot of its name.
HASH_REGEX: Final = re.compile(r"-([a-f0-9]*)\.")


class _Place:
    chosen: str | None = None


class _Bar:
    """How far a download is, on the error stream; what programs import as `tqdm` where that is missing."""

    def __init__(self, total: float | None = None, disable: bool = False, **options: Any) -> None:
        self.total, self.disable, self.n = total, disable, 0.0

    def update(self, n: float) -> None:
        """Count what has come since."""
        self.n += n
        if not self.disable:
            shown = f"{100 * self.n / self.total:.1f}%" if self.total else f"{self.n:.1f} bytes"
            sys.stderr.write(f"\r{shown}")
            sys.stderr.flush()

    def close(self) -> None:
        """End the line."""
        if not self.disable:
            self.disable = True
            sys.stderr.write("\n")

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


# Programs import this from here, too.
tqdm: Any = importlib.import_module("tqdm").tqdm if importlib.util.find_spec("tqdm") else _Bar


def get_dir() -> str:
    """The folder where repositories and weights are kept.

    Returns:
        what `set_dir` was told, or `hub` in $TORCH_HOME, or in `torch` in $XDG_CACHE_HOME or ~/.cache.

    Example:
        >>> import cotangent as torch
        >>> torch.hub.set_dir("weights")
        >>> torch.hub.get_dir()
        'weights'
    """
    if os.getenv("TORCH_HUB"):
        warnings.warn("TORCH_HUB is deprecated, please use env TORCH_HOME instead", stacklevel=2)
    if _Place.chosen is not None:
        return _Place.chosen
    cache = os.path.join(os.getenv("XDG_CACHE_HOME", "~/.cache"), "torch")
    return os.path.join(os.path.expanduser(os.getenv("TORCH_HOME", cache)), "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    """Keep repositories and weights in another folder from now on.

    Args:
        d: the folder.

    Example:
        >>> import cotangent as torch
        >>> torch.hub.set_dir("weights")
    """
    _Place.chosen = os.path.expanduser(os.fspath(d))


def list(
    github: str, force_reload: bool = False, skip_validation: bool = False, trust_repo: Any = "check",
    verbose: bool = True,
) -> Any:  # fmt: skip
    """The names of the models that a repository on GitHub offers.

    Args:
        github: "owner/name", or "owner/name:branch".
        force_reload: whether to fetch it again.
        skip_validation: whether not to ask GitHub if the branch is the repository's own.
        trust_repo: whether its code may run: True, False or "check", which asks unless it is known.
        verbose: whether to say that a copy is used.

    Returns:
        the names of the functions in its `hubconf.py`, sorted.

    Raises:
        RuntimeError: if it can neither be fetched nor is kept.
    """
    folder = _kept(github, force_reload, trust_repo, verbose, skip_validation)
    entries = _entries(folder)
    return [name for name in dir(entries) if not name.startswith("_") and callable(getattr(entries, name))]


def help(
    github: str, model: str, force_reload: bool = False, skip_validation: bool = False,
    trust_repo: Any = "check",
) -> Any:  # fmt: skip
    """The docstring of a model that a repository on GitHub offers.

    Args:
        github: "owner/name", or "owner/name:branch".
        model: its name.
        force_reload, skip_validation, trust_repo: as for `list`.

    Returns:
        the docstring.

    Raises:
        RuntimeError: if there is no such model.
    """
    folder = _kept(github, force_reload, trust_repo, True, skip_validation)
    return _entry(_entries(folder), model).__doc__


def load(
    repo_or_dir: str | os.PathLike[str],
    model: str,
    *args: Any,
    source: str = "github",
    trust_repo: Any = "check",
    force_reload: bool = False,
    verbose: bool = True,
    skip_validation: bool = False,
    **kwargs: Any,
) -> Any:
    """Call a model's function in the `hubconf.py` of a repository.

    Args:
        repo_or_dir: "owner/name" or "owner/name:branch" on GitHub, or a folder.
        model: the function's name.
        *args: what it is called with.
        source: "github" or "local".
        trust_repo, force_reload, verbose, skip_validation: as for `list`.
        **kwargs: what else it is called with.

    Returns:
        what the function gives.

    Raises:
        ValueError: for another source.
        RuntimeError: if there is no such function, or a package is missing that the repository asks for.

    Example:
        >>> import os, tempfile
        >>> import cotangent as torch
        >>> folder = tempfile.mkdtemp()
        >>> with open(os.path.join(folder, "hubconf.py"), "w") as file:
        ...     _ = file.write("import cotangent.nn as nn\\ndef layer(size): return nn.Linear(size, 1)")
        >>> torch.hub.load(folder, "layer", size=3, source="local")
        Linear(in_features=3, out_features=1, bias=True)
    """
    source = source.lower()
    if source not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    folder = os.fspath(repo_or_dir)
    if source == "github":
        folder = _kept(folder, force_reload, trust_repo, verbose, skip_validation)
    with _importable(folder):
        return _entry(_entries(folder), model)(*args, **kwargs)


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Fetch a file; it has its name only when it is whole.

    Args:
        url: where it is.
        dst: where it shall be.
        hash_prefix: what the hexadecimal digits of its SHA-256 must begin with.
        progress: whether to show how far it is.

    Raises:
        RuntimeError: if the digits are others.
    """
    dst = os.path.expanduser(dst)
    partial = f"{dst}.{uuid.uuid4().hex}.partial"
    digest = hashlib.sha256()
    try:
        with (
            urlopen(Request(url, headers={"User-Agent": "torch.hub"})) as answer,
            open(partial, "xb") as file,
        ):
            length = answer.info().get("Content-Length")
            total = int(length) if length else None
            with tqdm(total=total, disable=not progress, unit="B", unit_scale=True, unit_divisor=1024) as bar:
                while chunk := answer.read(_CHUNK):
                    file.write(chunk)
                    digest.update(chunk)
                    bar.update(len(chunk))
        found = digest.hexdigest()
        if hash_prefix is not None and not found.startswith(hash_prefix):
            raise RuntimeError(f'invalid hash value (expected "{hash_prefix}", got "{found}")')
        os.replace(partial, dst)
    finally:
        if os.path.exists(partial):
            os.remove(partial)


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = False,
) -> Any:
    """Load a file of weights that is fetched if it is not there yet.

    Args:
        url: where it is.
        model_dir: folder to keep it in; `checkpoints` in `get_dir()` by default.
        map_location: as for `torch.load`.
        progress: whether to show how far the download is.
        check_hash: whether the file's name ends in the first digits of its SHA-256, to be compared.
        file_name: its name in the folder; the URL's by default.
        weights_only: as for `torch.load`.

    Returns:
        what the file holds.

    Raises:
        RuntimeError: if the digits are others.
    """
    if os.getenv("TORCH_MODEL_ZOO"):
        warnings.warn("TORCH_MODEL_ZOO is deprecated, please use env TORCH_HOME instead", stacklevel=2)
    folder = os.path.join(get_dir(), "checkpoints") if model_dir is None else model_dir
    os.makedirs(folder, exist_ok=True)
    name = os.path.basename(urlparse(url).path) if file_name is None else file_name
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        sys.stdout.write(f'Downloading: "{url}" to {path}\n')
        digits = HASH_REGEX.search(name) if check_hash else None
        download_url_to_file(url, path, None if digits is None else digits.group(1), progress)
    packed = _single_member(path)
    if packed is not None:
        warnings.warn(
            "Falling back to the old format < 1.6. This support will be deprecated in favor of default "
            "zipfile format introduced in 1.6. Please redo torch.save() to save it in the new zipfile "
            "format.",
            FutureWarning,
            stacklevel=2,
        )
        with zipfile.ZipFile(path) as archive:
            _unpack(archive, folder)
        path = os.path.join(folder, packed)
    return _load_file(path, map_location=map_location, weights_only=weights_only)


def _single_member(path: str) -> str | None:
    """The one file that people used to zip by hand; None for torch.save's own archives, and other files."""
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        return members[0].filename if len(members) == 1 and not members[0].is_dir() else None


# -- repositories ----------------------------------------------------------------------------------------


@contextmanager
def _importable(folder: str) -> Iterator[None]:
    """Let the repository import its own modules for a while."""
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def _entries(folder: str) -> Any:
    """The module `hubconf` of a repository, run anew."""
    spec = importlib.util.spec_from_file_location(_ENTRIES, os.path.join(folder, _ENTRIES))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with _importable(folder):
        spec.loader.exec_module(module)
    return module


def _entry(entries: Any, model: str) -> Any:
    if not isinstance(model, str):
        raise ValueError("Invalid input: model should be a string of function name")
    wanted = getattr(entries, "dependencies", None) or ()
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing:
        raise RuntimeError(f"Missing dependencies: {', '.join(missing)}")
    found = getattr(entries, model, None)
    if not callable(found):
        raise RuntimeError(f"Cannot find callable {model} in hubconf")
    return found


def _parsed(github: str) -> tuple[str, str, str]:
    """Owner, name and branch; without a branch `main`, or `master` where there is no `main`."""
    repository, _, branch = github.partition(":")
    owner, name = repository.split("/")
    if branch:
        return owner, name, branch
    try:
        with urlopen(f"https://github.com/{owner}/{name}/tree/main/"):
            return owner, name, "main"
    except HTTPError as error:
        if error.code != 404:
            raise
        return owner, name, "master"
    except URLError as error:
        for kept in ("main", "master"):
            if os.path.exists(f"{get_dir()}/{owner}_{name}_{kept}"):
                return owner, name, kept
        raise RuntimeError(
            "It looks like there is no internet connection and the repo could not be found in the cache "
            f"({get_dir()})"
        ) from error


def _kept(github: str, again: bool, trust: Any, verbose: bool, skip_validation: bool) -> str:
    """The folder of a repository, which is fetched if it is not there."""
    place = get_dir()
    os.makedirs(place, exist_ok=True)
    owner, name, branch = _parsed(github)
    flat = branch.replace("/", "_")  # a branch's name may have slashes
    folder = os.path.join(place, f"{owner}_{name}_{flat}")
    _check_trust(place, owner, name, folder, trust)
    if os.path.exists(folder) and not again:
        if verbose:
            sys.stderr.write(f"Using cache found in {folder}\n")
        return folder
    if not skip_validation:
        _check_own(owner, name, branch)
    # In a folder of its own: another process may fetch the same branch's name, and what the archive holds
    # must not replace anything that is kept.
    with tempfile.TemporaryDirectory(dir=place, prefix=".fetch-") as workshop:
        archive = os.path.join(workshop, f"{flat}.zip")
        _fetch(owner, name, branch, archive)
        with zipfile.ZipFile(archive) as packed:
            unpacked = os.path.join(workshop, packed.infolist()[0].filename)
            _unpack(packed, workshop)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.move(unpacked, folder)
    return folder


def _fetch(owner: str, name: str, branch: str, archive: str) -> None:
    url = f"https://github.com/{owner}/{name}/zipball/{branch}"
    sys.stdout.write(f'Downloading: "{url}" to {archive}\n')
    try:
        download_url_to_file(url, archive, progress=False)
    except HTTPError as error:
        if error.code != 300:  # "multiple choices": a tag and a branch of that name
            raise
        warnings.warn(
            f"The ref {branch} is ambiguous. Perhaps it is both a tag and a branch in the repo? Torchhub "
            "will now assume that it's a branch. You can disambiguate tags and branches by explicitly "
            "passing refs/heads/branch_name or refs/tags/tag_name as the ref. That might require using "
            "skip_validation=True.",
            stacklevel=2,
        )
        download_url_to_file(
            f"https://github.com/{owner}/{name}/zipball/refs/heads/{branch}", archive, progress=False
        )


def _unpack(packed: zipfile.ZipFile, place: str) -> None:
    """Unpack an archive, unless it names files outside of the folder."""
    for member in packed.infolist():
        path = member.filename
        if path.startswith(("/", "\\")) or (len(path) > 1 and path[1] == ":"):
            raise ValueError(f"Archive entry has absolute path: {path}")
        if ".." in path.replace("\\", "/").split("/"):
            raise ValueError(f"Archive entry contains directory traversal: {path}")
    packed.extractall(place)


def _check_own(owner: str, name: str, branch: str) -> None:
    """Raise unless the repository itself has that branch, tag or commit: GitHub also gives those of forks."""
    headers = {"Accept": "application/vnd.github.v3+json"}
    token = os.environ.get("GITHUB_TOKEN")
    if token is not None:
        headers["Authorization"] = f"token {token}"
    for kind in ("branches", "tags"):
        page = 0
        while True:
            page += 1
            url = f"https://api.github.com/repos/{owner}/{name}/{kind}?per_page=100&page={page}"
            try:
                found = _read_json(url, headers)
            except HTTPError:
                if headers.pop("Authorization", None) is None:
                    raise
                found = _read_json(url, headers)
            if not found:
                break
            if any(one["name"] == branch or one["commit"]["sha"].startswith(branch) for one in found):
                return
    raise ValueError(
        f"Cannot find {branch} in https://github.com/{owner}/{name}. If it's a commit from a forked repo, "
        "please call hub.load() with forked repo directly."
    )


def _read_json(url: str, headers: dict[str, str]) -> Any:
    with urlopen(Request(url, headers=headers)) as answer:
        return json.loads(answer.read().decode(answer.headers.get_content_charset("utf-8")))


def _check_trust(place: str, owner: str, name: str, folder: str, trust: Any) -> None:
    """Ask whether code of the repository may run, unless that is known; note what is trusted."""
    noted = Path(place, "trusted_list")
    noted.touch()
    repository = f"{owner}_{name}"
    trusted = repository in noted.read_text().split("\n") or os.path.isdir(folder) or owner in _TRUSTED_OWNERS
    if trust is False or (trust == "check" and not trusted):
        answer = input(
            f"The repository {repository} does not belong to the list of trusted repositories and as such "
            "cannot be downloaded. Do you trust this repository and wish to add it to the trusted list of "
            "repositories (y/N)?"
        )
        if answer.lower() in ("n", "no", ""):
            raise Exception("Untrusted repository.")
        if answer.lower() not in ("y", "yes"):
            raise ValueError(f"Unrecognized response {answer}.")
        if trusted:
            print("The repository is already trusted.")
    if not trusted:
        with noted.open("a") as file:
            file.write(f"{repository}\n")
