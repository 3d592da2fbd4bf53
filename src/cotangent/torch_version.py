"""`torch.__version__` as programs compare it: a string ordered as a version (`torch.torch_version`).

Where `import torch` means cotangent, `torch.__version__` names the PyTorch whose behaviour this is, because
that is what programs ask it for. The order of versions is that of PEP 440.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

__all__ = ["TorchVersion"]

_FORM: Final = re.compile(
    r"""\s*v?
    (?:(?P<epoch>\d+)!)?
    (?P<release>\d+(?:\.\d+)*)
    (?:[-_.]?(?P<pre>alpha|beta|preview|pre|rc|a|b|c)[-_.]?(?P<pre_number>\d*))?
    (?P<post>-(?P<post_bare>\d+)|[-_.]?(?:post|rev|r)[-_.]?(?P<post_number>\d*))?
    (?P<dev>[-_.]?dev[-_.]?(?P<dev_number>\d*))?
    (?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?
    \s*""",
    re.VERBOSE | re.IGNORECASE,
)
# Before all and after all numbered parts.
_FIRST: Final = (-1,)
_LAST: Final = (1 << 60,)
_PRE: Final = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}


def _key(text: str) -> tuple[Any, ...]:
    """What orders `text` among versions; ValueError if it is none."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"Invalid version: '{text}'")
    release = [int(part) for part in found["release"].split(".")]
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    dev = found["dev"] is not None
    post = found["post"] is not None
    pre: tuple[Any, ...] = _LAST
    if found["pre"] is not None:
        letters = found["pre"].lower()
        # 0, 1, 2 for a, b, rc: within (-1,) and (1 << 60,)
        pre = (["a", "b", "rc"].index(_PRE.get(letters, letters)), int(found["pre_number"] or 0))
    elif dev and not post:
        pre = _FIRST
    number = found["post_bare"] or found["post_number"] or 0
    return (
        int(found["epoch"] or 0),
        tuple(release),
        pre,
        (int(number),) if post else _FIRST,
        (int(found["dev_number"] or 0),) if dev else _LAST,
        # numbers are after words, and a longer label is after its beginning
        tuple(
            (1, int(part), "") if part.isdigit() else (0, 0, part.lower())
            for part in re.split("[-_.]", found["local"] or "")
            if part
        ),
    )


def _comparison(name: str) -> Callable[[TorchVersion, Any], Any]:
    of_tuples = getattr(tuple, name)
    of_strings = getattr(str, name)

    def compare(self: TorchVersion, other: Any) -> Any:
        if not isinstance(other, str):
            release = getattr(other, "release", None)
            if isinstance(release, tuple):
                other = str(other)  # `packaging.version.Version`
            elif hasattr(other, "__iter__"):
                other = ".".join(str(part) for part in other)
            else:
                return NotImplemented
        try:
            return of_tuples(_key(str(self)), _key(other))
        except ValueError:  # no version: as strings
            return of_strings(self, other)

    compare.__name__ = name
    return compare


class TorchVersion(str):
    """A string that is compared as a version with strings, tuples, and versions of `packaging`.

    Example:
        >>> from cotangent.torch_version import TorchVersion
        >>> version = TorchVersion("2.13.0+cpu")
        >>> version >= "2.5", version > (2, 5), version < "2.13", version == "2.13.0+cpu"
        (True, True, False, True)
    """

    __slots__ = ()
    __hash__ = str.__hash__
    __lt__ = _comparison("__lt__")
    __le__ = _comparison("__le__")
    __gt__ = _comparison("__gt__")
    __ge__ = _comparison("__ge__")
    __eq__ = _comparison("__eq__")
    __ne__ = _comparison("__ne__")


# PyTorch's own name of the version whose behaviour this package has.
PYTORCH: Final = TorchVersion("2.13.0+cpu")
