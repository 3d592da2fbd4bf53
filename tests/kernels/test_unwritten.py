"""Memory that one step frees and the next one takes again."""

import sys

import pytest
from running import RunPython

PROGRAM = """
import resource
import numpy as np
from cotangent.kernels.unwritten import keep_pages
keep_pages()
def step():
    blocks = [np.ones(4096, np.float32) for _ in range(600)]
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator gives pages back")
def test_freed_pages_are_kept(run_python: RunPython) -> None:
    # Without the call it is some 2,400, wherever the end of the heap is free.
    assert int(run_python("-c", PROGRAM).stdout) < 100


def test_an_operation_sees_to_it(run_python: RunPython) -> None:
    program = (
        "from cotangent.kernels.unwritten import keep_pages\nimport cotangent as torch\n"
        "print(keep_pages.cache_info().currsize)\ntorch.ones(2) + 1\nprint(keep_pages.cache_info().currsize)"
    )
    assert run_python("-c", program).stdout == "0\n1\n"
