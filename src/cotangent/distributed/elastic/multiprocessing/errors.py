"""How a rank tells the launcher what it has failed with: in the file that TORCHELASTIC_ERROR_FILE names."""

from __future__ import annotations

import functools
import json
import os
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["ErrorHandler", "record"]


class ErrorHandler:
    """Writes down what a function has failed with, where a launcher has named a file for it."""

    def initialize(self) -> None:
        """Called before the function."""

    def record_exception(self, e: BaseException) -> None:
        """Write an exception down.

        Args:
            e: the exception.
        """
        name = os.environ.get("TORCHELASTIC_ERROR_FILE")
        if not name:
            return
        told = {
            "message": f"{type(e).__name__}: {e}",
            "extraInfo": {
                "py_callstack": "".join(traceback.format_exception(e)), "timestamp": str(int(time.time())),
            },
        }  # fmt: skip
        Path(name).write_text(json.dumps({"message": told}), encoding="utf-8")


def record(fn: Callable[..., Any], error_handler: ErrorHandler | None = None) -> Callable[..., Any]:
    """Let the launcher know with what exception a rank's main function ends.

    Args:
        fn: the function.
        error_handler: what writes it down.

    Returns:
        a function that does the same; what `fn` raises, it raises, too.

    Example:
        >>> from cotangent.distributed.elastic.multiprocessing.errors import record
        >>> @record
        ... def main():
        ...     return 3
        >>> main()
        3
    """
    handler = error_handler or ErrorHandler()

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        handler.initialize()
        try:
            return fn(*args, **kwargs)
        except Exception as error:  # not SystemExit: its status says what there is to say
            handler.record_exception(error)
            raise

    return wrapper
