"""A few seconds of `tools/stress.py`: threads, forks and interrupts around compiled training."""

import re
import subprocess
import sys

from running import PROJECT


def test_some_seconds_of_everything_at_once() -> None:
    command = [sys.executable, str(PROJECT / "tools" / "stress.py"), "3", "--threads", "4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"(\d+) steps, \d+ interrupts, (\d+) children, 0 errors", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert int(found[1]) > 2
    assert int(found[2]) > 0
