"""The launcher: `python -m cotangent.distributed.run [options] script.py [arguments]`, as torchrun.

It starts the ranks of this node, tells each its place through the environment, and when one fails ends the
others and, up to `--max-restarts` times, starts all of them again. `torch` is cotangent in what it starts.
Of a main function under `elastic.multiprocessing.errors.record` it repeats the exception.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from .store import DistNetworkError, TCPStore

__all__ = ["main"]

_PATIENCE: Final = 10.0  # seconds that ranks get to end by themselves


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cotangent.distributed.run", description="Start the processes of a distributed program."
    )

    def add(*names: str, **options: Any) -> None:
        parser.add_argument(
            *names, *(n.replace("-", "_").replace("__", "--", 1) for n in names if "-" in n[2:]), **options
        )

    add("--nnodes", default="1", help="number of nodes, or MIN:MAX, of which MIN is taken")
    add("--nproc-per-node", default="1", help="ranks on this node: a number, 'cpu' or 'auto' (one a core)")
    add("--node-rank", type=int, help="number of this node; 0, or with --rdzv-backend=c10d as they come")
    add("--master-addr", default="127.0.0.1", help="address of node 0")
    add("--master-port", type=int, default=29500, help="port of the store on node 0")
    add("--rdzv-endpoint", default="", help="HOST:PORT, instead of --master-addr and --master-port")
    add("--rdzv-backend", default="static", help="c10d: nodes meet in a store at --rdzv-endpoint")
    add("--rdzv-id", default="none", help="name of the job")
    add("--rdzv-conf", default="", help="accepted")
    add("--standalone", action="store_true", help="one node, at a free port")
    add("--max-restarts", type=int, default=0, help="how often to start again after a failure")
    add("--monitor-interval", type=float, default=0.1, help="seconds between looks at the ranks")
    add("-m", "--module", action="store_true", help="the script is the name of a module")
    add("--no-python", action="store_true", help="the script is a program of its own")
    parser.add_argument("script", help="the program")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="its arguments")
    return parser


def _ranks(text: str) -> int:
    if text in ("cpu", "auto"):
        return os.cpu_count() or 1
    if not text.isdecimal() or not int(text):
        raise SystemExit(f"--nproc-per-node: a positive number, 'cpu' or 'auto', got {text!r}")
    return int(text)


def _command(options: argparse.Namespace) -> list[str]:
    if options.no_python:
        return [options.script, *options.arguments]
    if options.module:
        code = (
            "import sys, runpy; from cotangent.torch_alias import install; install(); "
            "sys.argv[:] = sys.argv[1:]; runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
        )
        return [sys.executable, "-u", "-c", code, options.script, *options.arguments]
    return [sys.executable, "-u", "-m", "cotangent", options.script, *options.arguments]


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
        own = options.store.own_address
        options.served = TCPStore(own, 0, None, True)
        options.store.set(place, f"{own} {options.served.port}")
    options.master_addr, port = options.store.get(place).decode().split()
    options.master_port = int(port)


def _start(
    options: argparse.Namespace, count: int, nodes: int, restarts: int, errors: Path
) -> list[subprocess.Popen[bytes]]:
    processes = []
    for local in range(count):
        environment = {
            **os.environ,
            "LOCAL_RANK": str(local),
            "RANK": str(options.node_rank * count + local),
            "GROUP_RANK": str(options.node_rank),
            "LOCAL_WORLD_SIZE": str(count),
            "WORLD_SIZE": str(count * nodes),
            "GROUP_WORLD_SIZE": str(nodes),
            "MASTER_ADDR": options.master_addr,
            "MASTER_PORT": str(options.master_port),
            "TORCHELASTIC_RESTART_COUNT": str(restarts),
            "TORCHELASTIC_MAX_RESTARTS": str(options.max_restarts),
            "TORCHELASTIC_RUN_ID": options.rdzv_id,
            "TORCHELASTIC_USE_AGENT_STORE": str(options.agent_store),
            "TORCHELASTIC_ERROR_FILE": str(errors / f"{restarts}.{local}.json"),
        }
        if count > 1:
            environment.setdefault("OMP_NUM_THREADS", "1")
        processes.append(subprocess.Popen(_command(options), env=environment))
    return processes


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()
    limit = time.monotonic() + _PATIENCE
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


def main(arguments: list[str] | None = None) -> int:
    """Run the launcher.

    Args:
        arguments: of the command line.

    Returns:
        0, or 1 if a rank has failed for good.

    Example:
        >>> from cotangent.distributed.run import main
        >>> main(["--nproc-per-node=2", "--no-python", "true"])
        0
    """
    options = _parser().parse_args(arguments)
    nodes, count = int(options.nnodes.partition(":")[0]), _ranks(options.nproc_per_node)
    if options.rdzv_endpoint:
        host, _, port = options.rdzv_endpoint.partition(":")
        options.master_addr, options.master_port = options.endpoint = host, int(port or 29400)
    meeting = options.rdzv_backend == "c10d" and options.node_rank is None and nodes > 1
    if meeting and not options.rdzv_endpoint:
        raise SystemExit("--rdzv-backend=c10d: several nodes need --rdzv-endpoint=HOST:PORT")
    options.store, options.node_rank = None, options.node_rank or 0
    if options.standalone:
        nodes, options.node_rank, options.master_addr = 1, 0, "127.0.0.1"
        options.rdzv_id = secrets.token_hex(4)
    with tempfile.TemporaryDirectory(prefix="torchelastic_") as errors:
        return _run(options, count, nodes, meeting, Path(errors))


def _run(options: argparse.Namespace, count: int, nodes: int, meeting: bool, errors: Path) -> int:
    # A launcher that chooses the port serves the store itself: nobody else can take the port before rank 0.
    options.agent_store, options.served = options.standalone or meeting, None
    for restarts in range(options.max_restarts + 1):
        if options.standalone:
            options.served = TCPStore(options.master_addr, 0, None, True)
            options.master_port = options.served.port
        elif meeting:
            _met(options, restarts)
        processes = _start(options, count, nodes, restarts, errors)
        try:
            failed = _watched(processes, options.monitor_interval)
        finally:
            _end(processes)
        if failed is None:
            return 0
        number, code = failed
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        rank = options.node_rank * count + number
        left = options.max_restarts - restarts
        print(
            f"rank {rank} (local {number}, pid {processes[number].pid}) of {options.script} failed with"
            f" {how}{_told(errors / f'{restarts}.{number}.json')}; "
            + (f"starting all ranks again, {left} times left" if left else "the others were ended"),
            file=sys.stderr,
            flush=True,
        )
    return 1


if __name__ == "__main__":
    sys.exit(main())
