"""The launcher's options. What is started is a shell, which takes less time to start than Python does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from running import PROJECT

from cotangent.distributed.run import main

SAYS = ["--no-python", "sh", "-c", "echo out $RANK; echo err $RANK >&2"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def logged(folder: Path, attempt: int = 0) -> dict[str, str]:
    """What the files of an attempt hold, by their names below it."""
    (place,) = folder.glob(f"*/attempt_{attempt}")
    return {str(file.relative_to(place)): file.read_text() for file in sorted(place.rglob("*.log"))}


@pytest.mark.parametrize("options, files, out, err", [
    ([], {}, {"out 0", "out 1"}, {"err 0", "err 1"}),
    (["-r", "3"], {"0/stdout.log", "0/stderr.log", "1/stdout.log", "1/stderr.log"}, set(), set()),
    (["--redirects=0:1,1:2"], {"0/stdout.log", "1/stderr.log"}, {"out 1"}, {"err 0"}),
    (["--tee", "1", "--role=tr"], {"0/stdout.log", "1/stdout.log"}, {"[tr0]:out 0", "[tr1]:out 1"},
     {"err 0", "err 1"}),
    (["--tee=0:2", "--local_ranks_filter=0"], {"0/stderr.log", "1/stdout.log", "1/stderr.log"}, {"out 0"},
     {"[default0]:err 0"}),
    (["--local-ranks-filter=1", "-t1", "--duplicate-stdout-filters=t 0,none"],
     {"0/stdout.log", "1/stdout.log", "0/stderr.log", "filtered_stdout.log"}, {"[default1]:out 1"},
     {"err 1"}),
])  # fmt: skip
def test_where_output_goes(
    here: Path, capfd: pytest.CaptureFixture[str], options: list[str], files: set[str], out: set[str],
    err: set[str],
) -> None:  # fmt: skip
    assert main(["--nproc-per-node=2", "--log-dir=logs", *options, *SAYS]) == 0
    told = capfd.readouterr()
    assert set(told.out.split("\n")) - {""} == out and set(told.err.split("\n")) - {""} == err
    found = logged(here / "logs")
    assert set(found) == set(files)
    for name, text in found.items():
        rank, _, stream = name.partition("/")
        assert text == ("[default0]:out 0\n" if name.startswith("filtered") else f"{stream[3:6]} {rank}\n")


def test_files_of_each_attempt(here: Path) -> None:
    script = "printf 'no end of line'; exit $((1 - TORCHELASTIC_RESTART_COUNT))"
    assert main(["--log-dir=logs", "-r1", "--max-restarts=1", "--no-python", "sh", "-c", script]) == 0
    for attempt in (0, 1):
        assert logged(here / "logs", attempt) == {"0/stdout.log": "no end of line"}


def test_options_from_the_environment(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"NPROC_PER_NODE": "2", "TEE": "1", "NO_PYTHON": "1", "ROLE": "way"}.items():
        monkeypatch.setenv(f"PET_{name}", value)
    assert main(["sh", "-c", "echo $ROLE_NAME $ROLE_RANK $ROLE_WORLD_SIZE $LOCAL_RANK $MASTER_ADDR"]) == 0
    assert sorted(capfd.readouterr().out.splitlines()) == [
        f"[way{rank}]:way {rank} 2 {rank} 127.0.0.1" for rank in range(2)
    ]
    assert (
        main(["--role=other", "--nproc-per-node=1", "--virtual-local-rank", "sh", "-c", "echo $ROLE_NAME"])
        == 0
    )
    assert capfd.readouterr().out == "[other0]:other\n"


@pytest.mark.parametrize("options, kind, text", [
    (["-r", "7"], ValueError, "7 does not match: <^[0123]$> or <^"),
    (["-t", "a:1"], ValueError, "a:1 does not match"),
    (["--local-ranks-filter=a"], ValueError, "--local_ranks_filter must be a comma-separated list of"),
    (["--nproc-per-node=x"], ValueError, "Unsupported nproc_per_node value: x"),
    (["--nproc-per-node=gpu"], ValueError, "Cuda is not available."),
    (["--nnodes=1:2:3"], RuntimeError, 'nnodes=1:2:3 is not in "MIN:MAX" format'),
    (["--nnodes=0"], AssertionError, "min_nodes must be > 0 and <= max_nodes, got min_nodes=0, max_nodes=0"),
    (["--max-restarts=-1"], AssertionError, "max_restarts must be >= 0"),
    (["-m"], ValueError, "Don't use both the '--no-python' flag and the '--module' flag at the same time."),
    (["--start-method=bad"], SystemExit, "2"),
])  # fmt: skip
def test_options_that_are_refused(options: list[str], kind: type[BaseException], text: str) -> None:
    with pytest.raises(kind) as found:
        main([*options, *SAYS])
    assert text in str(found.value)


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cotangent.distributed.run", *arguments]
    environment: dict[str, Any] = {**os.environ, "PYTHONPATH": str(PROJECT / "src")}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_signal_ends_the_ranks() -> None:
    launcher = start(
        "--no-python", "sh", "-c", "trap 'echo told; exit 0' TERM; echo $$; while :; do sleep 0.1; done"
    )
    assert launcher.stdout is not None
    rank = int(launcher.stdout.readline())
    launcher.send_signal(signal.SIGTERM)
    out, err = launcher.communicate(timeout=60)
    assert launcher.returncode == 1 and out == "told\n" and "the launcher got signal SIGTERM" in err
    with pytest.raises(ProcessLookupError):
        os.kill(rank, 0)


def test_ranks_that_do_not_end_are_killed(here: Path) -> None:
    fails = "while [ ! -e ready ]; do sleep 0.05; done; exit 3"
    stays = "trap '' TERM; touch ready; while :; do sleep 0.1; done"
    script = f"if [ $RANK = 1 ]; then {fails}; fi; {stays}"
    begin = time.monotonic()
    launcher = start("--nproc-per-node=2", "--shutdown-timeout=1", "--no-python", "sh", "-c", script)
    _, err = launcher.communicate(timeout=60)
    assert launcher.returncode == 1 and "rank 1" in err and "exit code 3" in err
    assert time.monotonic() - begin > 1.0


def test_modules_and_the_launcher_before_torchrun(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here / "tells.py").write_text("import sys, torch\nprint(torch.__spec__.name, *sys.argv[1:])\n")
    with pytest.warns(FutureWarning, match=r"The module torch.distributed.launch is deprecated"):
        from cotangent.distributed import launch

        assert launch.main(["tells.py", "a"]) == 0
    assert capfd.readouterr().out == "cotangent --local-rank=0 a\n"
    assert main(["-m", "tells", "b"]) == 0
    assert capfd.readouterr().out == "cotangent b\n"
