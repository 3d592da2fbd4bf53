"""`python -m cotangent.distributed.launch`: the launcher before torchrun, which hands `--local-rank=N` on."""

from __future__ import annotations

import sys
import warnings

from .run import main as run

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the launcher as torchrun does, with a first argument for the script that tells its number.

    Args:
        arguments: of the command line.

    Returns:
        0, or 1 if a rank has failed for good.

    Raises:
        ValueError: for `--no-python` without `--use-env`.

    Example:
        >>> import warnings
        >>> from cotangent.distributed.launch import main
        >>> with warnings.catch_warnings(action="ignore"):
        ...     main(["--no-python", "--use-env", "true"])
        0
    """
    warnings.warn(
        "The module torch.distributed.launch is deprecated\nand will be removed in future. Use torchrun.\n"
        "Note that --use-env is set by default in torchrun.\nIf your script expects `--local-rank`"
        " argument to be set, please\nchange it to read from `os.environ['LOCAL_RANK']` instead.",
        FutureWarning,
        stacklevel=2,
    )
    return run(arguments, use_env=False)


if __name__ == "__main__":
    sys.exit(main())
