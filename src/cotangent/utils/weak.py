"""Dictionaries whose keys are objects themselves, not what they equal, and may go: `torch.utils.weak`."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any

from ..tensor import Tensor

__all__ = ["TensorWeakRef", "WeakIdKeyDictionary", "WeakIdRef", "WeakTensorKeyDictionary"]


class WeakIdRef(weakref.ref[Any]):
    """A weak reference that is equal to another one of the same object, whatever the object's `==` says.

    Args:
        key: the object.
        callback: is called with the reference when the object has gone.
    """

    __slots__ = ("_id",)

    def __init__(self, key: Any, callback: Any = None) -> None:
        super().__init__(key, callback)  # type: ignore[call-arg]  # the stubs name `__new__` only
        self._id = id(key)

    def __hash__(self) -> int:
        return self._id

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WeakIdRef):
            return False
        mine, others = self(), other()
        # What has gone equals only itself: its place in memory may be another's by now.
        return self is other if mine is None or others is None else mine is others


class WeakIdKeyDictionary(MutableMapping[Any, Any]):
    """A dictionary of objects by identity; entries go with their objects.

    Args:
        dict: first entries.
        ref_type: the class of the references.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.utils.weak import WeakTensorKeyDictionary
        >>> x = torch.ones(2)
        >>> names = WeakTensorKeyDictionary({x: "x"})
        >>> names[x], torch.ones(2) in names
        ('x', False)
        >>> del x
        >>> len(names)
        0
    """

    def __init__(self, dict: Any = None, ref_type: type[WeakIdRef] = WeakIdRef) -> None:
        self.data: Any = {}
        self.ref_type = ref_type
        entries = self.data

        def gone(reference: weakref.ref[Any]) -> None:
            entries.pop(reference, None)

        self._gone = gone
        if dict is not None:
            self.update(dict)

    def _key(self, key: Any) -> WeakIdRef:
        return self.ref_type(key, self._gone)

    def __getitem__(self, key: Any) -> Any:
        return self.data[self.ref_type(key)]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.data[self._key(key)] = value

    def __delitem__(self, key: Any) -> None:
        del self.data[self.ref_type(key)]

    def __contains__(self, key: object) -> bool:
        try:
            return self.ref_type(key) in self.data
        except TypeError:  # no weak reference to such an object
            return False

    def __iter__(self) -> Iterator[Any]:
        # A copy: entries may go in the middle.
        for reference in list(self.data):
            key = reference()
            if key is not None:
                yield key

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x}>"

    def copy(self) -> WeakIdKeyDictionary:
        """Another dictionary with the same entries."""
        return type(self)(self, self.ref_type)

    __copy__ = copy

    def keyrefs(self) -> list[WeakIdRef]:
        """The references to the keys."""
        return list(self.data)

    def __or__(self, other: Mapping[Any, Any]) -> WeakIdKeyDictionary:
        if not isinstance(other, Mapping):
            return NotImplemented
        joined = self.copy()
        joined.update(other)
        return joined

    def __ior__(self, other: Mapping[Any, Any] | Iterable[tuple[Any, Any]]) -> WeakIdKeyDictionary:
        self.update(other)
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return {id(k): v for k, v in self.items()} == {id(k): v for k, v in other.items()}

    __hash__ = None  # type: ignore[assignment]  # as other dictionaries


WeakTensorKeyDictionary = WeakIdKeyDictionary


class TensorWeakRef:
    """A weak reference to a tensor.

    Args:
        tensor: the tensor.

    Example:
        >>> import cotangent as torch
        >>> from cotangent.utils.weak import TensorWeakRef
        >>> x = torch.ones(2)
        >>> reference = TensorWeakRef(x)
        >>> reference() is x
        True
        >>> del x
        >>> print(reference())
        None
    """

    ref: WeakIdRef

    def __init__(self, tensor: Tensor) -> None:
        if not isinstance(tensor, Tensor):
            raise AssertionError(f"expected torch.Tensor, got {type(tensor)}")
        self.ref = WeakIdRef(tensor)

    def __call__(self) -> Tensor | None:
        found: Tensor | None = self.ref()
        return found
