"""Where the checkout is, and the type of the fixture that runs programs in fresh processes."""

import subprocess
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
RunPython = Callable[..., subprocess.CompletedProcess[str]]
