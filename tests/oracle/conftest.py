"""These tests hold cotangent against PyTorch itself; without PyTorch there is nothing to collect here."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") else ["test_*.py"]
