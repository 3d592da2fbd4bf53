"""`torch.fx.immutable_collections`: the lists and dictionaries that nodes hold as arguments."""

from __future__ import annotations

from typing import Any, Final, NoReturn

from ..utils import _pytree

__all__ = ["immutable_dict", "immutable_list"]

# The module makes some of its functions as it is loaded.
trees: Final[Any] = _pytree

_ADVICE = (
    "If you are attempting to modify the kwargs or args of a torch.fx.Node object,\n"
    "instead create a new copy of it and assign the copy to the node:\n\n"
    "    new_args = ...  # copy and mutate args\n"
    "    node.args = new_args"
)


def _refuse(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
    raise TypeError(f"{type(self).__name__!r} object does not support mutation. {_ADVICE}")


class immutable_list(list[Any]):
    """A list that nobody can change.

    Example:
        >>> from cotangent.fx.immutable_collections import immutable_list
        >>> try:
        ...     immutable_list([1]).append(2)
        ... except TypeError as error:
        ...     print(str(error).splitlines()[0])
        'immutable_list' object does not support mutation. If you are attempting to modify the kwargs or args of a torch.fx.Node object,
    """  # noqa: E501

    __delitem__ = __iadd__ = __imul__ = __setitem__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self))

    def __reduce__(self) -> tuple[type, tuple[tuple[Any, ...]]]:
        return type(self), (tuple(self),)


class immutable_dict(dict[Any, Any]):
    """A dictionary that nobody can change."""

    __delitem__ = __ior__ = __setitem__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type, tuple[tuple[tuple[Any, Any], ...]]]:
        return type(self), (tuple(self.items()),)


trees.register_pytree_node(
    immutable_list,
    trees._list_flatten,
    lambda values, context: immutable_list(trees._list_unflatten(values, context)),
    serialized_type_name="torch.fx.immutable_collections.immutable_list",
    flatten_with_keys_fn=trees._list_flatten_with_keys,
)
trees.register_pytree_node(
    immutable_dict,
    trees._dict_flatten,
    lambda values, context: immutable_dict(trees._dict_unflatten(values, context)),
    serialized_type_name="torch.fx.immutable_collections.immutable_dict",
    flatten_with_keys_fn=trees._dict_flatten_with_keys,
)
