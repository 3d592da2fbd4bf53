"""The launcher: `python -m cotangent.distributed.run [options] script.py [arguments]`, as torchrun.

It starts the ranks of this node, tells each its place through the environment, and when one fails ends the
others and, up to `--max-restarts` times, starts all of them again. `torch` is cotangent in what it starts.
Of a main function under `elastic.multiprocessing.errors.record` it repeats the exception. An option that is
not given is taken from the environment: `PET_NPROC_PER_NODE=2` is `--nproc-per-node=2`.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

from .elastic.logs import Logs, streams
from .store import DistNetworkError
from .tcp_store import TCPStore

__all__ = ["main"]

_PATIENCE: Final = "30"  # seconds that ranks get to end by themselves


class _Signalled(BaseException):
    """The launcher has been told to end."""


class _Signals:
    """Lets signals end the launcher, but not while it starts ranks, of which it would lose one.

    Args:
        names: of the signals, with commas between them.
    """

    def __init__(self, names: str) -> None:
        self.came = 0
        self._held = False
        self._before: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for name in names.split(","):
                number = getattr(signal, name.strip(), None)
                if number is not None:
                    self._before[int(number)] = signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.came = number
        if not self._held:
            raise _Signalled

    @contextmanager
    def held(self) -> Iterator[None]:
        """Signals that come meanwhile take effect at the end."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
            if self.came:
                raise _Signalled

    def close(self) -> None:
        """Handle signals as before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _listed(text: str) -> list[str]:
    """Texts between commas; two commas stand for one within a text."""
    return [part.replace("\0", ",") for part in text.replace(",,", "\0").split(",") if part]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cotangent.distributed.run", description="Start the processes of a distributed program."
    )

    def add(*names: str, **options: Any) -> None:
        variable = f"PET_{max(names, key=len).lstrip('-').replace('-', '_').upper()}"
        if options.get("action") == "store_true":
            options["default"] = bool(int(os.environ.get(variable, "0")))
        else:
            options["default"] = os.environ.get(variable, options.get("default"))
        parser.add_argument(
            *names, *(n.replace("-", "_").replace("__", "--", 1) for n in names if "-" in n[2:]), **options
        )

    add("--nnodes", default="1:1", help="number of nodes, or MIN:MAX, of which MIN is taken")
    add("--nproc-per-node", default="1", help="ranks on this node: a number, 'cpu' or 'auto' (one a core)")
    add("--node-rank", type=int, help="number of this node; 0, or with --rdzv-backend=c10d as they come")
    add("--master-addr", default="127.0.0.1", help="address of node 0")
    add(
        "--master-port",
        type=int,
        help="port of the store on node 0; 29500, or a free one if it is the only node",
    )
    add("--local-addr", help="address by which the others reach this node, if it is node 0")
    add("--rdzv-endpoint", default="", help="HOST:PORT, instead of --master-addr and --master-port")
    add("--rdzv-backend", default="static", help="c10d: nodes meet in a store at --rdzv-endpoint")
    add("--rdzv-id", default="none", help="name of the job")
    add("--rdzv-conf", default="", help="accepted")
    add("--standalone", action="store_true", help="one node, at a free port")
    add("--max-restarts", type=int, default=0, help="how often to start again after a failure")
    add("--monitor-interval", type=float, default=0.1, help="seconds between looks at the ranks")
    add("--start-method", default="spawn", choices=["spawn", "fork", "forkserver"],
        help="accepted: programs are always started anew")  # fmt: skip
    add("--role", default="default", help="name of what the ranks do, which they find in ROLE_NAME")
    add("--event-log-handler", default="null", help="accepted")
    add("--log-dir", help="folder for the files of --redirects and --tee")
    add("-r", "--redirects", default="0", help="1 stdout, 2 stderr, 3 both go to files; or RANK:NUMBER,...")
    add("-t", "--tee", default="0", help="what goes to files and to the terminal, as --redirects")
    add("--local-ranks-filter", default="", help="numbers of the ranks whose output is shown")
    add("--duplicate-stdout-filters", type=_listed, default=[],
        help="with --tee: lines with one of these texts go to filtered_stdout.log, too")  # fmt: skip
    add("--duplicate-stderr-filters", type=_listed, default=[], help="likewise")
    add("--signals-to-handle", default="SIGTERM,SIGINT,SIGHUP,SIGQUIT",
        help="signals that are passed on to the ranks, and end the launcher")  # fmt: skip
    add("--shutdown-timeout", type=float, default=os.environ.get("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", _PATIENCE),
        help="seconds that ranks get to end before they are killed")  # fmt: skip
    add("--virtual-local-rank", action="store_true", help="LOCAL_RANK is 0 for all ranks")
    add("-m", "--module", action="store_true", help="the script is the name of a module")
    add("--no-python", action="store_true", help="the script is a program of its own")
    add("--run-path", action="store_true", help="accepted: scripts are run so; goes before --no-python")
    parser.add_argument("script", help="the program")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="its arguments")
    return parser


def _ranks(text: str) -> int:
    if text in ("cpu", "auto"):
        return os.cpu_count() or 1
    if text in ("gpu", "xpu"):
        raise ValueError(f"{'Cuda' if text == 'gpu' else 'Xpu'} is not available.")
    try:
        count = int(text)
    except ValueError:
        raise ValueError(f"Unsupported nproc_per_node value: {text}") from None
    if count < 1:
        raise AssertionError(f"nproc_per_node must be > 0, got {count}")
    return count


def _nodes(text: str) -> tuple[int, int]:
    """The least and the greatest number of nodes."""
    ends = [int(part) for part in text.split(":")]
    if len(ends) > 2:
        raise RuntimeError(f'nnodes={text} is not in "MIN:MAX" format')
    if not 0 < ends[0] <= ends[-1]:
        raise AssertionError(
            f"min_nodes must be > 0 and <= max_nodes, got min_nodes={ends[0]}, max_nodes={ends[-1]}"
        )
    return ends[0], ends[-1]


def _shown(text: str) -> set[int] | None:
    """The ranks whose output is shown."""
    try:
        return {int(part) for part in text.split(",")} if text else None
    except ValueError as error:
        raise ValueError(
            "--local_ranks_filter must be a comma-separated list of integers e.g. --local_ranks_filter=0,1,2"
        ) from error


def _command(options: argparse.Namespace, local: int) -> list[str]:
    arguments = options.arguments if options.use_env else [f"--local-rank={local}", *options.arguments]
    if options.no_python and options.module:
        raise ValueError("Don't use both the '--no-python' flag and the '--module' flag at the same time.")
    if options.no_python and not options.run_path:
        return [options.script, *arguments]
    python = [os.environ.get("PYTHON_EXEC", sys.executable), "-u"]
    if options.module:
        code = (
            "import sys, runpy; from cotangent.torch_alias import install; install(); "
            "sys.argv[:] = sys.argv[1:]; runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
        )
        return [*python, "-c", code, options.script, *arguments]
    return [*python, "-m", "cotangent", options.script, *arguments]


def _met(options: argparse.Namespace, restarts: int) -> None:
    """Find this node's number, and the address of node 0, through the store at the endpoint."""
    if options.store is None:
        host, port = options.endpoint
        try:
            options.store = TCPStore(host, port, None, True)
        except DistNetworkError:  # another node serves it, or another launcher on this one
            options.store = TCPStore(host, port, None, False)
    place = f"{options.rdzv_id}/{restarts}"
    options.node_rank = options.store.add(f"{place}/nodes", 1) - 1
    if options.node_rank == 0:
        own = options.local_addr or options.store.own_address
        options.served = TCPStore(own, 0, None, True)
        options.store.set(place, f"{own} {options.served.port}")
    options.master_addr, port = options.store.get(place).decode().split()
    options.master_port = int(port)


def _start(
    options: argparse.Namespace, count: int, nodes: int, restarts: int, logs: Logs,
    processes: list[subprocess.Popen[bytes]],
) -> None:  # fmt: skip
    for local in range(count):
        rank, size = str(options.node_rank * count + local), str(count * nodes)
        environment = {
            **os.environ,
            "LOCAL_RANK": "0" if options.virtual_local_rank else str(local),
            "RANK": rank,
            "GROUP_RANK": str(options.node_rank),
            "ROLE_RANK": rank,
            "ROLE_NAME": options.role,
            "LOCAL_WORLD_SIZE": str(count),
            "WORLD_SIZE": size,
            "GROUP_WORLD_SIZE": str(nodes),
            "ROLE_WORLD_SIZE": size,
            "MASTER_ADDR": options.master_addr,
            "MASTER_PORT": str(options.master_port),
            "TORCHELASTIC_RESTART_COUNT": str(restarts),
            "TORCHELASTIC_MAX_RESTARTS": str(options.max_restarts),
            "TORCHELASTIC_RUN_ID": options.rdzv_id,
            "TORCHELASTIC_USE_AGENT_STORE": str(options.agent_store),
            "TORCHELASTIC_ERROR_FILE": str(logs.place(restarts, local) / "error.json"),
            "TORCHELASTIC_SIGNALS_TO_HANDLE": options.signals_to_handle,
        }
        if count > 1:
            environment.setdefault("OMP_NUM_THREADS", "1")
        files = logs.files(restarts, local, f"[{options.role}{local}]:")
        command = _command(options, local)
        processes.append(subprocess.Popen(command, env=environment, stdout=files[0], stderr=files[1]))
        for file in files:
            if file is not None:
                file.close()
    logs.begin()


def _end(processes: list[subprocess.Popen[bytes]], patience: float, number: int = signal.SIGTERM) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(number)
    limit = time.monotonic() + patience
    for process in processes:
        try:
            process.wait(max(0.0, limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _watched(processes: list[subprocess.Popen[bytes]], interval: float) -> tuple[int, int] | None:
    """Wait for the ranks; the first that fails, and its status, if one does."""
    while True:
        codes = [process.poll() for process in processes]
        for number, code in enumerate(codes):
            if code:
                return number, code
        if all(code == 0 for code in codes):
            return None
        time.sleep(interval)


def _told(file: Path) -> str:
    """The exception that a rank has written down."""
    try:
        return f": {json.loads(file.read_text(encoding='utf-8'))['message']['message']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""  # it has not, or not to the end


def main(arguments: list[str] | None = None, use_env: bool = True) -> int:
    """Run the launcher.

    Args:
        arguments: of the command line.
        use_env: whether ranks find their numbers in the environment; else, as programs for the launcher
            before torchrun expect it, `--local-rank=N` stands before their arguments unless `--use-env` does.

    Returns:
        0, or 1 if a rank has failed for good.

    Raises:
        ValueError, AssertionError, RuntimeError: for options that cannot be.

    Example:
        >>> from cotangent.distributed.run import main
        >>> main(["--nproc-per-node=2", "--no-python", "true"])
        0
    """
    parser = _parser()
    if use_env:
        parser.set_defaults(use_env=True)
    else:
        parser.add_argument("--use-env", "--use_env", action="store_true", help="no --local-rank=N")
    options = parser.parse_args(arguments)
    if options.no_python and not options.use_env:
        raise ValueError("When using the '--no-python' flag, you must also set the '--use-env' flag.")
    (nodes, most), count = _nodes(options.nnodes), _ranks(options.nproc_per_node)
    if options.max_restarts < 0:
        raise AssertionError("max_restarts must be >= 0")
    if options.rdzv_endpoint:
        host, _, port = options.rdzv_endpoint.partition(":")
        options.master_addr, options.master_port = options.endpoint = host, int(port or 29400)
    elif most == 1 and options.rdzv_backend == "static" and options.master_port is None:
        options.standalone = True
    meeting = options.rdzv_backend == "c10d" and options.node_rank is None and nodes > 1
    if meeting and not options.rdzv_endpoint:
        raise ValueError("--rdzv-backend=c10d: several nodes need --rdzv-endpoint=HOST:PORT")
    options.store, options.node_rank = None, options.node_rank or 0
    if options.standalone:
        nodes, options.node_rank, options.master_addr = 1, 0, "127.0.0.1"
        options.rdzv_id = secrets.token_hex(4)
    elif options.master_port is None:
        options.master_port = 29500
    logs = Logs(
        options.log_dir, options.rdzv_id, streams(options.redirects, count), streams(options.tee, count),
        _shown(options.local_ranks_filter),
        (options.duplicate_stdout_filters, options.duplicate_stderr_filters),
    )  # fmt: skip
    signals = _Signals(options.signals_to_handle)
    try:
        return _run(options, count, nodes, meeting, logs, signals)
    except _Signalled:
        name = signal.Signals(signals.came).name
        print(
            f"the launcher got signal {name}, which was passed on to all ranks", file=sys.stderr, flush=True
        )
        return 1
    finally:
        signals.close()
        logs.close()


def _run(
    options: argparse.Namespace, count: int, nodes: int, meeting: bool, logs: Logs, signals: _Signals
) -> int:
    # A launcher that chooses the port serves the store itself: nobody else can take the port before rank 0.
    options.agent_store, options.served = options.standalone or meeting, None
    for restarts in range(options.max_restarts + 1):
        if options.standalone:
            options.served = TCPStore(options.master_addr, 0, None, True)
            options.master_port = options.served.port
        elif meeting:
            _met(options, restarts)
        processes: list[subprocess.Popen[bytes]] = []
        try:
            with signals.held():
                _start(options, count, nodes, restarts, logs, processes)
            failed = _watched(processes, options.monitor_interval)
        finally:
            _end(processes, options.shutdown_timeout, signals.came or signal.SIGTERM)
            logs.end()
        if failed is None:
            return 0
        number, code = failed
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        rank = options.node_rank * count + number
        left = options.max_restarts - restarts
        print(
            f"rank {rank} (local {number}, pid {processes[number].pid}) of {options.script} failed with"
            f" {how}{_told(logs.place(restarts, number) / 'error.json')}; "
            + (f"starting all ranks again, {left} times left" if left else "the others were ended"),
            file=sys.stderr,
            flush=True,
        )
    return 1


if __name__ == "__main__":
    sys.exit(main())
