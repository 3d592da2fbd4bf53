"""`IterDataPipe` and `MapDataPipe`: what pipelines of data are made of."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import Any, ClassVar

from ..dataset import Dataset, IterableDataset
from ._typing import DataType, TypedMeta

__all__ = ["DFIterDataPipe", "DataChunk", "IterDataPipe", "MapDataPipe"]

_FEEDBACK = (
    "\nFor feedback regarding this single iterator per IterDataPipe constraint, feel free "
    "to comment on this issue: https://github.com/pytorch/data/issues/45."
)


class SnapshotState(Enum):
    """Whether a pipe has begun, or has been wound forward and must not begin anew."""

    NotStarted = 0
    Restored = 1
    Iterating = 2


class DataChunk(list[Any]):
    """A batch: a list that says so.

    Args:
        items: what is in it.

    Example:
        >>> import cotangent as torch
        >>> torch.utils.data.DataChunk([1, 2]).as_str("> ")
        '> [1, 2]'
    """

    def __init__(self, items: Iterable[Any]) -> None:
        items = list(items)
        super().__init__(items)
        self.items = items

    def as_str(self, indent: str = "") -> str:
        """Its items in brackets.

        Args:
            indent: what stands before them.
        """
        return f"{indent}[{', '.join(map(str, self))}]"

    def raw_iterator(self) -> Iterator[Any]:
        """Its items, whatever a subclass makes of iterating."""
        yield from self.items


def described(pipe: Any) -> str:
    """The class of a pipe and the arguments it keeps, as error messages show them.

    Args:
        pipe: the pipe.
    """
    names = inspect.signature(type(pipe)).parameters
    shown = (
        f"{name}={value.__name__ if inspect.isfunction(value) else repr(value)}"
        for name, value in inspect.getmembers(pipe)
        if name in names
    )
    return f"{type(pipe).__name__}({', '.join(shown)})"


class _Pipe(metaclass=TypedMeta):
    """What both kinds of pipes have in common: functions that are called as methods, and hooks."""

    functions: ClassVar[dict[str, Callable[..., Any]]] = {}
    reduce_ex_hook: ClassVar[Callable[[Any], Any] | None] = None
    getstate_hook: ClassVar[Callable[[Any], Any] | None] = None
    str_hook: ClassVar[Callable[[Any], str] | None] = None
    repr_hook: ClassVar[Callable[[Any], str] | None] = None
    type: ClassVar[DataType] = DataType(Any)

    def __getattr__(self, attribute_name: str) -> Any:
        found = type(self).functions.get(attribute_name)
        if found is None:
            raise AttributeError(
                f"'{type(self).__name__}' object has no attribute '{attribute_name}"  # as PyTorch says it
            )
        bound = functools.partial(found, self)
        functools.update_wrapper(bound, found, assigned=("__doc__",))
        return bound

    @classmethod
    def register_function(cls, function_name: str, function: Callable[..., Any]) -> None:
        """Make a function of a pipe a method of all pipes of this kind.

        Args:
            function_name: the method's name.
            function: takes a pipe and the method's arguments.
        """
        cls.functions[function_name] = function

    @classmethod
    def register_datapipe_as_function(
        cls, function_name: str, cls_to_register: Any, enable_df_api_tracing: bool = False
    ) -> None:
        """Make a class of pipes a method of all pipes of this kind.

        Args:
            function_name: the method's name.
            cls_to_register: the class; a call of the method makes one with the pipe as its first argument.
            enable_df_api_tracing: accepted as in PyTorch.
        """
        if function_name in cls.functions:
            raise Exception(  # PyTorch's type
                f"Unable to add DataPipe function name {function_name} as it is already taken"
            )

        def made(source: Any, *args: Any, **kwargs: Any) -> Any:
            return cls_to_register(source, *args, **kwargs)

        functools.update_wrapper(made, cls_to_register, assigned=("__doc__",), updated=())
        cls.functions[function_name] = made

    def _kind(self) -> Any:
        """The class that has the hooks of this kind of pipe."""
        return IterDataPipe if isinstance(self, IterDataPipe) else MapDataPipe

    def __getstate__(self) -> Any:
        return self._hooked(self.__dict__)

    def _hooked(self, state: Any) -> Any:
        """A state as the hook of this kind of pipe changes it."""
        hook = self._kind().getstate_hook
        return state if hook is None else hook(state)

    def __reduce_ex__(self, *args: Any, **kwargs: Any) -> Any:
        hook = self._kind().reduce_ex_hook
        if hook is not None:
            try:
                return hook(self)
            except NotImplementedError:
                pass
        return super().__reduce_ex__(*args, **kwargs)

    @classmethod
    def set_getstate_hook(cls, hook_fn: Callable[[Any], Any] | None) -> None:
        """Set what changes the states that are pickled.

        Args:
            hook_fn: takes a state; None removes the hook.
        """
        if cls.getstate_hook is not None and hook_fn is not None:
            raise RuntimeError("Attempt to override existing getstate_hook")
        cls.getstate_hook = staticmethod(hook_fn) if hook_fn is not None else None

    @classmethod
    def set_reduce_ex_hook(cls, hook_fn: Callable[[Any], Any] | None) -> None:
        """Set what pickles pipes instead of pickle.

        Args:
            hook_fn: takes a pipe, gives what `__reduce_ex__` gives; None removes the hook.
        """
        if cls.reduce_ex_hook is not None and hook_fn is not None:
            raise RuntimeError("Attempt to override existing reduce_ex_hook")
        cls.reduce_ex_hook = staticmethod(hook_fn) if hook_fn is not None else None

    def __repr__(self) -> str:
        hook: Any = self.repr_hook
        return type(self).__qualname__ if hook is None else str(hook(self))

    def __str__(self) -> str:
        hook: Any = self.str_hook
        return type(self).__qualname__ if hook is None else str(hook(self))

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *type(self).functions]


class MapDataPipe(_Pipe, Dataset[Any]):
    """Samples by index, as a pipe: a subclass defines `__getitem__`, mostly `__len__`.

    Example:
        >>> from cotangent.utils.data.datapipes.map import SequenceWrapper
        >>> list(SequenceWrapper(range(5)).map(str).batch(2))
        [['0', '1'], ['2', '3'], ['4']]
    """

    functions: ClassVar[dict[str, Callable[..., Any]]] = {}


def _begin(pipe: Any) -> Any:
    """A new iterator of a pipe: its number, which makes earlier iterators invalid."""
    if getattr(pipe, "_is_child_datapipe", False):
        pipe._set_main_datapipe_valid_iterator_id()
    else:
        pipe._valid_iterator_id = 0 if pipe._valid_iterator_id is None else pipe._valid_iterator_id + 1
        pipe.reset()
    return pipe._valid_iterator_id


def _check_valid(pipe: Any, number: Any) -> None:
    if getattr(pipe, "_is_child_datapipe", False):
        if not pipe._check_valid_iterator_id(number):
            raise RuntimeError(
                "This iterator has been invalidated, because a new iterator has been created from one of the "
                f"ChildDataPipes of {described(pipe.main_datapipe)}.{_FEEDBACK}"
            )
    elif pipe._valid_iterator_id != number:
        raise RuntimeError(
            "This iterator has been invalidated because another iterator has been created from the same "
            f"IterDataPipe: {described(pipe)}\nThis may be caused by multiple references to the same "
            f"IterDataPipe. We recommend using `.fork()` if that is necessary.{_FEEDBACK}"
        )


class _Tracked:
    """An iterator of a pipe that notices when it is no longer the pipe's last one."""

    def __init__(self, iterator: Any, pipe: Any, number: Any, counts: bool) -> None:
        self.iterator = iterator
        self.datapipe = pipe
        self.iterator_id = number
        self._counts = counts

    def __iter__(self) -> _Tracked:
        return self

    def __next__(self) -> Any:
        _check_valid(self.datapipe, self.iterator_id)
        found = next(self.iterator)
        if self._counts:
            self.datapipe._number_of_samples_yielded += 1
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.iterator, name)


def _tracked_generator(function: Callable[..., Any]) -> Callable[..., Any]:
    """An `__iter__` that is a generator function, so that only its last generator is valid."""

    @functools.wraps(function)
    def __iter__(pipe: Any, *args: Any, **kwargs: Any) -> Any:
        generator = function(pipe, *args, **kwargs)
        forward = pipe._fast_forward_iterator
        if forward:
            pipe._fast_forward_iterator = None
            pipe._snapshot_state = SnapshotState.Iterating
            yield from forward
            return
        number = _begin(pipe)
        request = None
        try:
            while True:
                found = generator.send(request)
                pipe._number_of_samples_yielded += 1
                request = yield found
                _check_valid(pipe, number)
        except StopIteration:
            return
        except Exception as error:
            _name_pipe(error, pipe)
            raise

    return __iter__


def _name_pipe(error: Exception, pipe: Any) -> None:
    """Say in an error whose iteration raised it, unless that has been said."""
    said = "thrown by __iter__ of"
    text = f"\nThis exception is {said} {described(pipe)}"
    if not error.args or not isinstance(error.args[0], str):
        error.args = (text,)
    elif said not in error.args[0] and "single iterator per IterDataPipe constraint" not in error.args[0]:
        error.args = (error.args[0] + text, *error.args[1:])


def _tracked_iter(function: Callable[..., Any], is_iterator: bool) -> Callable[..., Any]:
    """An `__iter__` that returns an iterator, often the pipe itself."""

    @functools.wraps(function)
    def __iter__(pipe: Any, *args: Any, **kwargs: Any) -> Any:
        found = function(pipe, *args, **kwargs)
        pipe._snapshot_state = SnapshotState.Iterating
        forward = pipe._fast_forward_iterator
        if forward:
            pipe._fast_forward_iterator = None
            return forward
        return _Tracked(found, pipe, _begin(pipe), not (found is pipe and is_iterator))

    return __iter__


def _counted_next(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def __next__(pipe: Any, *args: Any, **kwargs: Any) -> Any:
        found = function(pipe, *args, **kwargs)
        pipe._number_of_samples_yielded += 1
        return found

    return __next__


def _reset_once(function: Callable[..., Any]) -> Callable[..., Any]:
    """A `reset` that leaves a pipe alone which has just been wound forward."""

    @functools.wraps(function)
    def reset(pipe: Any, *args: Any, **kwargs: Any) -> None:
        if pipe._snapshot_state is not SnapshotState.Restored:
            pipe._number_of_samples_yielded = 0
            function(pipe, *args, **kwargs)
        pipe._snapshot_state = SnapshotState.Iterating

    return reset


def _track(cls: Any) -> None:
    """Wrap what a class of pipes itself defines of iteration."""
    own = vars(cls)
    if "reset" in own:
        cls.reset = _reset_once(own["reset"])
    function = own.get("__iter__")
    if function is None:
        return
    if inspect.isgeneratorfunction(function):
        cls.__iter__ = _tracked_generator(function)
        return
    if "__next__" in own:
        cls.__next__ = _counted_next(own["__next__"])
    cls.__iter__ = _tracked_iter(function, "__next__" in own)


class IterDataPipe(_Pipe, IterableDataset[Any]):
    """A stream of samples, as a pipe: a subclass defines `__iter__`.

    A pipe has one iterator: a second one makes the first invalid, and calls `reset`.

    Example:
        >>> from cotangent.utils.data.datapipes.iter import IterableWrapper
        >>> pipe = IterableWrapper(["1", "a", "2", "3"]).filter(str.isdigit).map(int)
        >>> list(pipe.batch(2))
        [[1, 2], [3]]
    """

    functions: ClassVar[dict[str, Callable[..., Any]]] = {}
    _valid_iterator_id: int | None = None
    _number_of_samples_yielded: int = 0
    _snapshot_state: SnapshotState = SnapshotState.NotStarted
    _fast_forward_iterator: Any = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _track(cls)

    def __iter__(self) -> Any:
        return self

    def reset(self) -> None:
        """Back to the beginning; subclasses with buffers empty them here."""


_track(IterDataPipe)


class DFIterDataPipe(IterDataPipe):
    """A stream of data frames."""

    def _is_dfpipe(self) -> bool:
        return True


def length_of(pipe: Any, source: Any) -> int:
    """The length of a pipe that is as long as its source.

    Args:
        pipe: the pipe.
        source: its source.

    Raises:
        TypeError: if the source has no length.
    """
    if not hasattr(source, "__len__"):
        raise no_length(pipe)
    return len(source)


def no_length(pipe: Any) -> TypeError:
    """The error that a pipe has no length.

    Args:
        pipe: the pipe.
    """
    return TypeError(f"{type(pipe).__name__} instance doesn't have valid length")
