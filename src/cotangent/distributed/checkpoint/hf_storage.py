"""Checkpoints as Hugging Face's libraries keep them: whole tensors in safetensors files, and an index.

The layout is that of https://huggingface.co/docs/safetensors and of their `model.safetensors.index.json`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

import numpy as np

from ... import lazy
from .files import CheckpointException

__all__ = ["HuggingFaceStorageReader", "HuggingFaceStorageWriter"]

safetensors: Any = lazy.module("safetensors")
arrays: Any = lazy.module("safetensors.numpy")
_INDEX: Final = "model.safetensors.index.json"


class HuggingFaceStorageWriter:
    """Write whole tensors into safetensors files.

    Args:
        path: the folder, which is made.
        fqn_to_index_mapping: the number of the file, from 1, for each name; one file by default.
        options: further ones of PyTorch, accepted.
    """

    def __init__(
        self, path: str | os.PathLike[str], fqn_to_index_mapping: dict[str, int] | None = None, **options: Any
    ) -> None:
        self.path = Path(path)
        self.numbers = fqn_to_index_mapping

    def write(self, whole: dict[str, Any]) -> None:
        """Write arrays; each file appears when it is whole, and the index after all of them.

        Args:
            whole: names -> arrays.

        Raises:
            CheckpointException: for names that have no file.
        """
        numbers = self.numbers or dict.fromkeys(whole, 1)
        lacking = [name for name in whole if name not in numbers]
        if lacking:
            raise CheckpointException(f"fqn_to_index_mapping has no file for {', '.join(lacking)}")
        self.path.mkdir(parents=True, exist_ok=True)
        count = max(numbers.values(), default=1)
        places = {name: f"model-{numbers[name]:05}-of-{count:05}.safetensors" for name in whole}
        for file in sorted(set(places.values())):
            held = {name: np.ascontiguousarray(a) for name, a in whole.items() if places[name] == file}
            self._put(file, lambda part, held=held: arrays.save_file(held, part))
        size = sum(a.nbytes for a in whole.values())
        index = {"metadata": {"total_size": size}, "weight_map": places}
        self._put(_INDEX, lambda part: Path(part).write_text(json.dumps(index, indent=2), encoding="utf-8"))

    def _put(self, file: str, write: Any) -> None:
        part = self.path / f"{file}.part"
        write(os.fspath(part))
        part.replace(self.path / file)


class HuggingFaceStorageReader:
    """Read tensors from the safetensors files of a folder.

    Args:
        path: the folder.
        thread_count: accepted as in PyTorch.
    """

    def __init__(self, path: str | os.PathLike[str], thread_count: int = 1) -> None:
        self.path = Path(path)

    def read(self, names: list[str]) -> dict[str, Any]:
        """The arrays of these names.

        Args:
            names: which.

        Raises:
            CheckpointException: if one of them is in no file of the folder.
        """
        found: dict[str, Any] = {}
        for file in sorted(self.path.glob("*.safetensors")):
            with safetensors.safe_open(os.fspath(file), framework="np") as opened:
                for name in set(opened.keys()).intersection(names):
                    found[name] = opened.get_tensor(name)
        lacking = [name for name in names if name not in found]
        if lacking:
            raise CheckpointException(f"Missing key in checkpoint state_dict: {', '.join(lacking)}.")
        return found
